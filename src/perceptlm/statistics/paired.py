"""The difference between two systems that answered the same items.

Two intervals that overlap do not show that two systems are equal: items that are hard for one are hard for the other,
and the difference item by item is far better known than either score. This module knows no metric and no task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perceptlm.statistics.intervals import Interval, bootstrap_interval
from perceptlm.statistics.resampling import Values, check_values, mean_of


@dataclass(frozen=True)
class PairedResult:
    """Mean of a - b over the items, and its interval."""

    difference: float
    interval: Interval

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves no room for equal systems."""
        return not self.interval.contains(0.0)


def paired_difference(
    a: Values,
    b: Values,
    clusters: Sequence[str],
    seed: int,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> PairedResult:
    """Return the mean of `a[i] - b[i]` with a bootstrap interval over whole clusters.

    `a[i]` and `b[i]` are scores of the same item, which belongs to `clusters[i]`; `bounds` are the least and greatest
    score. Raises DataError when lengths differ or there is no item.
    """
    differences = check_values(a, clusters, bounds, "a") - check_values(b, clusters, bounds, "b")
    widest = bounds[1] - bounds[0]
    interval = bootstrap_interval(
        differences,
        clusters,
        seed=seed,
        num_resamples=num_resamples,
        confidence=confidence,
        bounds=(-widest, widest),
    )
    return PairedResult(mean_of(differences), interval)
