"""How far a judge agrees with people, or with another judge, on the same predictions.

Reads the verdicts that a published evaluation keeps in its rows (variant `own`), and human ones from a file. Answers
are right or wrong: agreement, Cohen's kappa, a 2 x 2 table. Captions have grades: correlations, quadratically weighted
kappa of whole grades, an 11 x 11 table. Cohen 1960 and 1968. Asks no model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perceptlm.config import Config
from perceptlm.errors import DataError
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import read_numbered_records, read_records
from perceptlm.statistics import paired_difference

Scale = Literal["answers", "captions"]
MAX_GRADE = 10
_ROWS = "rows.jsonl"


class HumanVerdict(Config):
    """One line of a person's verdicts: `value` is 0 or 1 for an answer, 0 to 10 for a caption."""

    id: str
    """Of a judgement: a question's id, or `ID/G/P` for a pair of segments of a dense caption."""
    value: float


class Agreement(Config):
    """How the first judge (of the results) compares with the second (people, or another judge) on one scale."""

    scale: Scale
    n: int
    num_clusters: int
    agreement: float
    """Share of equal verdicts; of captions, of whole grades at most one apart."""
    kappa: float | None
    """Cohen's; of captions, weighted by squared distance. None where both always say the same one thing."""
    pearson: float | None
    spearman: float | None
    difference: float
    """Mean of first minus second, in [-1, 1], and its interval by whole clusters (source recordings)."""
    ci_low: float
    ci_high: float
    table: tuple[tuple[int, ...], ...]
    """Counts: rows are the first's verdicts, columns the second's, from 0."""


class AgreementReport(Config):
    """All scales that have verdicts in common, and what could not be compared."""

    scales: tuple[Agreement, ...]
    num_failed: int
    """Judgements left out because one of the judges failed."""
    num_unknown: int
    """Verdicts of the second that the results know no judgement for."""
    num_other_prediction: int
    """Left out because the second results judged another prediction."""

    def lines(self) -> list[str]:
        """Return the report for a terminal."""
        lines = []
        for found in self.scales:
            kappa = "-" if found.kappa is None else f"{found.kappa:.3f}"
            lines.append(
                f"{found.scale}: n {found.n}, agreement {100 * found.agreement:.1f} %, kappa {kappa}, difference "
                f"{100 * found.difference:+.1f} ({100 * found.ci_low:+.1f} to {100 * found.ci_high:+.1f}) points"
            )
            if found.scale == "captions":
                both = ("-" if value is None else f"{value:.3f}" for value in (found.pearson, found.spearman))
                lines.append("correlation: Pearson {}, Spearman {}".format(*both))
            lines.append("rows: verdicts of the results; columns: of the other")
            lines += ["".join(f"{count:>6}" for count in row) for row in found.table]
        lines.append(
            f"left out: {self.num_failed} failed, {self.num_unknown} without a judgement in the results, "
            f"{self.num_other_prediction} of another prediction"
        )
        return lines


@dataclass(frozen=True)
class _Judged:
    value: float | None
    scale: Scale
    cluster: str
    prediction: str


def compare_with_people(results: Path, human: Path) -> AgreementReport:
    """Return the agreement of the judge of `results` with the verdicts in a JSONL file of `HumanVerdict`.

    DataError for a value off its scale, an id given twice, or nothing in common.
    """
    first = _read(results)
    second: dict[str, _Judged] = {}
    num_unknown = 0
    seen = set()
    for line, verdict in read_numbered_records(human, HumanVerdict):
        if verdict.id in seen:
            raise DataError(f"'{verdict.id}' was judged before", path=human, line=line)
        seen.add(verdict.id)
        found = first.get(verdict.id)
        if found is None:
            num_unknown += 1
            continue
        allowed = verdict.value in (0, 1) if found.scale == "answers" else 0 <= verdict.value <= MAX_GRADE
        if not allowed:
            wanted = "0 or 1" if found.scale == "answers" else f"0 to {MAX_GRADE}"
            message = f"'{verdict.id}' is one of the {found.scale}: its value must be {wanted}"
            raise DataError(message, path=human, line=line)
        value = verdict.value / (1 if found.scale == "answers" else MAX_GRADE)
        second[verdict.id] = _Judged(value, found.scale, found.cluster, found.prediction)
    return _compare(first, second, num_unknown)


