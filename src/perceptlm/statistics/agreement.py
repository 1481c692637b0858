"""Krippendorff's alpha: how far several people agree on units, beyond what chance alone would give.

Any number of people, each of whom may have skipped any unit; nominal, ordinal and interval values. The interval comes
from resampling units, as these were drawn, not the pairs within them. Formulas: Krippendorff, Content Analysis (2004),
chapter 11. This module knows no task, and no person: only which values a unit was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perceptlm.errors import DataError
from perceptlm.seeding import generator
from perceptlm.statistics.intervals import check_confidence

Level = Literal["nominal", "ordinal", "interval"]
Array = NDArray[np.float64]

_BLOCK = 1 << 21
"""Weights held in memory at a time; part of what decides the draws, so it is fixed."""


@dataclass(frozen=True)
class Agreement:
    """Alpha with its interval. 1 is perfect, 0 is chance, below 0 is worse than chance.

    All three are None where alpha is not defined: no unit has two values, or all values are the same. `low` and `high`
    are None too where a single unit says nothing about others.
    """

    alpha: float | None
    low: float | None
    high: float | None
    num_units: int
    """Units with two values or more; the others count for nothing."""
    num_values: int
    """Values given to these units."""


def krippendorff_alpha(
    units: Sequence[int] | NDArray[np.int64],
    values: ArrayLike,
    *,
    level: Level = "nominal",
    seed: int = 0,
    num_resamples: int = 1000,
    confidence: float = 0.95,
) -> Agreement:
    """Return alpha of `values` (n numbers), of which `values[i]` was given to unit `units[i]` (n), with its interval.

    A missing value is a row that is not there. Nominal values are codes; interval values are numbers on a scale, such
    as boundaries in seconds. The interval is the percentiles of `num_resamples` draws of units with replacement; a draw
    in which all values are equal counts as perfect agreement. Raises DataError for unequal lengths or values that are
    not finite.
    """
    check_confidence(confidence)
    sums = _unit_sums(units, values, level)
    if sums is None:
        return Agreement(None, None, None, 0, 0)
    table, sizes = sums
    whole = _alpha(table.sum(axis=0)[None, :], level)[0]
    if np.isnan(whole):
        return Agreement(None, None, None, len(sizes), int(sizes.sum()))
    low = high = None
    if len(sizes) > 1 and num_resamples > 0:
        drawn = _resample(table, level, seed, num_resamples)
        tail = (1 - confidence) / 2
        low, high = (float(bound) for bound in np.quantile(drawn, [tail, 1 - tail]))
    return Agreement(float(whole), low, high, len(sizes), int(sizes.sum()))


def agreement_by_group(
    units: Sequence[int] | NDArray[np.int64],
    values: ArrayLike,
    groups: Sequence[str],
    *,
    level: Level = "nominal",
    seed: int = 0,
    num_resamples: int = 1000,
    confidence: float = 0.95,
) -> dict[str, Agreement]:
    """Return `krippendorff_alpha` of each group, such as a domain, in order of name; `groups[i]` belongs to row i."""
    names, array, owners = np.asarray(groups, dtype=object), np.asarray(values), np.asarray(units)
    if not len(names) == len(array) == len(owners):
        raise DataError(f"{len(owners)} units, {len(array)} values and {len(names)} groups must be equally many")
    found = {}
    for name in sorted(set(names.tolist())):
        rows = names == name
        found[name] = krippendorff_alpha(
            owners[rows], array[rows], level=level, seed=seed, num_resamples=num_resamples, confidence=confidence
        )
    return found


def _unit_sums(
    units: Sequence[int] | NDArray[np.int64], values: ArrayLike, level: Level
) -> tuple[Array, NDArray[np.int64]] | None:
    """Return, per unit with two values or more, what adds up over units (U, K), and how many values it has (U).

    Nominal and ordinal: the matrix of coincidences, K = V * V (equation 1 of the source: every ordered pair of values
    of a unit of m counts 1 / (m - 1)). Interval: disagreement, count, sum and sum of squares, which is all it needs.
    """
    owners, array = np.asarray(units), np.asarray(values, dtype=np.float64)
    if owners.ndim != 1 or owners.shape != array.shape:
        raise DataError(f"alpha needs as many units as values, in flat lists, got {owners.shape} and {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(f"value {int(np.argmin(np.isfinite(array)))} is not a finite number; leave missing ones out")
    _, place, sizes = np.unique(owners, return_inverse=True, return_counts=True)
    kept = sizes[place] > 1
    if not kept.any():
        return None
    _, place, sizes = np.unique(owners[kept], return_inverse=True, return_counts=True)
    array = array[kept]
    if level == "interval":
        array = array - array.mean()  # alpha does not know the origin; squares of large numbers would lose digits
        sums, squares = (np.bincount(place, weights=array**power) for power in (1, 2))
        disagreement = 2 * np.maximum(sizes * squares - sums**2, 0) / (sizes - 1)
        return np.stack([disagreement, sizes, sums, squares], axis=1), sizes
    codes, coded = np.unique(array, return_inverse=True)
    counts = np.zeros((len(sizes), len(codes)))
    np.add.at(counts, (place, coded), 1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(len(codes))
    pairs[:, diagonal, diagonal] -= counts
    return (pairs / (sizes - 1)[:, None, None]).reshape(len(sizes), -1), sizes


def _alpha(totals: Array, level: Level) -> Array:
    """Return alpha of each row of totals (B, K); not a number where all values are the same."""
    if level == "interval":
        disagreement, count, total, squares = totals.T
        expected = 2 * np.maximum(count * squares - total**2, 0) / np.maximum(count - 1, 1)
    else:
        size = round(totals.shape[1] ** 0.5)
        pairs = totals.reshape(-1, size, size)
        counts = pairs.sum(axis=2)
        distance = _distances(counts, level)
        disagreement = (pairs * distance).sum(axis=(1, 2))
        products = np.einsum("bi,bj,bij->b", counts, counts, distance)
        expected = products / np.maximum(counts.sum(axis=1) - 1, 1)
    same = expected <= 1e-12 * np.maximum(disagreement, 1)
    return np.where(same, np.nan, 1 - disagreement / np.where(same, 1, expected))


def _distances(counts: Array, level: Level) -> Array:
    """Return squared distances between values (B, V, V); those of ordinal values depend on how common each one is."""
    if level == "nominal":
        size = counts.shape[1]
        return np.broadcast_to(1 - np.eye(size), (len(counts), size, size))
    ranks = np.cumsum(counts, axis=1) - counts / 2
    return np.asarray((ranks[:, :, None] - ranks[:, None, :]) ** 2)


def _resample(table: Array, level: Level, seed: int, num_resamples: int) -> Array:
    random = generator(seed, "krippendorff-bootstrap")
    size = len(table)
    step = max(1, _BLOCK // max(size, table.shape[1]))
    drawn = np.empty(num_resamples)
    for start in range(0, num_resamples, step):
        stop = min(start + step, num_resamples)
        weights = random.multinomial(size, np.full(size, 1 / size), size=stop - start).astype(np.float64)
        drawn[start:stop] = _alpha(weights @ table, level)
    return np.where(np.isnan(drawn), 1.0, drawn)
