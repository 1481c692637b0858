"""Whether a stated confidence holds: bins of confidence beside accuracy, and the expected calibration error.

This module knows no method: it is given confidences and what turned out right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from perceptlm.errors import DataError


@dataclass(frozen=True)
class Bin:
    """Items with a confidence in [low, high)."""

    low: float
    high: float
    num_items: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """`ece`: mean over items of |accuracy - mean confidence| of the item's bin (Naeini et al. 2015)."""

    ece: float
    bins: tuple[Bin, ...]


def calibrate(confidence: ArrayLike, right: ArrayLike, *, num_bins: int = 10) -> Calibration:
    """Return the calibration of `confidence` (n, in [0, 1]) against `right` (n, true or false); bins of equal width.

    Empty bins are left out. Raises DataError for unequal lengths or confidences out of range; no items give 0.
    """
    stated, held = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if stated.ndim != 1 or stated.shape != held.shape or num_bins < 1:
        raise DataError(f"calibration needs flat lists of equal length and a bin, got {stated.shape}, {held.shape}")
    if len(stated) == 0:
        return Calibration(0.0, ())
    if not ((stated >= 0) & (stated <= 1 + 1e-9)).all():
        raise DataError("a confidence must lie between 0 and 1")
    place = np.minimum((stated * num_bins).astype(np.int64), num_bins - 1)
    sizes = np.bincount(place, minlength=num_bins)
    means, rates = (np.bincount(place, weights=x, minlength=num_bins) / np.maximum(sizes, 1) for x in (stated, held))
    ece = float((sizes * np.abs(means - rates)).sum() / len(stated))
    bins = tuple(
        Bin(k / num_bins, (k + 1) / num_bins, int(sizes[k]), float(means[k]), float(rates[k]))
        for k in range(num_bins)
        if sizes[k]
    )
    return Calibration(ece, bins)
