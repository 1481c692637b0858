"""From item scores to the number a profile prints, to its last rounding rule (facts/evaluation.md sections 1.2 to 1.6).

lmms-eval rounds the three region tasks to four decimals and the others not at all; the paper prints percent with one
decimal, which is left to whoever prints. Knows neither texts nor judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, Profile

_ROUNDED = ("rcap", "rtloc", "rdcap")


def printed_score(task: str, score: float, profile: Profile) -> float:
    """Return a task's mean score in [0, 1] as `profile` reports it."""
    return round(score, 4) if profile == LMMS and task in _ROUNDED else score


class RtlocAggregate(NamedTuple):
    """RTLoc as reported; with one span asked and one answered, precision is recall."""

    mean_recall: float
    mean_iou: float


def rtloc_aggregate(recalls: Sequence[float], ious: Sequence[float], profile: Profile) -> RtlocAggregate:
    """Return the means of items' recalls and temporal IoU."""
    return RtlocAggregate(*(printed_score("rtloc", fmean(values), profile) for values in (recalls, ious)))
