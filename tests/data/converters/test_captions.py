"""RCap, RTLoc and RDCap: times on the 6 fps grid, boxes where they belong, and no region that is not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perceptlm.errors import DataError, UsageError
from perceptlm.eval.questions import make_question
from perceptlm.exchange.coco_rle import encode_rle
from perceptlm.media.pictures import load_pictures
from perceptlm.schema import DenseAnswer, SpanAnswer, TimeSpan

BOX = [4.0, 4.0, 40.0, 28.0]


def row(uid: int = 0, video: str = "sav_000001.mp4", **changes: Any) -> dict[str, Any]:
    values = {
        "uid": uid, "video": video, "masklet_id": 2, "total_frames": 12, "caption": "The dog turns.", "start_frame": 3,
        "end_frame": 11,
    }  # fmt: skip
    return values | changes


def dense(*captions: tuple[int, int, str], **changes: Any) -> dict[str, Any]:
    entries = [{"start_frame": a, "end_frame": b, "caption": text} for a, b, text in captions]
    values = row(**changes) | {"dense_captions": entries}
    return {name: value for name, value in values.items() if name not in ("caption", "start_frame", "end_frame")}


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Boxes of both videos on every grid frame but 5."""
    lines = [
        {
            "video": f"sav_00000{number}.mp4",
            "masklet_id": 2,
            "bbox": {str(f): BOX if f != 5 else None for f in range(12)},
        }
        for number in (1, 2)
    ]
    path = tmp_path / "metadata_test.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_file_at_six_frames_a_second(converted: Any, boxes: Path) -> None:
    (sample,) = converted("bench-rcap", [row()], boxes=boxes)
    assert (sample.task, sample.dimension, sample.media[0].frame_step) == ("rcap", "what", 1)
    assert sample.span == TimeSpan(start_frame=3, end_frame=11)
    assert sample.question == (
        "Give a detailed description of the events occurring in the region marked by the red rectangle within frames "
        "[<|frame:3|>, <|frame:11|>] in this <|num_frames|> frame video."
    )
    assert sample.attributes == {"region_trusted": True, "span_collapses": False}
    assert sample.regions[0].frames == (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11)


def test_a_file_at_24_frames_a_second_is_asked_and_shown_as_the_other(converted: Any, boxes: Path, media: Path) -> None:
    slow, native = converted("bench-rtloc", [row(), row(1, "sav_000002.mp4")], boxes=boxes)
    assert (native.media[0].num_frames, native.media[0].frame_step) == (46, 4)
    assert native.answer == SpanAnswer(span=TimeSpan(start_frame=12, end_frame=44))
    for num_frames in (5, 12, 32):
        questions = [make_question(sample, num_frames) for sample in (slow, native)]
        assert questions[0].prompt == questions[1].prompt
        assert questions[0].reference == questions[1].reference
    loaded = load_pictures(native, media, num_frames=5, choice="uniform")
    assert loaded.source_indices == (0, 12, 24, 32, 44)
    assert all((picture == (255, 0, 0)).all(axis=2).any() for picture in loaded.pictures)
    assert 20 not in native.regions[0].boxes


def test_dense_captions(converted: Any, boxes: Path) -> None:
    told = ((6, 11, "It\nruns."), (0, 5, "It sits."))
    (sample,) = converted("bench-rdcap", [dense(*told)], boxes=boxes, split="validation")
    assert (sample.split, sample.task) == ("validation", "rdcap")
    assert sample.reference == "[<|frame:0|>, <|frame:5|>]: It sits.\n[<|frame:6|>, <|frame:11|>]: It runs."
    assert isinstance(sample.answer, DenseAnswer)
    assert sample.attributes["num_collapsed_spans"] == 0


def test_a_span_that_collapses_is_kept_and_marked(converted: Any, boxes: Path, tmp_path: Path) -> None:
    """12 frames are shown one by one: a span of one frame has no length."""
    samples = converted("bench-rtloc", [row(start_frame=4, end_frame=4), row(1)], boxes=boxes)
    assert [sample.attributes["span_collapses"] for sample in samples] == [True, False]
    counts = json.loads((tmp_path / "converted/counts.json").read_text())
    assert counts["flags"] == {"region_trusted=True": 2, "span_collapses=False": 1, "span_collapses=True": 1}


@pytest.mark.parametrize("name", ["human-rcap", "human-rtloc", "human-rdcap"])
def test_training_rows_ask_how_regions_are_to_be_had(converted: Any, name: str) -> None:
    with pytest.raises(UsageError, match="masklet_id that does not match SA-V's masklets") as caught:
        converted(name, [row()])
    for choice in ("--regions FILE.jsonl", "--regions masklets --masklets DIR", "--regions none"):
        assert choice in caught.value.hint


