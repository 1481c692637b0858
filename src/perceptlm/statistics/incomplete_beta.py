"""The regularised incomplete beta function, to some fourteen digits.

Formula: Abramowitz and Stegun, 26.5.8 (the continued fraction). This module knows no distribution and no data.
"""

from __future__ import annotations

import math

from perceptlm.errors import DataError

_TINY = 1e-300
_MAX_TERMS = 100_000


def incomplete_beta(a: float, b: float, p: float, q: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) of x = p / (p + q); a, b > 0; p, q >= 0, not both 0."""
    if p == 0:
        return 0.0
    if q == 0:
        return 1.0
    x, rest = p / (p + q), q / (p + q)
    log_factor = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_factor) * _fraction(a, b, x) / a
    return 1 - math.exp(log_factor) * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function by Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            return value
    raise DataError(f"the incomplete beta function of {x:g} ({a:g}, {b:g}) does not settle")


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
