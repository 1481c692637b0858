"""Means over items that fall into clusters, alone or as a weighted sum: estimate, variance, resamples.

A cluster is what was drawn independently: a source recording, or a group of questions that score together. Treating
its items as independent makes every number look surer than it is. Several means may share clusters (three tasks about
the same videos); a cluster is then resampled with all its items. This module knows no metric and no task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from perceptlm.errors import DataError
from perceptlm.seeding import generator

Values = Sequence[float] | NDArray[np.float64]
Array = NDArray[np.float64]

_BLOCK = 1 << 21
"""Draws held in memory at a time; part of what decides the result, so it is fixed."""


@dataclass(frozen=True)
class Part:
    """One mean: `values[i]` belongs to `clusters[i]`; the mean enters the sum times `weight`."""

    values: Values
    clusters: Sequence[str]
    weight: float = 1.0


@dataclass(frozen=True)
class Stratum:
    """Means that share clusters: `residuals` and `counts` are (G clusters, K means).

    A residual is the sum of a cluster's values less its count times the mean; `working` (G) is the variance that each
    cluster would add if its items were equally correlated, up to a factor.
    """

    residuals: Array
    counts: Array
    weights: Array
    working: Array

    @property
    def num_clusters(self) -> int:
        """Clusters, of which each holds at least one item of one of the means."""
        return len(self.counts)

    @property
    def spread(self) -> float:
        """G / (G - 1): what the variance is multiplied by, as residuals are taken from the estimate."""
        return self.num_clusters / (self.num_clusters - 1)

    @cached_property
    def variance(self) -> float:
        """The cluster-robust variance of this stratum's share of the sum (CR1; Liang and Zeger 1986)."""
        if self.num_clusters < 2:
            return math.nan
        influence = (self.residuals * (self.weights / self.counts.sum(axis=0))).sum(axis=1)
        return self.spread * math.fsum((influence**2).tolist())


