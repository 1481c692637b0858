"""Distribution: the values of one quantity, kept as counts: millions of them cost no more than the distinct ones.

Quantiles are exact. Knows no record.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

_NUM_BINS = 30
_SHOWN_SHARE = 0.99


class Distribution:
    """Values added one by one."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()

    def add(self, value: float, times: int = 1) -> None:
        """Count a value."""
        self._counts[value] += times

    @property
    def num(self) -> int:
        """How many values there are."""
        return self._counts.total()

    def quantile(self, share: float) -> float:
        """Return the smallest value that at least `share` of all reach or stay below; ValueError if there is none."""
        left = share * self.num
        for value in sorted(self._counts):
            left -= self._counts[value]
            if left <= 0:
                return value
        raise ValueError("a distribution without values has no quantiles")

    def summary(self) -> dict[str, float | int]:
        """Return num, min, p5, median, mean, p95 and max; only num where there are no values."""
        if not self.num:
            return {"num": 0}
        mean = sum(value * count for value, count in self._counts.items()) / self.num
        return {
            "num": self.num,
            "min": min(self._counts),
            "p5": self.quantile(0.05),
            "median": self.quantile(0.5),
            "mean": round(mean, 4),
            "p95": self.quantile(0.95),
            "max": max(self._counts),
        }

    def bins(self) -> tuple[list[float], list[int]]:
        """Return edges and counts for a histogram: a bin per whole number where they are few, else 30 of equal width.

        The last bin holds all that lies above 99 % of the values as well, so that a few do not flatten the rest.
        """
        low, high = min(self._counts), self.quantile(_SHOWN_SHARE)
        whole = all(float(value).is_integer() for value in self._counts)
        if whole and high - low < _NUM_BINS:
            edges = [low - 0.5 + i for i in range(int(high - low) + 2)]
        else:
            width = (high - low) / _NUM_BINS or 1.0
            edges = [low + i * width for i in range(_NUM_BINS + 1)]
        counts = [0] * (len(edges) - 1)
        for value, count in self._counts.items():
            place = int((value - edges[0]) / (edges[1] - edges[0]))
            counts[min(place, len(counts) - 1)] += count
        return edges, counts

    def to_dict(self) -> dict[str, Any]:
        """Return the summary, and the histogram where there are values."""
        if not self.num:
            return self.summary()
        edges, counts = self.bins()
        return self.summary() | {"edges": edges, "counts": counts}
