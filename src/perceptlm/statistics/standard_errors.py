"""Standard errors of a mean as others report them, and of sums of independent scores (facts/evaluation.md).

What this project reports comes from `cluster_means`; these are for comparison. This module knows no metric and no task.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from perceptlm.errors import DataError

Factor = Literal["rows", "none"]
"""How few items are allowed for: `rows` as in lmms-eval (Miller 2024, equation 4), `none` the plain sandwich."""


def naive_standard_error(values: Sequence[float]) -> float:
    """Return s / sqrt(n), with n - 1 in s: items are taken as independent. DataError for fewer than two values."""
    return math.sqrt(_variance(values) / len(values))


def clustered_standard_error(values: Sequence[float], clusters: Sequence[str], factor: Factor) -> float:
    """Return the standard error of the mean of items that are alike within `clusters`.

    With `rows` it is s^2 / n (n - 1 in s^2) and, over n^2, the products of residuals of different items of a cluster;
    with `none` the squares of clusters' summed residuals over n^2.
    """
    if len(values) != len(clusters):
        raise DataError(f"{len(values)} values but {len(clusters)} cluster names")
    num_values, variance = len(values), _variance(values)
    mean = math.fsum(values) / num_values
    residuals: dict[str, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        residuals[cluster].append(value - mean)
    squares = math.fsum(math.fsum(found) ** 2 for found in residuals.values()) / num_values**2
    if factor == "none":
        return math.sqrt(squares)
    own = math.fsum(value**2 for found in residuals.values() for value in found) / num_values**2
    return math.sqrt(variance / num_values + squares - own)


def weighted_standard_error(errors: Sequence[float], weights: Sequence[float]) -> float:
    """Return the standard error of a weighted sum of independent scores (delta method)."""
    return math.sqrt(math.fsum((weight * error) ** 2 for error, weight in zip(errors, weights, strict=True)))


def _variance(values: Sequence[float]) -> float:
    if len(values) < 2:
        raise DataError(f"a standard error needs two values, got {len(values)}")
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