@dataclass(frozen=True)
class ClusterMeans:
    """A weighted sum of means. Build it with `cluster_means`."""

    estimate: float
    strata: tuple[Stratum, ...]

    @property
    def num_clusters(self) -> int:
        """Clusters in all."""
        return sum(stratum.num_clusters for stratum in self.strata)

    @cached_property
    def standard_error(self) -> float | None:
        """The root of the cluster-robust variance; None where one cluster says nothing about others."""
        variance = math.fsum(stratum.variance for stratum in self.strata)
        return None if math.isnan(variance) else math.sqrt(variance)

    @property
    def degrees_of_freedom(self) -> float:
        """Satterthwaite's degrees of freedom of the variance: fewer than clusters where these are uneven.

        Clusters are weighed by the variance they would add if items within one were equally correlated, with the
        correlation seen (after Bell and McCaffrey 2002). Equal clusters give G - 1.
        """
        total = sum(float(stratum.working.sum()) for stratum in self.strata)
        squares = sum(float((stratum.working**2).sum()) * stratum.spread for stratum in self.strata)
        return max(1.0, total * total / squares) if squares > 0 else max(1.0, self.num_clusters - 1.0)

    def resample(self, seed: int, num_resamples: int) -> tuple[Array, Array]:
        """Return estimates and variances (num_resamples) of sets of clusters, each drawn with replacement.

        Clusters of unequal size weigh by their size, as they do in the mean itself. A mean of which a set holds no
        item keeps its estimate. Every stratum needs two clusters. Memory stays bounded.
        """
        estimates, variances = np.full(num_resamples, self.estimate), np.zeros(num_resamples)
        for number, stratum in enumerate(self.strata):
            random = generator(seed, "cluster-bootstrap", number)
            step = max(1, _BLOCK // stratum.num_clusters)
            for start in range(0, num_resamples, step):
                stop = min(start + step, num_resamples)
                change, variance = _draw(stratum, random, stop - start)
                estimates[start:stop] += change
                variances[start:stop] += variance
        return estimates, variances


def cluster_means(parts: Sequence[Part]) -> ClusterMeans:
    """Return the sum of the means of `parts`, each times its weight; parts that share a cluster share a stratum.

    Neither the order of items nor the names of clusters beyond their sorting order change anything. Raises DataError
    for a part without values, of unequal lengths, or with a value that is not finite.
    """
    if not parts:
        raise DataError("a sum of means needs at least one mean")
    checked = [_checked(part, number) for number, part in enumerate(parts)]
    means = [math.fsum(values.tolist()) / len(values) for values in checked]
    estimate = math.fsum(part.weight * mean for part, mean in zip(parts, means, strict=True))
    strata = []
    for members in _connected([frozenset(part.clusters) for part in parts]):
        chosen = [(parts[k], checked[k], means[k]) for k in members]
        names = sorted(frozenset().union(*(part.clusters for part, _, _ in chosen)))
        tables = [_table(part, values, mean, names) for part, values, mean in chosen]
        weights = np.array([part.weight for part, _, _ in chosen])
        working = sum(table[2] * part.weight**2 for table, (part, _, _) in zip(tables, chosen, strict=True))
        residuals, counts = (np.stack([table[place] for table in tables], axis=1) for place in (0, 1))
        strata.append(Stratum(residuals, counts, weights, np.asarray(working)))
    return ClusterMeans(estimate, tuple(strata))


def _checked(part: Part, number: int) -> Array:
    array = np.asarray(part.values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise DataError(f"mean {number}: it needs a flat list of at least one value, got shape {array.shape}")
    if len(array) != len(part.clusters):
        raise DataError(f"mean {number}: {len(array)} values but {len(part.clusters)} cluster names")
    if not np.isfinite(array).all():
        raise DataError(f"mean {number}: value {int(np.argmin(np.isfinite(array)))} is not a finite number")
    return array


def _connected(clusters: Sequence[frozenset[str]]) -> list[list[int]]:
    """Return the parts in groups that share clusters, directly or through others."""
    groups: list[tuple[list[int], frozenset[str]]] = []
    for number, names in enumerate(clusters):
        touching = [group for group in groups if group[1] & names]
        groups = [group for group in groups if not group[1] & names]
        members = sorted([number, *(member for group in touching for member in group[0])])
        groups.append((members, names.union(*(group[1] for group in touching))))
    return sorted(members for members, _ in groups)


def _table(part: Part, values: Array, mean: float, names: Sequence[str]) -> tuple[Array, Array, Array]:
    """Return residuals, counts and working variances of one mean, in the order of `names`."""
    place = {name: number for number, name in enumerate(names)}
    lists: list[list[float]] = [[] for _ in names]
    for value, cluster in zip(values.tolist(), part.clusters, strict=True):
        lists[place[cluster]].append(value)
    counts = np.array([len(found) for found in lists], dtype=np.float64)
    residuals = np.array([math.fsum(value - mean for value in found) for found in lists])
    # What is left of equal values is dust, not variation.
    residuals[np.abs(residuals) <= 1e-13 * counts * float(np.abs(values).max())] = 0.0
    total = len(values)
    variance = math.fsum((value - mean) ** 2 for value in values.tolist()) / total
    pairs = float((counts * (counts - 1)).sum())
    correlation = 0.0
    if variance > 0 and pairs > 0:
        correlation = (float((residuals**2).sum()) / variance - total) / pairs
    working = variance * counts * (1 + (counts - 1) * min(max(correlation, 0.0), 1.0)) / total**2
    return residuals, counts, working


def _draw(stratum: Stratum, random: np.random.Generator, num_sets: int) -> tuple[Array, Array]:
    """Return, per set of clusters drawn, the change of the weighted sum of means, and its variance."""
    size, num_means = stratum.counts.shape
    drawn = random.integers(size, size=(num_sets, size), dtype=np.int32)
    drawn += np.arange(num_sets, dtype=np.int32)[:, None] * np.int32(size)
    times = np.bincount(drawn.ravel(), minlength=num_sets * size).reshape(num_sets, size).astype(np.float64)
    columns = np.concatenate([stratum.residuals, stratum.counts], axis=1)
    totals = times @ columns
    held = totals[:, num_means:]
    safe = np.where(held > 0, held, 1.0)
    changes = np.where(held > 0, totals[:, :num_means] / safe, 0.0)
    # The influence of a cluster is linear in its residuals and counts, so its square needs their products only.
    products = (times @ (columns[:, :, None] * columns[:, None, :]).reshape(size, -1)).reshape(
        num_sets, 2 * num_means, -1
    )
    slopes = stratum.weights / safe
    factors = np.concatenate([slopes, -slopes * changes], axis=1)
    variance = np.einsum("bi,bij,bj->b", factors, products, factors) * stratum.spread
    # What cancels leaves dust: sets in which clusters do not differ have no variance.
    dust = 1e-12 * np.einsum("bi,bii->b", factors**2, products) * stratum.spread
    return changes @ stratum.weights, np.where(variance > dust, variance, 0.0)