def compare_judges(results: Path, others: Path) -> AgreementReport:
    """Return the agreement of the judges of two results on the predictions that both judged."""
    first, second = _read(results), _read(others)
    known = {name: judged for name, judged in second.items() if name in first}
    return _compare(first, known, len(second) - len(known))


def cohens_kappa(table: Sequence[Sequence[int]], *, quadratic: bool = False) -> float | None:
    """Return Cohen's kappa of a square table of counts; None where chance already explains everything."""
    counts = np.array(table, dtype=np.float64)
    places = np.arange(len(counts))
    distance = np.abs(places[:, None] - places[None, :])
    weight = distance**2 if quadratic else (distance > 0).astype(np.float64)
    total = counts.sum()
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    expected = float((weight * by_chance).sum())
    return None if expected == 0 else 1 - float((weight * counts).sum()) / expected


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[inverse].astype(np.float64)


def _read(results: Path) -> dict[str, _Judged]:
    found: dict[str, _Judged] = {}
    for row in read_records(results / _ROWS, Row):
        if row.variant != "own":
            continue
        scale: Scale = "answers" if row.task in ("sgqa", "image_qa") else "captions"
        for judgement in row.judgements:
            value = None if judgement.reason is not None else judgement.value
            found[judgement.id] = _Judged(value, scale, row.cluster, row.prediction)
    if not found:
        raise DataError("holds no judgement", path=results / _ROWS, hint="evaluate rows that a judge decides")
    return found


def _compare(first: Mapping[str, _Judged], second: Mapping[str, _Judged], num_unknown: int) -> AgreementReport:
    other = [name for name, judged in second.items() if judged.prediction != first[name].prediction]
    same = {name: judged for name, judged in second.items() if name not in set(other)}
    pairs: dict[Scale, list[tuple[float, float, str]]] = {"answers": [], "captions": []}
    for name in sorted(same):
        mine, theirs = first[name].value, same[name].value
        if mine is not None and theirs is not None:
            pairs[first[name].scale].append((min(max(mine, 0.0), 1.0), min(max(theirs, 0.0), 1.0), first[name].cluster))
    scales = tuple(_agreement(scale, found) for scale, found in pairs.items() if found)
    if not scales:
        raise DataError("the two have no verdict in common", hint="ids are those of `judgements` in rows.jsonl")
    num_compared = sum(len(found) for found in pairs.values())
    return AgreementReport(
        scales=scales,
        num_failed=len(same) - num_compared,
        num_unknown=num_unknown,
        num_other_prediction=len(other),
    )


def _agreement(scale: Scale, pairs: Sequence[tuple[float, float, str]]) -> Agreement:
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    clusters = [pair[2] for pair in pairs]
    graded = scale == "captions"
    steps = MAX_GRADE if graded else 1
    table = np.zeros((steps + 1, steps + 1), dtype=np.int64)
    # Halves go up: Python's rounding to even would send 6.5 and 7.5 to grades two apart.
    np.add.at(table, tuple([math.floor(value * steps + 0.5) for value in side] for side in (a, b)), 1)
    near = np.abs(np.subtract.outer(np.arange(steps + 1), np.arange(steps + 1))) <= (1 if graded else 0)
    result = paired_difference(a, b, clusters)
    return Agreement(
        scale=scale,
        n=len(pairs),
        num_clusters=len(set(clusters)),
        agreement=float(table[near].sum() / len(pairs)),
        kappa=cohens_kappa(table.tolist(), quadratic=graded),
        pearson=_correlation(np.array(a), np.array(b)) if graded else None,
        spearman=_correlation(ranks(a), ranks(b)) if graded else None,
        difference=result.difference,
        ci_low=result.interval.low,
        ci_high=result.interval.high,
        table=tuple(tuple(row) for row in table.tolist()),
    )


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return None if scale == 0 else max(-1.0, min(1.0, float(a @ b) / scale))
