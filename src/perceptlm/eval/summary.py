"""From scored questions to a results table: scores, intervals, outcomes, differences to blind.

A row's score is the mean over its units (questions; for FGQA groups of questions) that could be scored. Units that
could not are counted, and `bounds` says what the score would be had all of them been wrong or right. This module
reads no text and asks no model.
"""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from perceptlm.eval.benchmarks.images.corpus import published_lines, published_numbers
from perceptlm.eval.benchmarks.plm_videobench.metrics import SUITE_WEIGHTS, suite_average
from perceptlm.eval.judges.procedural import JUDGE_NAME
from perceptlm.eval.outcomes import BLIND_VARIANTS, NOT_ASKED, PARTIAL_VARIANTS, Row, Score, Variant
from perceptlm.eval.scoring import JUDGED_ROWS, metric_of
from perceptlm.eval.settings import EvalSettings, RowName
from perceptlm.seeding import derive_seed
from perceptlm.statistics import Part, Values, bootstrap_interval, bootstrap_interval_of_sum, paired_difference

_BASELINES = ("blind", "constant", "chance", "oracle")


@dataclass(frozen=True)
class Unit:
    """What is averaged: `value` is None where a needed part could not be scored. `low` and `high` bound what it would
    be had neither model nor judge failed."""

    key: str
    cluster: str
    value: float | None
    low: float
    high: float


def make_units(scored: Iterable[tuple[str, str, Score]]) -> list[Unit]:
    """Group (unit key, cluster, score) into units, in order of first mention: a unit is as good as its worst part."""
    parts: dict[str, list[Score]] = defaultdict(list)
    clusters: dict[str, str] = {}
    for key, cluster, score in scored:
        parts[key].append(score)
        clusters.setdefault(key, cluster)
    units = []
    for key, scores in parts.items():
        known = [score.score for score in scores if score.score is not None]
        low, high = (min(ends) for ends in zip(*(score.bounds for score in scores), strict=True))
        # What failed changes nothing where the bounds meet. What was not asked leaves the score with all its unit.
        value = min(known) if len(known) == len(scores) else None
        if value is None and low == high and not any(score.reason in NOT_ASKED for score in scores):
            value = low
        units.append(Unit(key, clusters[key], value, low, high))
    return units


def mean_score(units: Sequence[Unit]) -> float | None:
    """Return the mean over the units that have a value; None if none has."""
    values = [unit.value for unit in units if unit.value is not None]
    return fmean(values) if values else None


def summarise_row(row: RowName, rows: Sequence[Row], settings: EvalSettings, judge: str = JUDGE_NAME) -> dict[str, Any]:
    """Return the results of one table row from its scored questions in every variant (without text baselines)."""
    own = [item for item in rows if item.variant == "own"]
    units = {variant: units_of(rows, variant) for variant in settings.variants}
    result: dict[str, Any] = {"metric": metric_of(row, judge), **score_with_interval(units["own"], row, settings)}
    if published := published_numbers(row, rows, settings):
        result["published"] = published
    result["unit"] = "group of questions" if row == "fgqa" else "question"
    result["bounds"] = [fmean(unit.low for unit in units["own"]), fmean(unit.high for unit in units["own"])]
    result |= _counts(own)
    result["baselines"] = {}
    blind: dict[Variant, dict[str, Any]] = {}
    for variant in BLIND_VARIANTS:
        if variant in settings.variants:
            paired = _paired(units["own"], units[variant], settings)
            blind[variant] = score_with_interval(units[variant], row, settings) | {"paired": paired}
    usable = {variant: values for variant, values in blind.items() if values["score"] is not None}
    if usable:
        best = max(usable, key=lambda variant: usable[variant]["score"])
        result["baselines"]["blind"] = {"rule": f"best of {', '.join(blind)}", "variant": best, **usable[best]}
    result["blind_variants"] = blind
    result["controls"] = {
        variant: score_with_interval(units[variant], row, settings)
        | {"paired": _paired(units["own"], units[variant], settings)}
        for variant in PARTIAL_VARIANTS
        if units.get(variant)
    }
    return result


def units_of(rows: Iterable[Row], variant: Variant) -> list[Unit]:
    """Return the units of the rows of one variant."""
    return make_units((item.unit, item.cluster, item.score) for item in rows if item.variant == variant)


def score_range(values: Values) -> tuple[float, float]:
    """Return the least and greatest value a score can take: 0 and 1, unless a judge went off its scale."""
    return min(0.0, *values), max(1.0, *values)


def average_with_interval(rows: Sequence[Row], settings: EvalSettings) -> dict[str, Any]:
    """Return the suite average of the variant `own` and its interval; nothing but None unless all five tasks have one.

    Tasks about the same clips are resampled together.
    """
    units = {name: units_of((row for row in rows if row.row == name), "own") for name in SUITE_WEIGHTS}
    scores = {name: mean_score(found) for name, found in units.items()}
    known = {name: score for name, score in scores.items() if score is not None}
    if len(known) < len(SUITE_WEIGHTS):
        return {"average": None, "average_ci_low": None, "average_ci_high": None}
    parts = [unit_part(units[name], weight) for name, weight in SUITE_WEIGHTS.items()]
    interval = bootstrap_interval_of_sum(
        parts,
        seed=derive_seed(settings.seed, "interval", "average"),
        num_resamples=settings.num_resamples,
        confidence=settings.confidence,
        bounds=score_range([value for part in parts for value in part.values]),
    )
    return {"average": suite_average(known), "average_ci_low": interval.low, "average_ci_high": interval.high}


def unit_part(units: Sequence[Unit], weight: float = 1.0) -> Part:
    """Return the units that have a value as one mean for `perceptlm.statistics`."""
    known = [(unit.value, unit.cluster) for unit in units if unit.value is not None]
    return Part([value for value, _ in known], [cluster for _, cluster in known], weight)


