"""The difference between two systems that answered the same items: how large, how sure, and how small it could be.

Two intervals that overlap do not show that two systems are equal: items that are hard for one are hard for the other,
and the difference item by item is far better known than either score. This module knows no metric and no task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perceptlm.errors import DataError
from perceptlm.statistics.binomial import binomial_upper_tail
from perceptlm.statistics.cluster_means import Part, Values, cluster_means
from perceptlm.statistics.intervals import Interval, check_bounds, check_confidence
from perceptlm.statistics.student import student_quantile, student_tail


@dataclass(frozen=True)
class PairedResult:
    """Mean of a - b over the items; `p_value` is that of no difference, two-sided.

    `standard_error`, `degrees_of_freedom` and `t` are None where a single cluster says nothing about others; `t` also
    where all differences are equal.
    """

    difference: float
    interval: Interval
    p_value: float
    standard_error: float | None
    degrees_of_freedom: float | None
    t: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves no room for equal systems."""
        return not self.interval.contains(0.0)


def paired_difference(
    a: Values,
    b: Values,
    clusters: Sequence[str],
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> PairedResult:
    """Return the mean of `a[i] - b[i]` with an interval and a test over whole clusters.

    `a[i]` and `b[i]` are scores of the same item, which belongs to `clusters[i]`; `bounds` are the least and greatest
    score. See `paired_difference_of_sum`.
    """
    return paired_difference_of_sum(
        [difference_part(a, b, clusters, bounds=bounds)], confidence=confidence, bounds=bounds
    )


def difference_part(
    a: Values, b: Values, clusters: Sequence[str], weight: float = 1.0, *, bounds: tuple[float, float] = (0.0, 1.0)
) -> Part:
    """Return the differences of two systems on one task as a mean; DataError for unequal lengths or wrong values."""
    for name, values in (("a", a), ("b", b)):
        if len(values) != len(clusters):
            raise DataError(f"{name}: {len(values)} values but {len(clusters)} cluster names")
        try:
            check_bounds(values, bounds)
        except DataError as error:
            raise DataError(f"{name}: {error.message}", hint=error.hint) from error
    return Part(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), clusters, weight)


def paired_difference_of_sum(
    parts: Sequence[Part], *, confidence: float = 0.95, bounds: tuple[float, float] = (0.0, 1.0)
) -> PairedResult:
    """Return a weighted sum of mean differences, with an interval and a test that agree with each other.

    Student's t with the cluster-robust variance and Satterthwaite's degrees of freedom: with one item in each cluster
    it is the paired t test. (Bootstraps were tried: with few items on which the systems differ they say too
    rarely that they do.) A single cluster leaves everything possible. Equal differences have no spread for a t test:
    there it is the exact sign test over clusters, whose interval has no width from the number of clusters on that can
    tell at this confidence (six at 95 %), and leaves everything possible below it.
    """
    check_confidence(confidence)
    means = cluster_means(parts)
    difference, error, widest = means.estimate, means.standard_error, bounds[1] - bounds[0]
    if error is None:
        return PairedResult(difference, Interval(-widest, widest), 1.0, None, None, None)
    degrees = means.degrees_of_freedom
    if error == 0 and difference == 0:
        return PairedResult(0.0, Interval(0.0, 0.0), 1.0, 0.0, degrees, 0.0)
    if error == 0:
        p_value = min(1.0, 2 * 0.5**means.num_clusters)
        is_sure = p_value < 1 - confidence
        interval = Interval(difference, difference) if is_sure else Interval(-widest, widest)
        return PairedResult(difference, interval, p_value, 0.0, degrees, None)
    half = student_quantile((1 + confidence) / 2, degrees) * error
    low, high = max(difference - half, -widest), min(difference + half, widest)
    t = difference / error
    return PairedResult(
        difference,
        Interval(min(low, difference), max(high, difference)),
        student_tail(t, degrees),
        error,
        degrees,
        t,
    )


def mcnemar_exact(only_a_right: int, only_b_right: int) -> float:
    """Return the exact two-sided p value of McNemar's test: are the items that only one system got right its own?

    It takes items as independent: for items of the same clusters use `paired_difference`.
    """
    if only_a_right < 0 or only_b_right < 0:
        raise DataError(f"counts of items must not be negative, got {only_a_right} and {only_b_right}")
    total, fewer = only_a_right + only_b_right, min(only_a_right, only_b_right)
    return min(1.0, 2 * binomial_upper_tail(total - fewer, total))


def minimum_detectable_difference(
    standard_error: float,
    *,
    power: float = 0.8,
    significance: float = 0.05,
    degrees_of_freedom: float | None = None,
) -> float:
    """Return the true difference that a two-sided test finds with probability `power`.

    `standard_error` and `degrees_of_freedom` are those of the difference: a `PairedResult`'s. For an error that is
    known, or `error_of_difference` of two scores, there are no degrees: the quantiles are then the normal ones.
    """
    check_confidence(power)
    check_confidence(significance)
    shares = (1 - significance / 2, power)
    if degrees_of_freedom is None:
        return sum(NormalDist().inv_cdf(share) for share in shares) * standard_error
    return sum(student_quantile(share, degrees_of_freedom) for share in shares) * standard_error


def error_of_difference(error_a: float, error_b: float, correlation: float = 0.0) -> float:
    """Return the standard error of the difference of two scores: unpaired, or paired with a `correlation` of scores."""
    if not -1 <= correlation <= 1:
        raise DataError(f"a correlation lies between -1 and 1, got {correlation:g}")
    return math.sqrt(max(0.0, error_a**2 + error_b**2 - 2 * correlation * error_a * error_b))
