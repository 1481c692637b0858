"""Constant rates: which one a file of constant rate gets, and times that fall safely within a picture of it.

Pure functions. At a constant rate picture n is shown from n / rate on; its middle, (n + 0.5) / rate, survives rounding
to milliseconds and the truncation `int(seconds * rate)` of loaders, which its beginning does not
(facts/annotation.md, section 0).
"""

from __future__ import annotations

from fractions import Fraction

COMMON_RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (5, 1), (6, 1), (8, 1), (10, 1), (12, 1), (15, 1), (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1),
        (48, 1), (50, 1), (60000, 1001), (60, 1), (100, 1), (120, 1),
    )
)  # fmt: skip
SLOWEST, FASTEST = Fraction(1, 10), Fraction(240)
_NEAR = Fraction(1, 2000)
_MOST_DIGITS = 6


def constant_rate(average: Fraction) -> Fraction:
    """Return the rate of a file that plays about as long: a common one if it is near, else rounded; within bounds."""
    near = min(COMMON_RATES, key=lambda rate: abs(rate - average))
    if abs(near - average) <= near * _NEAR:
        return near
    return min(max(average.limit_denominator(1001), SLOWEST), FASTEST)


def middle_of(frame: int, rate: Fraction) -> Fraction:
    """Return the middle of a picture, in seconds from the first one's beginning."""
    return (frame + Fraction(1, 2)) / rate


def middle_seconds(frame: int, rate: Fraction) -> float:
    """Return the middle of a picture in seconds, rounded to microseconds, as records of others hold it."""
    return round(float(middle_of(frame, rate)), _MOST_DIGITS)


def loaders_frame(seconds: float, rate: float) -> int:
    """Return the picture that the reference's loader takes for a time (facts/reference-implementation.md 2.4)."""
    return int(seconds * rate)
