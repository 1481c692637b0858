"""The doctor: every kind of trouble is found, named and counted, and what is well is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from released_rows import (
    NUM_FRAMES,
    choice_row,
    converted,
    dense_row,
    region_row,
    write_boxes,
    write_clips,
    write_rows,
)

from perceptlm.cli.main import run
from perceptlm.errors import PerceptLMError, UsageError
from perceptlm.eval.benchmarks.plm_videobench.metrics import soda_c
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.doctor import Diagnosis, TaskHealth, examine
from perceptlm.eval.doctor_inputs import read_all, read_dataset, read_release
from perceptlm.eval.doctor_lines import diagnosis_lines

ALL = list(range(NUM_FRAMES))


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return write_clips(tmp_path / "media", {"a.mp4": NUM_FRAMES, "b.mp4": NUM_FRAMES, "short.mp4": 12})


def diagnose(directory: Path, **options: bool) -> Diagnosis:
    return examine([read_dataset(EvalData(directory), split="benchmark", num_frames=32)], num_frames=32, **options)


def said(task: TaskHealth) -> dict[str, int]:
    return {finding.what: finding.num for finding in task.findings}


def test_a_whole_benchmark_is_well(tmp_path: Path, media: Path) -> None:
    rows = [choice_row("q0", "g0", "a.mp4"), choice_row("q1", "g0", "a.mp4"), choice_row("q2", "g1", "b.mp4")]
    found = diagnose(converted(tmp_path / "fgqa", "bench-fgqa", rows, media))
    (task,) = found.tasks
    assert found.is_healthy
    assert (task.coverage.num_items, task.coverage.share, task.best_reachable) == (2, 1.0, 1.0)
    assert task.group_sizes == {"1": 1, "2": 1}
    assert found.num_media == 2


def test_a_group_with_a_dropped_row_is_lost_as_a_whole_and_counted(tmp_path: Path, media: Path) -> None:
    rows = [
        choice_row("q0", "g0", "a.mp4"), choice_row("q1", "g0", "gone.mp4"), choice_row("q2", "g1", "b.mp4"),
        choice_row("q3", "g2", "gone.mp4"), choice_row("q4", "g2", "gone.mp4"),
    ]  # fmt: skip
    found = diagnose(converted(tmp_path / "fgqa", "bench-fgqa", rows, media))
    (task,) = found.tasks
    assert (task.coverage.num_items, task.coverage.num_askable, task.coverage.num_dropped) == (3, 1, 1)
    assert said(task)["group with a missing question, excluded as a whole"] == 1
    assert said(task)["dropped by the conversion: no such media file"] == 3
    assert not found.is_healthy


def test_media_that_went_missing_or_changed_are_found(tmp_path: Path, media: Path) -> None:
    names = ("a.mp4", "b.mp4", "short.mp4")
    data = converted(tmp_path / "sgqa", "bench-sgqa", [sgqa_row(n, name) for n, name in enumerate(names)], media)
    (media / "a.mp4").unlink()
    (media / "b.mp4").write_bytes(b"no video")
    write_clips(media, {"short.mp4": 13})
    (task,) = diagnose(data).tasks
    assert said(task) == {
        "media file is missing": 1, "media file cannot be decoded": 1, "media file differs": 1,
        "video has fewer than 32 frames": 1,
    }  # fmt: skip
    (example,) = next(finding for finding in task.findings if finding.what == "media file differs").examples
    assert example == "short.mp4: has 13 frames, its record says 12"
    assert task.coverage.num_askable == 0
    assert task.best_reachable is None
    (quick,) = diagnose(data, open_media=False).tasks
    assert quick.coverage.num_askable == 2


def sgqa_row(uid: int, video: str) -> dict[str, object]:
    return {
        "uid": str(uid),
        "video": video,
        "question": f"Where are the keys {uid}?",
        "answer": "There.",
        "domain": "home",
    }


def test_spans_that_collapse_bound_what_can_be_reached(tmp_path: Path, media: Path) -> None:
    boxes = write_boxes(tmp_path / "boxes.jsonl", {"a.mp4": ALL, "b.mp4": ALL})
    located = [region_row(0, "a.mp4"), region_row(1, "a.mp4", start_frame=3, end_frame=3), region_row(2, "b.mp4")]
    (task,) = diagnose(converted(tmp_path / "rtloc", "bench-rtloc", located, media, boxes)).tasks
    assert (task.num_collapsed_spans, task.num_never_scoring) == (1, 1)
    assert task.best_reachable == pytest.approx(2 / 3)
    assert task.share_of_shown_frames_with_box == 1.0
    spans = ((0, 10), (11, 11), (12, 47))
    (task,) = diagnose(
        converted(tmp_path / "rdcap", "bench-rdcap", [dense_row(0, "a.mp4", *spans)], media, boxes)
    ).tasks
    assert (task.num_collapsed_spans, task.num_never_scoring) == (1, 0)
    # Telling only what can overlap beats telling all: held against the metric itself.
    shown = [(start * 32 // NUM_FRAMES, end * 32 // NUM_FRAMES) for start, end in spans]
    full = soda_c(shown, shown, lambda g, p: 1.0).f1
    best = soda_c(shown, [shown[0], shown[2]], lambda g, p: 1.0).f1
    assert task.best_reachable == pytest.approx(best) == pytest.approx(0.8)
    assert best > full


def test_boxes_that_are_not_shown_are_noted(tmp_path: Path, media: Path) -> None:
    boxes = write_boxes(tmp_path / "boxes.jsonl", {"a.mp4": [40, 41, 42, 43], "b.mp4": [1]})
    rows = [region_row(0, "a.mp4"), region_row(1, "b.mp4")]
    found = diagnose(converted(tmp_path / "rcap", "bench-rcap", rows, media, boxes))
    (task,) = found.tasks
    assert said(task) == {
        "region is not shown within the span asked about": 2,
        "region is on none of the shown frames": 1,
    }
    assert 0 < (task.share_of_shown_frames_with_box or 0) < 0.1
    assert found.is_healthy  # as released


def test_equal_options_and_repeated_questions_are_wrong(tmp_path: Path, media: Path) -> None:
    rows = [
        choice_row("q0", "g0", "a.mp4", options={"option_0": "up", "option_1": "Up."}),
        choice_row("q1", "g1", "a.mp4", question="Where to?"),
        choice_row("q2", "g2", "a.mp4", question="Where to?", options={"option_0": "Up.", "option_1": "Down."},
                   answer_index=0),
        choice_row("q3", "g3", "a.mp4", question="Where to?", answer="Down.", answer_index=0),
    ]  # fmt: skip
    found = diagnose(converted(tmp_path / "fgqa", "bench-fgqa", rows, media))
    assert said(found.tasks[0]) == {
        "options are equal": 1, "asks the same as another question": 1, "contradicts another question": 1,
    }  # fmt: skip
    assert not found.is_healthy


def test_another_reference_is_only_noted(tmp_path: Path, media: Path) -> None:
    boxes = write_boxes(tmp_path / "boxes.jsonl", {"a.mp4": ALL})
    data = converted(tmp_path / "rcap", "bench-rcap", [region_row(0, "a.mp4"), region_row(1, "a.mp4")], media, boxes)
    assert said(diagnose(data).tasks[0]) == {"asks the same as another, with another reference": 1}
    assert diagnose(data).is_healthy


def test_released_rows_are_examined_unconverted(tmp_path: Path, media: Path) -> None:
    boxes = write_boxes(tmp_path / "boxes.jsonl", {"a.mp4": ALL, "short.mp4": ALL})
    path = write_rows(
        tmp_path / "rtloc.parquet", [region_row(0, "a.mp4"), region_row(1, "short.mp4"), region_row(2, "x.mp4")]
    )
    place = read_release("bench-rtloc", path, media=media, boxes=boxes, num_frames=32)
    (task,) = examine([place], num_frames=32).tasks
    assert (task.coverage.num_items, task.coverage.num_askable) == (3, 1)
    assert said(task) == {
        "dropped by the conversion: frame counts disagree": 1, "dropped by the conversion: no such media file": 1,
    }  # fmt: skip


def test_bad_records_are_told_of(tmp_path: Path, media: Path) -> None:
    data = converted(tmp_path / "sgqa", "bench-sgqa", [sgqa_row(0, "a.mp4")], media)
    with open(data / "benchmark" / "samples-00000.jsonl", "a") as file:
        file.write('{"id": "x"}\n')
    (finding,) = diagnose(data).elsewhere
    assert (finding.what, finding.num) == ("record is not valid", 1)
    assert finding.examples[0].startswith("benchmark/samples-00000.jsonl:2: ")


def test_a_world_is_well(tiny_world: Path) -> None:
    found = diagnose(tiny_world)
    assert [task.row for task in found.tasks] == ["fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"]
    assert all(task.coverage.share == 1 for task in found.tasks)


def test_only_the_rows_named_are_examined(tiny_world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "doctor", "--data", str(tiny_world), "--json"]) == 1  # questions of fgqa are twins
    assert run(["eval", "doctor", "--data", str(tiny_world), "--tasks", "rtloc,rcap"]) == 0
    out = capsys.readouterr().out.partition("\n")[2]
    assert "rtloc" in out
    assert "fgqa" not in out


def test_nonsense_is_refused(tmp_path: Path, media: Path, tiny_world: Path) -> None:
    everything = {"boxes": None, "split": "benchmark", "num_frames": 32}
    for data, folders, released, changes in (
        ([], [], [], {}),
        ([tiny_world], [media, media], [], {}),
        ([], [], ["bench-fgqa=x"], {}),
        ([tiny_world], [], [], {"boxes": tmp_path}),
        ([tiny_world], [], [], {"split": "test"}),
        ([tiny_world], [], [], {"tasks": "fgqq"}),
        ([tiny_world], [], [], {"split": "validation"}),
        ([], [media], ["llava=x"], {}),
    ):
        with pytest.raises(UsageError):
            read_all(data, folders, released, **everything | changes)
    with pytest.raises(PerceptLMError, match="missing"):
        read_all([tmp_path / "missing"], [], [], **everything)


def test_the_command(tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [choice_row("q0", "g0", "a.mp4"), choice_row("<b>", "g1", "b.mp4")]
    data = converted(tmp_path / "fgqa", "bench-fgqa", rows, media)
    assert run(["eval", "doctor", "--data", str(data)]) == 0
    assert "coverage %" in capsys.readouterr().out
    (media / "b.mp4").unlink()
    assert run(["eval", "doctor", "--data", str(data), "--quick", "--json"]) == 1
    found = Diagnosis.model_validate(json.loads(capsys.readouterr().out))
    assert found.tasks[0].coverage.num_askable == 1
    assert any("b.mp4" in line for line in diagnosis_lines(found))
