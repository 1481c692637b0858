"""Student's t distribution: probabilities and quantiles, to some ten digits, from the incomplete beta function.

Formulas: Abramowitz and Stegun, 26.7.1 and 26.5.8 (the continued fraction). This module knows no data.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from perceptlm.errors import DataError

_TINY = 1e-300
_MAX_TERMS = 100_000
_MAX_STEPS = 200


def student_tail(t: float, degrees: float) -> float:
    """Return the probability that |T| is at least |t|, for `degrees` of freedom (not necessarily whole)."""
    _check_degrees(degrees)
    if math.isinf(t):
        return 0.0
    # The smaller of x and 1 - x goes in, so that neither very small nor very large t loses digits.
    return _incomplete_beta(degrees / 2, 0.5, degrees, t * t)


@lru_cache(maxsize=4096)
def student_quantile(share: float, degrees: float) -> float:
    """Return t with probability `share` that T is below it; 0 < share < 1."""
    _check_degrees(degrees)
    if not 0 < share < 1:
        raise DataError(f"a quantile is asked for a share between 0 and 1, got {share:g}")
    tail = 2 * min(share, 1 - share)
    # Newton's steps from the normal quantile, which is never too large: the tail is convex, so none goes too far.
    t = -NormalDist().inv_cdf(tail / 2)
    for _ in range(_MAX_STEPS):
        step = (student_tail(t, degrees) - tail) / (2 * _density(t, degrees))
        t += step
        if abs(step) <= 1e-14 * t:
            break
    return t if share > 0.5 else -t if share < 0.5 else 0.0


def _density(t: float, degrees: float) -> float:
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
    return math.exp(log_scale - (degrees + 1) / 2 * math.log1p(t * t / degrees))


def _incomplete_beta(a: float, b: float, p: float, q: float) -> float:
    """Return the regularised incomplete beta function of x = p / (p + q)."""
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


def _check_degrees(degrees: float) -> None:
    if not degrees > 0:
        raise DataError(f"Student's t needs more than 0 degrees of freedom, got {degrees:g}")
