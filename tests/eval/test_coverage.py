"""What cannot be asked is neither an error nor a zero: it is unscored, counted, and lowers the coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from released_rows import NUM_FRAMES, choice_row, converted, region_row, write_boxes, write_clips

from perceptlm.errors import MediaError
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.generation import Share
from perceptlm.eval.outcomes import BAD_MEDIA, BROKEN_GROUP, MISSING_MEDIA
from perceptlm.eval.runner import ROWS, evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_lines

SETTINGS = EvalSettings(num_frames=8, variants=("own", "other"), num_resamples=50)
OWN_IN_PAIRS = SETTINGS.model_copy(update={"variants": ("own",), "num_samples_per_chunk": 2})


def right(request: Any) -> str:
    return "(B)" if "Options" in request.turns[-1].text else "[1, 5]"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return write_clips(tmp_path / "media", {f"{name}.mp4": NUM_FRAMES for name in "abcde"})


@pytest.fixture
def choices(tmp_path: Path, media: Path) -> Path:
    """Five groups: c of one question, the others of two; of e's, one was dropped by the conversion."""
    groups = {"a": 2, "b": 2, "c": 1, "d": 2, "e": 2}
    rows = [choice_row(f"{name}{n}", name, f"{name}.mp4") for name, number in groups.items() for n in range(number)]
    rows[-1]["video"] = "gone.mp4"
    return converted(tmp_path / "fgqa", "bench-fgqa", rows, media)


def results(out: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    rows = {row["id"]: row["score"] for _, row in read_lines(out / ROWS) if row["variant"] == "own"}
    return json.loads((out / "scores.json").read_text())["tasks"], rows


def test_groups_that_are_not_whole_leave_the_score_and_are_counted(
    choices: Path, media: Path, fake_client: Any, tmp_path: Path
) -> None:
    (media / "a.mp4").unlink()
    (media / "b.mp4").write_bytes(b"no video")
    client = fake_client(right)
    settings = SETTINGS.model_copy(update={"variants": ("own",)})
    tasks, rows = results(evaluate(client, [EvalData(choices)], tmp_path / "out", settings))
    fgqa = tasks["fgqa"]
    assert (fgqa["score"], fgqa["n"]) == (1.0, 2)  # groups c and d, all right: nothing is a zero
    assert fgqa["coverage"] == {"num_items": 5, "num_askable": 2, "num_dropped": 0}
    assert fgqa["outcomes"] == {"value": 3, "unscored": 5, "error": 0}
    assert fgqa["reasons"] == {MISSING_MEDIA: 2, BAD_MEDIA: 2, BROKEN_GROUP: 1}
    assert fgqa["bounds"] == [0.4, 1.0]
    assert rows["bench-fgqa.e0"]["reason"] == BROKEN_GROUP
    asked = {request.id for request in client.asked}
    assert asked == {"bench-fgqa.c0", "bench-fgqa.d0", "bench-fgqa.d1"}


def test_a_group_that_the_conversion_dropped_as_a_whole_counts_too(
    media: Path, fake_client: Any, tmp_path: Path
) -> None:
    rows = [choice_row("a0", "a", "a.mp4"), choice_row("x0", "x", "gone.mp4"), choice_row("x1", "x", "gone.mp4")]
    data = converted(tmp_path / "fgqa", "bench-fgqa", rows, media)
    settings = SETTINGS.model_copy(update={"variants": ("own",)})
    tasks, _ = results(evaluate(fake_client(right), [EvalData(data)], tmp_path / "out", settings))
    assert tasks["fgqa"]["coverage"] == {"num_items": 2, "num_askable": 1, "num_dropped": 1}
    # With a limit, what was dropped is not among the items: only the first ones were to be asked.
    limited = settings.model_copy(update={"limit": 1})
    tasks, _ = results(evaluate(fake_client(right), [EvalData(data)], tmp_path / "limited", limited))
    assert tasks["fgqa"]["coverage"] == {"num_items": 1, "num_askable": 1, "num_dropped": 0}


def test_scoring_later_knows_what_was_not_asked(choices: Path, media: Path, fake_client: Any, tmp_path: Path) -> None:
    (media / "a.mp4").unlink()
    out = tmp_path / "out"
    evaluate(fake_client(right), [EvalData(choices)], out, SETTINGS, phase="ask")
    (media / "c.mp4").unlink()  # it was asked about: that it is gone now changes nothing
    tasks, _ = results(evaluate(fake_client(right), [EvalData(choices)], out, SETTINGS, phase="score"))
    assert tasks["fgqa"]["coverage"] == {"num_items": 5, "num_askable": 3, "num_dropped": 0}
    assert tasks["fgqa"]["outcomes"]["error"] == 0


def test_a_repaired_file_is_asked_by_the_next_run(choices: Path, media: Path, fake_client: Any, tmp_path: Path) -> None:
    whole = (media / "d.mp4").read_bytes()
    (media / "d.mp4").write_bytes(b"")
    client = fake_client(right)
    client.die_after = 2
    with pytest.raises(KeyboardInterrupt):
        evaluate(client, [EvalData(choices)], tmp_path / "out", SETTINGS)
    (media / "d.mp4").write_bytes(whole)
    tasks, _ = results(evaluate(fake_client(right), [EvalData(choices)], tmp_path / "out", SETTINGS))
    assert tasks["fgqa"]["coverage"]["num_askable"] == 4
    assert tasks["fgqa"]["score"] == 1.0


def test_dropped_rows_of_a_task_without_groups(media: Path, fake_client: Any, tmp_path: Path) -> None:
    boxes = write_boxes(tmp_path / "boxes.jsonl", {"a.mp4": [3, 4, 5], "b.mp4": [3]})
    rows = [region_row(0, "a.mp4"), region_row(1, "b.mp4"), region_row(2, "c.mp4"), region_row(3, "gone.mp4")]
    data = converted(tmp_path / "rtloc", "bench-rtloc", rows, media, boxes)
    tasks, _ = results(evaluate(fake_client(right), [EvalData(data)], tmp_path / "out", SETTINGS))
    assert tasks["rtloc"]["coverage"] == {"num_items": 4, "num_askable": 2, "num_dropped": 2}


def test_without_any_readable_file_nothing_is_published(
    choices: Path, media: Path, fake_client: Any, tmp_path: Path
) -> None:
    for path in media.glob("*.mp4"):
        path.write_bytes(b"no video")
    with pytest.raises(MediaError, match="no media file could be read") as caught:
        evaluate(fake_client(right), [EvalData(choices)], tmp_path / "out", SETTINGS)
    assert str(caught.value).startswith(f"{media}: ")
    assert not (tmp_path / "out").exists()


def test_a_share_of_which_nothing_can_be_read_stops_nothing(
    choices: Path, media: Path, fake_client: Any, tmp_path: Path
) -> None:
    for name in "ab":
        (media / f"{name}.mp4").write_bytes(b"no video")
    clients = [fake_client(right) for _ in range(4)]
    for number, client in enumerate(clients, 1):
        share = Share(number=number, total=4)  # of one clip each
        evaluate(client, [EvalData(choices)], tmp_path / "out", OWN_IN_PAIRS, share=share)
    assert sorted(len(client.asked) for client in clients) == [0, 0, 1, 2]
    tasks, _ = results(evaluate(fake_client(right), [EvalData(choices)], tmp_path / "out", OWN_IN_PAIRS))
    assert tasks["fgqa"]["coverage"]["num_askable"] == 2
