"""`plm eval compare`: what is paired, what is refused, and what the numbers say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.errors import ArtifactError, DataError, UsageError
from perceptlm.eval.compare import Comparison, compare_runs
from perceptlm.eval.comparison_text import comparison_lines
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import write_records
from perceptlm.statistics import minimum_detectable_difference, paired_difference

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Return a maker of published evaluations from rows; runs of one `data` share their dataset."""
    counter = iter(range(100))

    def make(rows: Sequence[Row], *, data: int = 0, name: str = "m", max_new_tokens: Any = None, **scores: Any) -> Path:
        dataset = tmp_path / f"data-{data}"
        if not dataset.exists():
            artifact.build(dataset, kind="world", recipe={"data": data}, make=lambda _: None)
        content = {
            "model": {"name": name},
            "judge": "rules",
            "profile": "strict",
            "num_frames": 8,
            "tasks": {},
        } | scores

        def fill(partial: Path) -> None:
            write_records(partial / "rows.jsonl", rows)
            (partial / "scores.json").write_text(json.dumps(content))

        out = tmp_path / f"run-{next(counter)}"
        settings = {"max_new_tokens": {"sgqa": 64, "rcap": 128} | (max_new_tokens or {})}
        recipe = {"run": out.name, "settings": settings}
        return artifact.build(out, kind="eval", recipe=recipe, make=fill, inputs={"data": dataset})

    return make


def random_scores(num: int, seed: int, shift: float = 0.0) -> list[float]:
    return np.clip(np.random.default_rng(seed).random(num) + shift, 0, 1).round(3).tolist()


def suite(make_row: Callable[..., Row], seed: int, gain: float = 0.0) -> list[Row]:
    """Return rows of all five tasks about 24 clips; the region tasks share theirs."""
    random = np.random.default_rng(seed)
    rows = []
    for clip in range(24):
        for task in ("rcap", "rtloc", "rdcap"):
            rows.append(make_row(task, clip, score=float(min(1.0, round(random.random() * 0.5 + gain, 3)))))
        rows.append(make_row("sgqa", 100 + clip, score=float(random.random() < 0.4 + gain)))
        rows += [
            make_row("fgqa", 200 + clip, part=part, score=float(random.random() < 0.7 + gain)) for part in range(2)
        ]
    return rows


