"""Agreement of judges against hand-computed figures, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from perceptlm.errors import DataError
from perceptlm.eval.judges.agreement import cohens_kappa, compare_judges, compare_with_people, ranks
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import write_records

MakeRow = Callable[..., Row]


def write_results(folder: Path, make_row: MakeRow, row: str, values: Sequence[float | None], **more: object) -> Path:
    folder.mkdir()
    rows = []
    for clip, value in enumerate(values):
        name = f"{row}-{clip}-0-0"
        judgement = {"id": name, "value": value, "reason": "not JSON" if value is None else None}
        rows.append(make_row(row, clip, score=0.0, judgements=[judgement], cluster=f"c{clip // 2}", **more))
    write_records(folder / "rows.jsonl", rows)
    return folder


def write_human(path: Path, row: str, values: Sequence[float]) -> Path:
    lines = (json.dumps({"id": f"{row}-{clip}-0-0", "value": value}) for clip, value in enumerate(values))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_answers_against_people(tmp_path: Path, make_row: MakeRow) -> None:
    results = write_results(tmp_path / "r", make_row, "sgqa", [1, 1, 1, 0, 0, 1, 0, 1, 1, 0, None])
    human = write_human(tmp_path / "h.jsonl", "sgqa", [1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1])
    report = compare_with_people(results, human)
    (found,) = report.scales
    # Judge 6 of 10 yes, people 6 of 10 yes, 8 of 10 equal: kappa = (0.8 - 0.52) / (1 - 0.52).
    assert (found.scale, found.n, found.num_clusters, found.agreement) == ("answers", 10, 5, 0.8)
    assert found.kappa == pytest.approx(0.28 / 0.48)
    assert found.table == ((3, 1), (1, 5))
    assert found.difference == pytest.approx(0.0)
    assert found.ci_low <= 0 <= found.ci_high
    assert found.pearson is None
    assert (report.num_failed, report.num_unknown) == (1, 1)
    assert "kappa 0.583" in "\n".join(report.lines())
    assert compare_with_people(results, human) == report


def test_captions_against_people(tmp_path: Path, make_row: MakeRow) -> None:
    results = write_results(tmp_path / "r", make_row, "rcap", [0.0, 0.2, 0.5, 0.7, 1.0])
    human = write_human(tmp_path / "h.jsonl", "rcap", [1, 2, 4, 8, 7])
    (found,) = compare_with_people(results, human).scales
    assert found.agreement == 0.8
    assert found.difference == pytest.approx(0.04)
    assert found.spearman == pytest.approx(0.9)
    assert found.pearson == pytest.approx(0.9186110776038167)
    assert sum(map(sum, found.table)) == 5
    assert found.table[10][7] == 1
    # 1 - sum d2 / E[d2]: d2 = 1 + 0 + 1 + 1 + 9 over five, against all pairs.
    pairs = [(a - b) ** 2 for a in (0, 2, 5, 7, 10) for b in (1, 2, 4, 8, 7)]
    assert found.kappa == pytest.approx(1 - (12 / 5) / (sum(pairs) / 25))


def test_one_judge_against_another(tmp_path: Path, make_row: MakeRow) -> None:
    first = write_results(tmp_path / "a", make_row, "sgqa", [1, 0, 1, None])
    second = write_results(tmp_path / "b", make_row, "sgqa", [1, 0, 0, 1, 1])
    report = compare_judges(first, second)
    assert report.scales[0].table == ((1, 0), (1, 1))
    assert (report.num_failed, report.num_unknown, report.num_other_prediction) == (1, 1, 0)
    other = write_results(tmp_path / "c", make_row, "sgqa", [1, 0], prediction="Something else.")
    with pytest.raises(DataError, match="no verdict in common"):
        compare_judges(first, other)


@pytest.mark.parametrize(
    ("row", "values", "message"),
    [("sgqa", [0.5], "must be 0 or 1"), ("rcap", [11], "must be 0 to 10"), ("rcap", [-1], "must be 0 to 10")],
)
def test_verdicts_off_their_scale_are_named(
    row: str, values: list[float], message: str, tmp_path: Path, make_row: MakeRow
) -> None:
    results = write_results(tmp_path / "r", make_row, row, [1])
    human = write_human(tmp_path / "h.jsonl", row, values)
    with pytest.raises(DataError, match=rf"h.jsonl:1: .*{message}"):
        compare_with_people(results, human)


def test_a_verdict_given_twice_is_named(tmp_path: Path, make_row: MakeRow) -> None:
    results = write_results(tmp_path / "r", make_row, "sgqa", [1])
    human = tmp_path / "h.jsonl"
    human.write_text('{"id": "sgqa-0-0-0", "value": 1}\n' * 2)
    with pytest.raises(DataError, match=r"h.jsonl:2: .*before"):
        compare_with_people(results, human)


def test_results_without_a_judge_are_refused(tmp_path: Path, make_row: MakeRow) -> None:
    (tmp_path / "r").mkdir()
    write_records(tmp_path / "r" / "rows.jsonl", [make_row("rtloc", 0, score=1.0)])
    with pytest.raises(DataError, match="no judgement"):
        compare_judges(tmp_path / "r", tmp_path / "r")


def test_kappa_and_ranks_by_hand() -> None:
    assert cohens_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)
    assert cohens_kappa([[5, 0], [0, 0]]) is None
    assert cohens_kappa([[0, 5], [5, 0]]) == pytest.approx(-1.0)
    assert cohens_kappa([[5, 0, 0], [0, 5, 0], [0, 0, 5]], quadratic=True) == 1.0
    assert ranks([3.0, 1.0, 3.0, 2.0]).tolist() == [3.5, 1.0, 3.5, 2.0]
