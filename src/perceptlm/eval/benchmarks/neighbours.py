"""How other benchmarks and tools count, where it differs from PLM-VideoBench: for comparison, and for worked examples.

Sources: facts/evaluation.md sections 1.2, 1.5, 1.6, 4.3 and 5.1. Nothing here scores PLM-VideoBench, and nothing reads
files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from perceptlm.eval.benchmarks.plm_videobench.metrics import Pair, SodaResult, soda_c

CHARADES_THRESHOLDS = (0.3, 0.5, 0.7)


def vlmevalkit_indices(num_total: int, num_wanted: int) -> list[int]:
    """Return the frames VLMEvalKit takes: both ends are left out, and short videos repeat frames."""
    if num_total < 1 or num_wanted < 1:
        raise ValueError(f"need at least one frame to choose and one to choose from: {num_wanted} of {num_total}")
    # The step is rounded to a float before it is multiplied, as there.
    step = num_total / (num_wanted + 1)
    return [int(i * step) for i in range(1, num_wanted + 1)]


def plain_iou(a: Pair, b: Pair) -> float:
    """Return intersection over union of two spans with nothing added to the union; 0 where both are empty."""
    (a_start, a_end), (b_start, b_end) = sorted(a), sorted(b)
    intersection = max(0.0, min(a_end, b_end) - max(a_start, b_start))
    union = (a_end - a_start) + (b_end - b_start) - intersection
    return intersection / union if union > 0 else 0.0


def charades_hits(iou: float, thresholds: Sequence[float] = CHARADES_THRESHOLDS) -> dict[float, int]:
    """Return, per threshold, whether `iou` reaches it: 0.5 is a hit at 0.5."""
    return {threshold: int(iou >= threshold) for threshold in thresholds}


def charades_sta(pairs: Sequence[tuple[Pair | None, Pair]]) -> tuple[dict[float, float], float]:
    """Return R1 at each threshold and mIoU, in percent, of (prediction, reference) spans; no prediction counts as 0."""
    ious = [0.0 if predicted is None else plain_iou(predicted, reference) for predicted, reference in pairs]
    hits = [charades_hits(iou) for iou in ious]
    return {t: 100 * fmean(hit[t] for hit in hits) for t in CHARADES_THRESHOLDS}, 100 * fmean(ious)


def temporalbench_is_correct(response: str, target: str) -> bool:
    """Return whether the answer's first character is the letter of a target such as "(A) text" or "A", in any case."""
    letter = target.lstrip("(")[:1].lower()
    return bool(letter) and response[:1].lower() == letter


def soda_original(
    reference: Sequence[Pair], predicted: Sequence[Pair], judge: Callable[[int, int], float]
) -> SodaResult:
    """Return SODA_c as its authors count: both lists are put in order of start first. `judge` knows the given order."""
    g_order = sorted(range(len(reference)), key=lambda index: reference[index][0])
    p_order = sorted(range(len(predicted)), key=lambda index: predicted[index][0])
    return soda_c(
        [reference[g] for g in g_order],
        [predicted[p] for p in p_order],
        lambda g, p: judge(g_order[g], p_order[p]),
    )


class AutoDQ(NamedTuple):
    """DREAM-1K's scores: F1 of each subtask, and recall, precision and F1 of all."""

    f1: dict[str, float]
    recall: float
    precision: float
    overall_f1: float


def autodq(subtasks: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]]) -> AutoDQ:
    """Return AutoDQ from per-sample (recalls, precisions) of each subtask.

    None is a sample that failed and is left out. Recall and precision are averaged within a subtask, then over
    subtasks; F1 is that of the averages.
    """
    means = {
        name: tuple(_mean([value for value in values if value is not None]) for values in lists)
        for name, lists in subtasks.items()
    }
    recall, precision = (_mean([pair[place] for pair in means.values()]) for place in (0, 1))
    return AutoDQ({name: _f1(*pair) for name, pair in means.items()}, recall, precision, _f1(recall, precision))


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0


def _f1(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision > 0 else 0.0