def score_with_interval(units: Sequence[Unit], row: RowName, settings: EvalSettings) -> dict[str, Any]:
    part = unit_part(units)
    if not part.clusters:
        return {"score": None, "ci_low": None, "ci_high": None, "n": 0}
    interval = bootstrap_interval(
        part.values,
        part.clusters,
        seed=derive_seed(settings.seed, "interval", row),
        num_resamples=settings.num_resamples,
        confidence=settings.confidence,
        bounds=score_range(part.values),
    )
    return {
        "score": fmean(part.values),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": len(part.clusters),
    }


def _paired(own: Sequence[Unit], blind: Sequence[Unit], settings: EvalSettings) -> dict[str, Any] | None:
    blind_values = {unit.key: unit.value for unit in blind}
    pairs = [
        (unit.value, value, unit.cluster)
        for unit in own
        if unit.value is not None and (value := blind_values.get(unit.key)) is not None
    ]
    if not pairs:
        return None
    result = paired_difference(
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        [pair[2] for pair in pairs],
        confidence=settings.confidence,
        bounds=score_range([value for pair in pairs for value in pair[:2]]),
    )
    return {
        "difference": result.difference,
        "ci_low": result.interval.low,
        "ci_high": result.interval.high,
        "p_value": result.p_value,
        "excludes_zero": result.excludes_zero,
        "n": len(pairs),
    }


def _counts(own: Sequence[Row]) -> dict[str, Any]:
    outcomes = Counter(item.score.outcome for item in own)
    reasons = Counter(item.score.reason for item in own if item.score.reason is not None)
    return {
        "num_questions": len(own),
        "num_clusters": len({item.cluster for item in own}),
        "outcomes": {name: outcomes[name] for name in ("value", "unscored", "error")},
        "reasons": {str(reason): count for reason, count in sorted(reasons.items(), key=lambda pair: str(pair[0]))},
        "parse_failures": sum(item.score.parse_failed for item in own),
        "truncated_answers": sum(item.finish_reason == "length" for item in own),
        "degenerate_references": sum(item.score.degenerate for item in own),
        **_judge_counts(own),
    }


def _judge_counts(own: Sequence[Row]) -> dict[str, Any]:
    """Return how the judge did, for rows it was asked about; `failed` ones have no reply, or none that can be read."""
    judgements = [judgement for item in own for judgement in item.judgements]
    if not judgements:
        return {}
    failed = [judgement for judgement in judgements if judgement.reason is not None]
    return {
        "judge": {
            "judgements": len(judgements),
            "failed": len(failed),
            "unreadable_replies": sum(judgement.reply is not None for judgement in failed),
            "read_by_fallback": sum(judgement.by_fallback for judgement in judgements),
            "asked_again": sum(judgement.num_tries > 1 for judgement in judgements),
            "off_scale": sum(item.score.off_scale for item in own),
        }
    }


def table_lines(scores: Mapping[str, Any]) -> list[str]:
    """Return the content of `scores.json` as aligned lines for a terminal, in percent."""
    width = max(8, *(len(name) + 1 for name in scores["tasks"]))
    lines = [f"{'':{width}}{'score':>7}{'95 % interval' if scores['confidence'] == 0.95 else 'interval':>17}"]
    lines[0] += "".join(f"{name:>10}" for name in _BASELINES) + f"{'n':>7}{'asked %':>9}"
    for name, row in scores["tasks"].items():
        interval = f"{_percent(row['ci_low'])} - {_percent(row['ci_high'])}"
        baselines = (_percent(row["baselines"].get(baseline, {}).get("score")) for baseline in _BASELINES)
        cells = "".join(f"{text:>10}" for text in baselines)
        coverage = row.get("coverage")
        share = None if not coverage else coverage["num_askable"] / max(coverage["num_items"], 1)
        lines.append(f"{name:{width}}{_percent(row['score']):>7}{interval:>17}{cells}{row['n']:>7}{_percent(share):>9}")
    if scores.get("average_ci_low") is not None:
        interval = f"{_percent(scores['average_ci_low'])} - {_percent(scores['average_ci_high'])}"
        lines.append(f"{'average':{width}}{_percent(scores['average']):>7}{interval:>17}")
    lines += [*gap_lines(scores), *published_lines(scores["tasks"])]
    return [*lines, f"judge: {scores['judge']}"] if JUDGED_ROWS & scores["tasks"].keys() else lines


def gap_lines(scores: Mapping[str, Any]) -> list[str]:
    """Say what the scores of an evaluation are not of: a limit, and of each row the questions without a score."""
    limit = scores.get("limit")
    lines = [] if limit is None else [f"only the first {limit} items of each row were asked"]
    return lines + [line for name, row in scores["tasks"].items() for line in _unscored_lines(name, row)]


def _unscored_lines(name: str, row: Mapping[str, Any]) -> list[str]:
    """Say of how many questions there is no score, why, and what the row's score could be; nothing of a whole row."""
    counts = {outcome: num for outcome, num in row["outcomes"].items() if outcome != "value" and num}
    if not counts:
        return []
    why = ", ".join(f"{outcome} {num}" for outcome, num in counts.items())
    reason = max(row["reasons"], key=lambda text: row["reasons"][text])
    printable = "".join(character if character.isprintable() else " " for character in reason)  # a server's words
    shown = textwrap.shorten(printable, 80, placeholder=" ...")
    low, high = (_percent(end) for end in row["bounds"])
    return [
        f"{name}: {sum(counts.values())} of {row['num_questions']} questions have no answer that could be scored "
        f"({why}; most often: {shown}); the score could be {low} to {high}"
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
