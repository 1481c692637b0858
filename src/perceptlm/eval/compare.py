"""Two runs beside each other, item by item: `plm eval compare A B`.

Only items that both runs scored are compared, and what is left out is counted with its reason. Runs that were judged,
prompted or shown differently are refused unless asked for. This module reads published evaluations; it asks no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from perceptlm.config import Config
from perceptlm.errors import UsageError
from perceptlm.eval.benchmarks.plm_videobench.metrics import SUITE_WEIGHTS
from perceptlm.eval.evaluations import Evaluation, no_scores, read_evaluation
from perceptlm.eval.outcomes import Row
from perceptlm.eval.runner import SCORES
from perceptlm.eval.settings import ROW_NAMES, RowName
from perceptlm.eval.summary import Unit, gap_lines, score_range, units_of
from perceptlm.statistics import (
    Part,
    cluster_means,
    difference_part,
    error_of_difference,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_difference_of_sum,
)


class Difference(Config):
    """B - A on the items both have; scores and differences are shares of 1.

    `detectable` is the true difference that a paired test of so many such items finds with the power asked for;
    `detectable_unpaired` the same had the two runs answered different items. None: a single cluster or
    equal differences leave it open, or it is wider than any difference can be.
    """

    n: int
    num_clusters: int
    score_a: float
    score_b: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    mcnemar_p_value: float | None = None
    """Of the exact test on right and wrong items, taken as independent; None for graded scores."""
    detectable: float | None
    detectable_unpaired: float | None


class TaskComparison(Config):
    """One row of the table. `difference` is None if the two runs share no scored item."""

    row: RowName
    difference: Difference | None
    left_out: dict[str, int]
    """Items that were not compared, by reason."""


class Example(Config):
    """A question on which the two runs differ, as both answered it."""

    row: RowName
    id: str
    prompt: str
    reference: str
    prediction_a: str
    prediction_b: str
    score_a: float
    score_b: float


class Comparison(Config):
    """All of it. `warnings` name what else differs between the runs."""

    a: str
    b: str
    model_a: str
    model_b: str
    warnings: tuple[str, ...]
    gaps_a: tuple[str, ...] = ()
    """What the scores of A are not of, in sentences."""
    gaps_b: tuple[str, ...] = ()
    confidence: float
    power: float
    tasks: tuple[TaskComparison, ...]
    average: Difference | None
    """Of the suite average; None unless all five tasks have items in common."""
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Side:
    """One of the two evaluations, as far as it is compared; `rows` are those of the variant `own`."""

    directory: Path
    model: str
    gaps: Sequence[str]
    """What its scores are not of, in sentences."""
    conditions: Mapping[str, Any]
    limits: Mapping[str, int]
    """The longest answer per row of the table, in tokens."""
    rows: Sequence[Row]


@dataclass(frozen=True)
class _Paired:
    """Units that both runs scored, in order of key."""

    units: Sequence[tuple[Unit, Unit]]

    @property
    def clusters(self) -> list[str]:
        return [a.cluster for a, _ in self.units]

    def values(self, side: int) -> list[float]:
        return [float(pair[side].value or 0.0) for pair in self.units]


def compare_runs(
    first: Path,
    second: Path,
    *,
    anyway: bool = False,
    num_examples: int = 4,
    confidence: float = 0.95,
    power: float = 0.8,
) -> Comparison:
    """Compare the evaluations in two directories, as `compare_sides` does; ArtifactError or DataError for a directory
    that is no evaluation."""
    a, b = side_of(read_evaluation(first)), side_of(read_evaluation(second))
    return compare_sides(a, b, anyway=anyway, num_examples=num_examples, confidence=confidence, power=power)


def compare_sides(
    a: Side,
    b: Side,
    *,
    anyway: bool = False,
    num_examples: int = 4,
    confidence: float = 0.95,
    power: float = 0.8,
) -> Comparison:
    """Compare two evaluations on the variant `own`.

    Raises UsageError if their judge, profile, frames, token limits or data differ and `anyway` is not set, or if they
    have no row of the table in common.
    """
    warnings = _differing(a, b)
    if warnings and not anyway:
        raise UsageError(
            f"the two runs are not comparable: {'; '.join(warnings)}", hint="--anyway compares them all the same"
        )
    tasks: list[TaskComparison] = []
    common: dict[str, _Paired] = {}
    for name in ROW_NAMES:
        sides = [[row for row in run.rows if row.row == name] for run in (a, b)]
        if all(sides):
            common[name], left_out = _pair(sides[0], sides[1])
            found = _difference({name: common[name]}, {name: 1.0}, confidence, power)
            tasks.append(TaskComparison(row=name, difference=found, left_out=left_out))
    if not tasks:
        raise UsageError(f"{a.directory} and {b.directory} have no row of the table in common")
    has_all = all(name in common and common[name].units for name in SUITE_WEIGHTS)
    return Comparison(
        a=str(a.directory),
        b=str(b.directory),
        model_a=a.model,
        model_b=b.model,
        warnings=tuple(warnings),
        gaps_a=tuple(a.gaps),
        gaps_b=tuple(b.gaps),
        confidence=confidence,
        power=power,
        tasks=tuple(tasks),
        average=_difference(common, SUITE_WEIGHTS, confidence, power) if has_all else None,
        examples=tuple(_examples(a, b, common, num_examples)),
    )


def side_of(found: Evaluation) -> Side:
    """Return what is compared of an evaluation; DataError if its scores do not say how it was made."""
    scores, manifest = found.scores, found.manifest
    try:
        conditions = {
            "judge": scores.get("judge_identity", scores["judge"]),
            "profile": scores["profile"],
            "frames": scores["num_frames"],
            "dataset": sorted(item.digest for name, item in manifest.inputs.items() if name.startswith("data")),
        }
        model = str(scores["model"]["name"])
        gaps = gap_lines(scores)
        limits = dict(manifest.recipe.get("settings", {}).get("max_new_tokens", {}))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise no_scores(found.directory / SCORES, error) from error
    rows = found.own_rows()
    told = {row.row: limits[row.row] for row in rows if row.row in limits}
    return Side(found.directory, model, gaps, conditions, told, rows)


def _differing(a: Side, b: Side) -> list[str]:
    found = []
    for name, mine in a.conditions.items():
        theirs = b.conditions[name]
        if mine != theirs:
            found.append(f"{name}: {_short(mine)} and {_short(theirs)}")
    shared = [name for name in ROW_NAMES if name in a.limits and name in b.limits]
    changed = [f"{name} {a.limits[name]} and {b.limits[name]}" for name in shared if a.limits[name] != b.limits[name]]
    return [*found, f"max_new_tokens: {', '.join(changed)}"] if changed else found


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {str(item)[:16]}" for key, item in value.items())
    return ", ".join(item[:12] for item in value) if isinstance(value, list) else str(value)


def _pair(mine: Sequence[Row], theirs: Sequence[Row]) -> tuple[_Paired, dict[str, int]]:
    """Return the units that both scored, and how many were left out for which reason."""
    a, b = ({unit.key: unit for unit in units_of(rows, "own")} for rows in (mine, theirs))
    asked_a, asked_b = _asked(mine), _asked(theirs)
    reasons: Counter[str] = Counter()
    units = []
    for key in sorted(a.keys() | b.keys()):
        if key not in a or key not in b:
            reasons["only in A" if key in a else "only in B"] += 1
        elif asked_a[key] != asked_b[key]:
            reasons["another question or reference"] += 1
        elif a[key].value is None or b[key].value is None:
            both = a[key].value is None and b[key].value is None
            reasons[f"no score in {'both' if both else 'A' if a[key].value is None else 'B'}"] += 1
        else:
            units.append((a[key], b[key]))
    return _Paired(units), dict(sorted(reasons.items()))


def _asked(rows: Sequence[Row]) -> dict[str, tuple[frozenset[str], ...]]:
    """Return what each unit asks: its questions' ids, and their references unless these count shown frames."""
    ids: dict[str, set[str]] = {}
    references: dict[str, set[str]] = {}
    for row in rows:
        ids.setdefault(row.unit, set()).add(row.id)
        told = row.reference if row.row not in ("rtloc", "rdcap") else ""
        references.setdefault(row.unit, set()).add(f"{row.id} {told}")
    return {unit: (frozenset(ids[unit]), frozenset(references[unit])) for unit in ids}


