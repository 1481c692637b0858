"""Intervals of a score: Wilson for plain proportions, bootstrap by cluster for everything else.

Every published number carries one of these (facts/evaluation.md). This module knows no metric and no task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perceptlm.errors import DataError
from perceptlm.statistics.resampling import Values, check_values, cluster_totals, mean_of, resampled_means


@dataclass(frozen=True)
class Interval:
    """A closed interval, in the unit of the score."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise DataError(f"an interval must not end before it starts: [{self.low}, {self.high}]")

    def contains(self, value: float) -> bool:
        """Whether `value` lies inside, ends included."""
        return self.low <= value <= self.high

    def overlaps(self, other: Interval) -> bool:
        """Whether the two have a point in common; two scores are surely apart when this is False."""
        return self.low <= other.high and other.low <= self.high


def wilson_interval(num_successes: int, num_trials: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion of independent yes/no outcomes.

    It stays inside [0, 1] and has a width even when all or none succeed (Wilson 1927; Newcombe 1998, method 3).
    """
    _check_confidence(confidence)
    if num_trials < 1 or not 0 <= num_successes <= num_trials:
        raise DataError(f"a proportion needs 0 <= successes <= trials and a trial, got {num_successes} of {num_trials}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = num_successes / num_trials
    scale = 1 + z * z / num_trials
    centre = (share + z * z / (2 * num_trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / num_trials + z * z / (4 * num_trials * num_trials))
    low = 0.0 if num_successes == 0 else max(0.0, centre - half)
    high = 1.0 if num_successes == num_trials else min(1.0, centre + half)
    return Interval(low, high)


def bootstrap_interval(
    values: Values,
    clusters: Sequence[str],
    *,
    seed: int,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """Return the percentile interval of the mean of `values`, resampling whole `clusters` with replacement.

    `values[i]` belongs to `clusters[i]`. The order of the items changes nothing, nor do the cluster names beyond
    their sorting order. `bounds` are the least and greatest value the score can take: with a single cluster the data
    says nothing about how clusters differ, and the bounds are the answer. Values that are all equal give a
    zero-width interval. Raises DataError for no values, unequal lengths, or values not finite or out of bounds.
    """
    _check_confidence(confidence)
    array = check_values(values, clusters, bounds)
    sums, counts = cluster_totals(array, clusters)
    if len(sums) == 1:
        return Interval(*bounds)
    if array.min() == array.max():
        return Interval(float(array[0]), float(array[0]))
    means = resampled_means(sums, counts, seed=seed, num_resamples=num_resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    # A score lies inside its own interval; rounding, or very few and uneven clusters, must not say otherwise.
    mean = mean_of(array)
    return Interval(min(float(low), mean), max(float(high), mean))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise DataError(f"confidence must lie between 0 and 1, got {confidence:g}")
