"""Resampling whole clusters: what intervals and paired differences are both made of.

A cluster is what was drawn independently: a source recording, or a group of questions that score together. Resampling
rows instead of clusters gives intervals that are too narrow. This module knows no metric and no task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perceptlm.errors import DataError
from perceptlm.seeding import generator

Values = Sequence[float] | NDArray[np.float64]

_BLOCK = 1 << 21
"""Draws held in memory at a time; part of what decides the result, so it is fixed."""


def check_values(
    values: Values, clusters: Sequence[str], bounds: tuple[float, float], name: str = "values"
) -> NDArray[np.float64]:
    """Return `values` as a float array; raise DataError if there are none, lengths differ, or one is out of bounds."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise DataError(f"{name}: an interval needs a flat list of at least one value, got shape {array.shape}")
    if len(array) != len(clusters):
        raise DataError(f"{name}: {len(array)} values but {len(clusters)} cluster names")
    if not np.isfinite(array).all():
        raise DataError(f"{name}: value {int(np.argmin(np.isfinite(array)))} is not a finite number")
    if array.min() < bounds[0] or array.max() > bounds[1]:
        raise DataError(
            f"{name}: {array.min():g} to {array.max():g} lies outside the bounds {bounds[0]:g} to {bounds[1]:g}",
            hint="pass bounds= for a score on another scale",
        )
    return array


def mean_of(values: NDArray[np.float64]) -> float:
    """Return the mean, rounded once at the end, so that the order of the values cannot change it."""
    return math.fsum(values.tolist()) / len(values)


def cluster_totals(
    values: NDArray[np.float64], clusters: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sum and the number of values of each cluster, in order of cluster name."""
    names, members = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    parts: list[list[float]] = [[] for _ in names]
    for value, member in zip(values.tolist(), members.tolist(), strict=True):
        parts[member].append(value)
    sums = np.array([math.fsum(part) for part in parts])
    return sums, np.array([len(part) for part in parts], dtype=np.int64)


def resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.int64], *, seed: int, num_resamples: int
) -> NDArray[np.float64]:
    """Return the mean of `num_resamples` sets of clusters, each drawn with replacement, as many as there are.

    Clusters of unequal size weigh by their size, as they do in the score itself. Memory stays bounded.
    """
    random = generator(seed, "cluster-bootstrap")
    num_clusters = len(sums)
    means = np.empty(num_resamples)
    step = max(1, _BLOCK // num_clusters)
    for start in range(0, num_resamples, step):
        stop = min(start + step, num_resamples)
        drawn = random.integers(num_clusters, size=(stop - start, num_clusters), dtype=np.int32)
        means[start:stop] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