def _difference(
    common: Mapping[str, _Paired], weights: Mapping[str, float], confidence: float, power: float
) -> Difference | None:
    """Return the weighted sum of the differences of tasks; None if there is nothing to compare."""
    chosen = [(common[name], weight) for name, weight in weights.items()]
    if not all(paired.units for paired, _ in chosen):
        return None
    sides = [[Part(paired.values(side), paired.clusters, weight) for paired, weight in chosen] for side in (0, 1)]
    bounds = score_range([value for parts in sides for part in parts for value in part.values])
    parts = [
        difference_part(theirs.values, mine.values, mine.clusters, mine.weight, bounds=bounds)
        for mine, theirs in zip(*sides, strict=True)
    ]
    found = paired_difference_of_sum(parts, confidence=confidence, bounds=bounds)
    scores = [sum(part.weight * fmean(part.values) for part in parts) for parts in sides]
    errors = [cluster_means(parts).standard_error for parts in sides]
    unpaired = None if errors[0] is None or errors[1] is None else error_of_difference(errors[0], errors[1])
    return Difference(
        n=sum(len(paired.units) for paired, _ in chosen),
        num_clusters=len({cluster for paired, _ in chosen for cluster in paired.clusters}),
        score_a=scores[0],
        score_b=scores[1],
        difference=found.difference,
        ci_low=found.interval.low,
        ci_high=found.interval.high,
        p_value=found.p_value,
        mcnemar_p_value=_mcnemar(chosen[0][0]) if len(chosen) == 1 else None,
        detectable=_detectable(found.standard_error, found.degrees_of_freedom, power, confidence, bounds),
        detectable_unpaired=_detectable(unpaired, None, power, confidence, bounds),
    )