def test_the_difference_is_that_of_the_paired_test(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    a, b = random_scores(40, 0), random_scores(40, 1, 0.1)
    runs = [make_run([make_row("rcap", clip // 2, number=clip, score=s) for clip, s in enumerate(x)]) for x in (a, b)]
    found = compare_runs(*runs)
    (task,) = found.tasks
    expected = paired_difference(b, a, [f"clip-{n // 2}" for n in range(40)])
    assert task.difference is not None
    assert task.difference.difference == pytest.approx(expected.difference)
    assert task.difference.p_value == pytest.approx(expected.p_value)
    assert task.difference.ci_low == pytest.approx(expected.interval.low)
    assert (task.difference.n, task.difference.num_clusters) == (40, 20)
    assert task.difference.score_a == pytest.approx(float(np.mean(a)))
    assert task.difference.score_b == pytest.approx(float(np.mean(b)))
    assert task.difference.mcnemar_p_value is None
    assert task.left_out == {}
    assert found.average is None
    wanted = minimum_detectable_difference(expected.standard_error or 0, degrees_of_freedom=expected.degrees_of_freedom)
    assert task.difference.detectable == pytest.approx(wanted)
    assert wanted > 2.9 * float(expected.standard_error or 0)  # normal quantiles would say 2.80


def test_pairing_finds_less_than_separate_items_would(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    a = random_scores(60, 0)
    b = [min(1.0, score + 0.02 * (n % 3)) for n, score in enumerate(a)]
    runs = [make_run([make_row("rcap", clip, score=s) for clip, s in enumerate(x)]) for x in (a, b)]
    found = compare_runs(*runs).tasks[0].difference
    assert found is not None
    assert found.detectable is not None
    assert found.detectable_unpaired is not None
    assert found.detectable < 0.1 * found.detectable_unpaired
    assert found.p_value < 1e-6


def test_items_that_only_one_has_or_scored_are_counted(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    a = [make_row("rcap", clip, score=0.5) for clip in range(6)]
    b = [make_row("rcap", clip, score=0.75) for clip in range(2, 8)]
    b[1] = make_row("rcap", 3, score=None)
    b[2] = b[2].model_copy(update={"reference": "Another one."})
    found = compare_runs(make_run(a), make_run(b)).tasks[0]
    assert found.left_out == {"another question or reference": 1, "no score in B": 1, "only in A": 2, "only in B": 2}
    assert found.difference is not None
    assert (found.difference.n, found.difference.difference) == (2, pytest.approx(0.25))


def test_groups_count_once_and_right_or_wrong_has_an_exact_test(
    make_run: MakeRun, make_row: Callable[..., Row]
) -> None:
    def rows(right: Sequence[int]) -> list[Row]:
        return [
            make_row("fgqa", clip, part=part, score=float(clip in right or part == 0), prediction=f"says {part}")
            for clip in range(10)
            for part in range(3)
        ]

    found = compare_runs(make_run(rows([0, 1, 2])), make_run(rows([2, 3, 4, 5, 6, 7])))
    difference = found.tasks[0].difference
    assert difference is not None
    assert (difference.n, difference.score_a, difference.score_b) == (10, pytest.approx(0.3), pytest.approx(0.6))
    assert difference.mcnemar_p_value == pytest.approx(2 * (1 + 7 + 21) / 2**7)
    # Each example is of a question that the loser got wrong, as both answered it.
    assert [(e.score_a, e.score_b) for e in found.examples] == [(0, 1), (1, 0), (0, 1), (1, 0)]
    assert [e.id for e in found.examples][:2] == ["fgqa-3-0-2", "fgqa-0-0-2"]
    assert found.examples[0].prediction_a == "says 2"


def test_the_suite_average_is_compared_where_all_tasks_are(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    found = compare_runs(make_run(suite(make_row, 0)), make_run(suite(make_row, 0, gain=0.3)), num_examples=0)
    by_row = {task.row: task.difference for task in found.tasks}
    assert found.average is not None
    region = sum(by_row[name].difference for name in ("rcap", "rtloc", "rdcap")) / 3  # type: ignore[union-attr]
    parts = [by_row[name].difference for name in ("fgqa", "sgqa")]  # type: ignore[union-attr]
    assert found.average.difference == pytest.approx((sum(parts) + region) / 3)
    assert found.average.p_value < 0.01
    assert found.average.num_clusters == 72
    assert found.examples == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judge": "another"}, "judge: rules and another"),
        ({"profile": "paper"}, "profile: strict and paper"),
        ({"num_frames": 32}, "frames: 8 and 32"),
        ({"data": 1}, "dataset: "),
        ({"max_new_tokens": {"rcap": 8}}, "max_new_tokens: rcap 128 and 8"),
        ({"judge_identity": {"name": "x", "prompt_hash": "0" * 64}}, "judge: rules and name x"),
    ],
)
def test_runs_made_otherwise_are_refused_unless_asked_for(
    make_run: MakeRun, make_row: Callable[..., Row], change: dict[str, Any], message: str
) -> None:
    rows = [make_row("rcap", clip, score=0.5) for clip in range(3)]
    a, b = make_run(rows), make_run(rows, **change)
    with pytest.raises(UsageError, match=message) as caught:
        compare_runs(a, b)
    assert "--anyway" in str(caught.value.hint)
    found = compare_runs(a, b, anyway=True)
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(message)
    assert any(line.startswith("warning: not the same") for line in comparison_lines(found))


def test_limits_of_rows_that_were_not_asked_change_nothing(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    rows = [make_row("rcap", clip, score=0.5) for clip in range(3)]
    assert compare_runs(make_run(rows), make_run(rows, max_new_tokens={"sgqa": 8})).warnings == ()


def test_what_is_no_evaluation_is_refused(make_run: MakeRun, make_row: Callable[..., Row], tmp_path: Path) -> None:
    good = make_run([make_row("rcap", 0, score=0.5)])
    with pytest.raises(ArtifactError, match="no such directory"):
        compare_runs(good, tmp_path / "missing")
    with pytest.raises(UsageError, match="no row of the table in common"):
        compare_runs(good, make_run([make_row("sgqa", 0, score=0.5)]))
    (good / "scores.json").write_text("{}")
    with pytest.raises(DataError, match=r"scores.json: not the scores of an evaluation: 'judge'"):
        compare_runs(good, good)
    for text in ("[]", "{", "\xff"):
        (good / "scores.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(DataError, match=r"scores.json: not the scores of an evaluation: "):
            compare_runs(good, good)


def test_one_clip_leaves_everything_open(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    runs = [make_run([make_row("rcap", 0, number=n, score=s) for n in range(3)]) for s in (0.25, 0.5)]
    found = compare_runs(*runs)
    difference = found.tasks[0].difference
    assert difference is not None
    assert (difference.ci_low, difference.ci_high, difference.p_value) == (-1.0, 1.0, 1.0)
    assert difference.detectable is None
    assert any("–" in line for line in comparison_lines(found))


def test_a_difference_too_wide_to_be_possible_is_not_called_detectable(
    make_run: MakeRun, make_row: Callable[..., Row]
) -> None:
    runs = [make_run([make_row("rcap", n, score=s) for n, s in enumerate(x)]) for x in ([0.0, 1.0], [0.0, 0.0])]
    difference = compare_runs(*runs).tasks[0].difference
    assert difference is not None
    assert difference.ci_low == -1.0
    assert difference.detectable is None


def test_three_equal_differences_prove_little(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    runs = [make_run([make_row("rcap", n, score=s) for n in range(3)]) for s in (0.25, 0.5)]
    difference = compare_runs(*runs).tasks[0].difference
    assert difference is not None
    assert (difference.p_value, difference.ci_low, difference.ci_high) == (0.25, -1.0, 1.0)
    assert difference.detectable is None


def test_the_table_is_plain_text_with_hostile_answers(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    evil = "[red]\x1b[31m\n" + "x" * 500
    a = make_run([make_row("rcap", clip, score=0.0, prediction=evil) for clip in range(4)], name="\x1b[1mA")
    b = make_run([make_row("rcap", clip, score=0.5 + clip / 10) for clip in range(4)])
    lines = comparison_lines(compare_runs(a, b, num_examples=1))
    assert not any("\x1b" in line or len(line) > 180 for line in lines)
    (line,) = (line for line in lines if line.startswith("rcap    "))
    assert "+65.0" in line
    assert any("[red]" in line for line in lines)


def test_what_a_score_is_not_of_is_said_of_each_run(make_run: MakeRun, make_row: Callable[..., Row]) -> None:
    rows = [make_row("rcap", clip, score=0.5) for clip in range(3)]
    failed = {"num_questions": 4, "outcomes": {"value": 3, "unscored": 0, "error": 1}, "reasons": {"\x1b[1mdown": 1}}
    tasks = {"rcap": {**failed, "bounds": [0.375, 0.625]}}
    found = compare_runs(make_run(rows, limit=4, tasks=tasks), make_run(rows))
    assert found.gaps_b == ()
    assert [line for line in comparison_lines(found) if line.startswith("A: ")][1:] == [
        "A: only the first 4 items of each row were asked",
        "A: rcap: 1 of 4 questions have no answer that could be scored (error 1; most often: [1mdown); "
        "the score could be 37.5 to 62.5",
    ]
    with pytest.raises(DataError, match=r"scores.json: not the scores of an evaluation: 'num_questions'"):
        compare_runs(
            make_run(rows),
            make_run(rows, tasks={"rcap": {"outcomes": {"error": 1}, "reasons": {"x": 1}, "bounds": [0, 1]}}),
        )


def test_the_command(make_run: MakeRun, make_row: Callable[..., Row], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make_run(suite(make_row, 0)), make_run(suite(make_row, 1))
    assert run(["eval", "compare", str(a), str(b), "--examples", "1"]) == 0
    shown = capsys.readouterr().out
    assert "average" in shown
    assert "one or more has p < 0.05" in shown
    assert run(["eval", "compare", str(a), str(b), "--json", "--power", "0.9"]) == 0
    found = Comparison.model_validate_json(capsys.readouterr().out)
    assert [task.row for task in found.tasks] == ["fgqa", "sgqa", "rcap", "rtloc", "rdcap"]
    assert found.power == 0.9
    assert run(["eval", "compare", str(a), str(b), "--power", "2"]) != 0
    assert "between 0 and 1" in capsys.readouterr().err
