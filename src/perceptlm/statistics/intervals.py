"""Intervals of a score: Wilson for plain proportions, a studentised bootstrap by cluster for everything else.

Every published number carries one of these (facts/evaluation.md). `benchmarks/honest_intervals.py` measures how often
they hold; docs/reports/0011-honest-intervals.md says what was tried. This module knows no metric and no task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perceptlm.errors import DataError
from perceptlm.statistics.cluster_means import Array, ClusterMeans, Part, Values, cluster_means
from perceptlm.statistics.student import student_quantile

_MOST = 2.0
"""The bootstrap's critical value is at most so many times Student's: with next to no variation it has none."""
METHOD = "studentised bootstrap over clusters, Wilson's form"


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
    check_confidence(confidence)
    if num_trials < 1 or not 0 <= num_successes <= num_trials:
        raise DataError(f"a proportion needs 0 <= successes <= trials and a trial, got {num_successes} of {num_trials}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found = _wilson(num_successes / num_trials, z * z / num_trials)
    low = 0.0 if num_successes == 0 else found.low
    high = 1.0 if num_successes == num_trials else found.high
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
    """Return the interval of the mean of `values`, resampling whole `clusters` with replacement.

    `values[i]` belongs to `clusters[i]`; see `bootstrap_interval_of_sum`. `bounds` are the least and greatest value a
    score can take. Raises DataError for no values, unequal lengths, or values not finite or out of bounds.
    """
    return bootstrap_interval_of_sum(
        [Part(values, clusters)], seed=seed, num_resamples=num_resamples, confidence=confidence, bounds=bounds
    )


def bootstrap_interval_of_sum(
    parts: Sequence[Part],
    *,
    seed: int,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """Return the interval of a weighted sum of means, resampling clusters with all the items they hold.

    `bounds` are the least and greatest possible value of the sum and of each score. With x the sum as a share of them,
    v its cluster-robust variance and phi = v / (x (1 - x)), the pivot is |x - truth| / sqrt(phi truth (1 - truth)):
    Wilson's, with phi in the place of 1 / n. Its critical value is the bootstrap's, so that few and uneven clusters
    get the width they need. The interval lies within `bounds`; neither the order of the items nor the names of
    clusters, beyond their order, change it. With a single cluster the data says nothing about how clusters differ, and
    the answer is `bounds`. Clusters that do not differ at all give a zero-width interval.
    """
    check_confidence(confidence)
    for part in parts:
        check_bounds(part.values, bounds)
    means = cluster_means(parts)
    if means.standard_error is None:
        return Interval(*bounds)
    if means.standard_error == 0:
        return Interval(means.estimate, means.estimate)
    low, width = bounds[0], bounds[1] - bounds[0]
    share = min(max((means.estimate - low) / width, 0.0), 1.0)
    inverse_size = (means.standard_error / width) ** 2 / (share * (1 - share))
    critical = _critical_value(means, seed, num_resamples, confidence, bounds)
    found = _wilson(share, critical**2 * inverse_size)
    # A score lies inside its own interval; rounding must not say otherwise.
    return Interval(min(low + width * found.low, means.estimate), max(low + width * found.high, means.estimate))


def _critical_value(
    means: ClusterMeans, seed: int, num_resamples: int, confidence: float, bounds: tuple[float, float]
) -> float:
    """Return the share `confidence` of the sizes of the pivot over resamples, at most twice Student's value."""
    low, width = bounds[0], bounds[1] - bounds[0]
    estimates, variances = means.resample(seed, num_resamples)
    share, shares = (means.estimate - low) / width, np.clip((estimates - low) / width, 0.0, 1.0)
    distance = np.abs(shares - share)
    scale = np.sqrt(_inverse_sizes(variances / width**2, shares) * share * (1 - share))
    safe = np.where(scale > 0, scale, 1.0)
    pivots = np.where(scale > 0, distance / safe, np.where(distance > 1e-12, np.inf, 0.0))
    found = float(np.quantile(pivots, confidence, method="higher"))
    most = _MOST * student_quantile((1 + confidence) / 2, means.degrees_of_freedom)
    # Rounded, so that the last bits of sums, which depend on the machine, reach no result.
    return round(min(found, most), 6)


def _inverse_sizes(variances: Array, shares: Array) -> Array:
    inside = (shares > 0) & (shares < 1)
    return np.where(inside, variances / np.where(inside, shares * (1 - shares), 1.0), 0.0)


def _wilson(share: float, k: float) -> Interval:
    """Return Wilson's interval around `share`, where k is the squared critical value over the number of trials."""
    centre = (share + k / 2) / (1 + k)
    half = math.sqrt(k * share * (1 - share) + k * k / 4) / (1 + k)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def check_confidence(confidence: float) -> None:
    """Raise DataError unless `confidence` is a share."""
    if not 0 < confidence < 1:
        raise DataError(f"confidence must lie between 0 and 1, got {confidence:g}")


def check_bounds(values: Values, bounds: tuple[float, float]) -> None:
    """Raise DataError for a value outside the least and greatest possible score."""
    array = np.asarray(values, dtype=np.float64)
    if array.size and (array.min() < bounds[0] or array.max() > bounds[1]):
        raise DataError(
            f"{array.min():g} to {array.max():g} lies outside the bounds {bounds[0]:g} to {bounds[1]:g}",
            hint="pass bounds= for a score on another scale",
        )
