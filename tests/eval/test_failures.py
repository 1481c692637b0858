"""Choosing failures: worst first, spread over rows, dimensions and clips, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from perceptlm.eval.failures import failures
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import write_records

MakeRow = Callable[..., Row]


def test_questions_without_a_dimension_take_their_turn(make_row: MakeRow, tmp_path: Path) -> None:
    rows = [make_row("sgqa", clip, score=0.0, dimension=name) for clip, name in enumerate((None, "what", None))]
    write_records(tmp_path / "rows.jsonl", rows)
    assert [item.dimension for item in failures(tmp_path, 2)] == [None, "what"]


def test_rows_and_dimensions_take_turns_worst_first(make_row: MakeRow, tmp_path: Path) -> None:
    rows = [make_row("rcap", clip, score=0.1 * clip) for clip in range(9)]
    rows += [
        make_row("sgqa", 10 + clip, score=0.0, dimension=dimension)
        for clip, dimension in enumerate(("what", "what", "how"))
    ]
    rows += [make_row("rtloc", 20, score=0.5)]
    write_records(tmp_path / "rows.jsonl", rows)
    found = failures(tmp_path, 6)
    assert [item.row for item in found] == ["sgqa", "rcap", "rtloc", "sgqa", "rcap", "sgqa"]
    assert {item.dimension for item in found if item.row == "sgqa"} == {"what", "how"}
    assert [item.score for item in found if item.row == "rcap"] == [0.0, 0.1]
    assert len({item.id for item in failures(tmp_path, 100)}) == len(rows)


def test_ties_are_drawn_by_seed(make_row: MakeRow, tmp_path: Path) -> None:
    write_records(tmp_path / "rows.jsonl", [make_row("rcap", clip, score=0.0) for clip in range(40)])
    assert failures(tmp_path, 5, 1) == failures(tmp_path, 5, 1)
    assert [item.id for item in failures(tmp_path, 5, 1)] != [item.id for item in failures(tmp_path, 5, 2)]


def test_among_equals_another_clip_comes_first(make_row: MakeRow, tmp_path: Path) -> None:
    rows = [make_row("rcap", clip, score=0.0, number=number) for clip in range(3) for number in range(20)]
    write_records(tmp_path / "rows.jsonl", rows)
    assert len({item.cluster for item in failures(tmp_path, 3)}) == 3


def test_only_answers_that_could_have_been_better_are_taken(make_row: MakeRow, tmp_path: Path) -> None:
    rows = [
        make_row("rcap", 0, score=1.0),
        make_row("rcap", 1, score=None),
        make_row("rdcap", 2, score=0.0, degenerate=True),
        make_row("rcap", 3, score=0.0, variant="zero"),
        *(make_row("fgqa", 4, part=part, score=score) for part, score in enumerate((1.0, 0.0, 0.0))),
    ]
    write_records(tmp_path / "rows.jsonl", rows)
    (found,) = failures(tmp_path)
    assert found.row == "fgqa"
    assert found.id in ("fgqa-4-0-1", "fgqa-4-0-2")


def test_a_failure_tells_what_was_asked_and_said(make_row: MakeRow, tmp_path: Path) -> None:
    row = make_row("rcap", 0, score=0.0, attributes={"speed": "fast"}, finish_reason="length", prediction="</script>")
    write_records(tmp_path / "rows.jsonl", [row])
    (found,) = failures(tmp_path)
    assert (found.question, found.truth, found.answer) == (row.prompt, row.reference, "</script>")
    assert found.cut_off
    assert found.attributes == {"speed": "fast"}
    assert found.num_frames == 8
