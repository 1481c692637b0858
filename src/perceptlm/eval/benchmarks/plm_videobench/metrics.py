"""The metrics of PLM-VideoBench as plain functions of numbers (facts/evaluation.md section 1).

SODA_c is written from its published recurrence (Fujita et al., ECCV 2020, section 3.3). Nothing here reads text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from perceptlm.eval.alignment import best_ordered_total
from perceptlm.statistics.standard_errors import weighted_standard_error

RECALL_THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
_EPSILON = 1e-8
"""Added to the union, as the reference does; it makes the overlap of two empty spans 0."""

Pair = tuple[float, float]


def temporal_iou(a: Pair, b: Pair) -> float:
    """Return intersection over union of two spans on the line; ends may be reversed, touching or empty gives 0."""
    (a_start, a_end), (b_start, b_end) = sorted(a), sorted(b)
    intersection = max(0.0, min(a_end, b_end) - max(a_start, b_start))
    union = (a_end - a_start) + (b_end - b_start) - intersection
    return intersection / (union + _EPSILON)


def recall_at(iou: float) -> dict[float, float]:
    """Return, per threshold, whether `iou` is strictly greater."""
    return {threshold: float(iou > threshold) for threshold in RECALL_THRESHOLDS}


def mean_recall(iou: float) -> float:
    """Return RTLoc's score of one question: the mean over the thresholds."""
    return fmean(recall_at(iou).values())


@dataclass(frozen=True)
class SodaResult:
    """SODA_c of one dense caption. `best` is the total of the best ordered matching."""

    best: float
    precision: float
    recall: float
    f1: float


def soda_c(reference: Sequence[Pair], predicted: Sequence[Pair], judge: Callable[[int, int], float]) -> SodaResult:
    """Return SODA_c of two lists of spans, where `judge(g, p)` in [0, 1] compares their captions.

    Both lists are matched in the order they are given. Pairs that do not overlap weigh 0 whatever they say, so the
    judge is not asked about them (see `pairs_to_judge`). No prediction gives 0.
    """
    if not predicted or not reference:
        return SodaResult(0.0, 0.0, 0.0, 0.0)
    weights = [[0.0] * len(predicted) for _ in reference]
    for g, p in pairs_to_judge(reference, predicted):
        weights[g][p] = temporal_iou(reference[g], predicted[p]) * judge(g, p)
    best = best_ordered_total(weights)
    f1 = 2 * best / (len(predicted) + len(reference))
    return SodaResult(best, best / len(predicted), best / len(reference), f1)


def pairs_to_judge(reference: Sequence[Pair], predicted: Sequence[Pair]) -> list[tuple[int, int]]:
    """Return the (reference, prediction) pairs that overlap in time: those whose `temporal_iou` is above 0."""
    ordered = [(min(span), max(span)) for span in predicted]
    pairs = []
    for g, span in enumerate(reference):
        first, last = min(span), max(span)
        pairs += [(g, p) for p, (start, end) in enumerate(ordered) if min(last, end) > max(first, start)]
    return pairs


def multi_binary_accuracy(rows: Iterable[tuple[str, bool]]) -> float:
    """Return the share of groups in which every question is right; `rows` are (group, right)."""
    groups: dict[str, bool] = {}
    for group, right in rows:
        groups[group] = groups.get(group, True) and right
    return fmean(groups.values())


def multi_binary_chance(groups_of_rows: Iterable[str]) -> float:
    """Return what guessing gets: the mean over groups of 0.5 to the number of its questions."""
    sizes: dict[str, int] = defaultdict(int)
    for group in groups_of_rows:
        sizes[group] += 1
    return fmean(0.5**size for size in sizes.values())


SUITE_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"fgqa": 1 / 3, "sgqa": 1 / 3, "rdcap": 1 / 9, "rcap": 1 / 9, "rtloc": 1 / 9}
)
"""What each task adds to the suite average: (FGQA + SGQA + mean of RDCap, RCap, RTLoc) / 3.

The paper does not state it; it gives 15 of 18 published rows (see `published`).
"""


def suite_average(scores: Mapping[str, float]) -> float:
    """Return the average the paper prints, from the five tasks' scores."""
    return (scores["fgqa"] + scores["sgqa"] + fmean(scores[name] for name in ("rdcap", "rcap", "rtloc"))) / 3


def suite_average_error(errors: Mapping[str, float]) -> float:
    """Return the standard error of the suite average from those of the five tasks, taken as independent.

    RDCap, RCap and RTLoc are about the same videos: where rows are at hand, `bootstrap_interval_of_sum` sees to it.
    """
    return weighted_standard_error([errors[name] for name in SUITE_WEIGHTS], list(SUITE_WEIGHTS.values()))