@pytest.mark.parametrize(
    ("name", "rows", "task"),
    [
        ("human-rcap", [row()], "video_caption"),
        ("human-rtloc", [row()], "video_qa"),
        ("human-rdcap", [dense((0, 11, "It runs."))], "video_caption"),
    ],
)
def test_without_regions_the_task_is_a_plain_one(converted: Any, name: str, rows: list[Any], task: str) -> None:
    (sample,) = converted(name, rows, no_regions=True)
    assert (sample.task, sample.regions, sample.template) == (task, (), f"{name}.plain")
    assert "rectangle" not in sample.question
    assert "region_trusted" not in sample.attributes


def test_masklets_of_sav_are_marked_as_not_trusted(converted: Any, dropped: Any, tmp_path: Path) -> None:
    folder = tmp_path / "annotations/sav_000"
    folder.mkdir(parents=True)
    mask, nothing = np.zeros((32, 48), bool), np.zeros((32, 48), bool)
    mask[4:28, 8:40] = True
    coded = [{"size": [32, 48], "counts": encode_rle(item)} for item in (nothing, mask)]
    frames = [[coded[0], coded[frame > 0]] for frame in range(12)]
    values = {"masklet": frames, "masklet_id": [0, 2]}
    (folder / "sav_000001_auto.json").write_text(json.dumps(values))
    (folder / "sav_000002_manual.json").write_text(json.dumps(values | {"masklet": frames[:9]}))
    endless = {"size": [float("inf"), 48], "counts": "1"}
    damaged = {"masklet": [[endless]] * 12, "masklet_id": [7]}
    (folder / "sav_000001_manual.json").write_text(json.dumps(damaged))
    rows = [row(), row(1, "sav_000002.mp4"), row(2, masklet_id=0), row(3, masklet_id=9), row(4, "cut.mp4")]
    rows.append(row(5, masklet_id=7))
    (sample,) = converted("human-rcap", rows, masklets=folder.parent)
    assert sample.attributes["region_trusted"] is False
    assert sample.regions[0].boxes == dict.fromkeys(range(1, 12), (8.0, 4.0, 40.0, 28.0))
    assert dropped() == [
        (1, "frame counts disagree"),
        (2, "region is never visible"),
        (3, "no masklet of this video"),
        (4, "frame counts disagree"),
        (5, "masklet file is damaged"),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(1, total_frames=13), "frame counts disagree"),
        (row(1, end_frame=12), "span ends after the video"),
        (row(1, start_frame=11, end_frame=3), "span is reversed"),
        (row(1, masklet_id=3), "no boxes of this masklet"),
        (row(1, start_frame=-1), "no number in 'start_frame'"),
    ],
)
def test_rows_that_cannot_be_used(converted: Any, dropped: Any, boxes: Path, bad: Any, reason: str) -> None:
    assert len(converted("bench-rcap", [row(), bad], boxes=boxes)) == 1
    assert dropped() == [(1, reason)]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"0": [50.0, 0.0, 60.0, 9.0]}, "box outside the picture"),
        ({"0": [1.0, 2.0, 3.0]}, "no valid box"),
        ({"12": BOX}, "box beyond the video"),
        ({"0": None}, "region is never visible"),
        ({"0": [4.0, 4.0, 4.0, 9.0]}, "region is never visible"),
        (None, "region is never visible"),
    ],
)
def test_boxes_that_cannot_be_used(converted: Any, dropped: Any, tmp_path: Path, found: Any, reason: str) -> None:
    good = {"video": "sav_000001.mp4", "masklet_id": 2, "bbox": {"0": BOX, "1": [4.0, 4.0, 4.0, 9.0]}}
    bad = {"video": "sav_000001.mp4", "masklet_id": 3, "bbox": found}
    path = tmp_path / "boxes.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    (sample,) = converted("bench-rcap", [row(), row(1, masklet_id=3)], boxes=path)
    assert sample.attributes["num_empty_boxes"] == 1
    assert dropped() == [(1, reason)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"video": "a"}', r"boxes\.jsonl:1: not a line of boxes"),
        ('{"video": "a", "masklet_id": 1, "bbox": {"x": null}}', r"boxes\.jsonl:1: 'bbox' is no map"),
        ('{"video": "a", "masklet_id": 1, "bbox": [[1, 2]]}', r"boxes\.jsonl:1: "),
    ],
)
def test_a_damaged_file_of_boxes(converted: Any, tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "boxes.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        converted("bench-rcap", [row()], boxes=path)


def test_the_benchmark_needs_its_own_boxes(converted: Any, tmp_path: Path) -> None:
    for values in ({}, {"no_regions": True}, {"masklets": tmp_path}):
        with pytest.raises(UsageError, match="needs the boxes of its test rows") as caught:
            converted("bench-rcap", [row()], **values)
        assert "metadata_test.jsonl" in caught.value.hint