def _detectable(
    error: float | None, degrees: float | None, power: float, confidence: float, bounds: tuple[float, float]
) -> float | None:
    """Return the least difference that is found so often; None where none that is possible is."""
    if not error:  # no spread was seen, which does not mean that there is none
        return None
    found = minimum_detectable_difference(error, power=power, significance=1 - confidence, degrees_of_freedom=degrees)
    return found if found <= bounds[1] - bounds[0] else None


def _mcnemar(paired: _Paired) -> float | None:
    a, b = paired.values(0), paired.values(1)
    if not {*a, *b} <= {0.0, 1.0}:
        return None
    return mcnemar_exact(sum(x > y for x, y in zip(a, b, strict=True)), sum(x < y for x, y in zip(a, b, strict=True)))


def _examples(a: Side, b: Side, common: Mapping[str, _Paired], num_examples: int) -> list[Example]:
    """Return questions on which the runs differ most: rows of the table take turns, and who is better does."""
    rows_a, rows_b = ({row.unit: row for row in _worst_last(run.rows)} for run in (a, b))
    queues = []
    for paired in common.values():
        for sign in (1, -1):
            gaps = [(sign * (float(y.value or 0) - float(x.value or 0)), x.key) for x, y in paired.units]
            queues.append(sorted(((gap, key) for gap, key in gaps if gap > 0), key=lambda item: (-item[0], item[1])))
    found: list[Example] = []
    while len(found) < num_examples and any(queues):
        for queue in queues:
            if queue and len(found) < num_examples:
                key = queue.pop(0)[1]
                # A group is as good as its worst question: show that of the run that is worse.
                loser, other = (rows_a[key], b) if _score(rows_a[key]) <= _score(rows_b[key]) else (rows_b[key], a)
                winner = next(row for row in other.rows if row.id == loser.id)
                pair = (loser, winner) if other is b else (winner, loser)
                found.append(_example(*pair))
    return found


def _worst_last(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-_score(row), row.id))


def _score(row: Row) -> float:
    return row.score.score or 0.0


def _example(a: Row, b: Row) -> Example:
    return Example.model_validate(
        {
            "row": a.row,
            "id": a.id,
            "prompt": a.prompt,
            "reference": a.reference,
            "prediction_a": a.prediction,
            "prediction_b": b.prediction,
            "score_a": _score(a),
            "score_b": _score(b),
        }
    )
