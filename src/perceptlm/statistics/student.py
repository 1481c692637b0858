"""Student's t distribution: probabilities and quantiles, to some ten digits, from the incomplete beta function.

Formula: Abramowitz and Stegun, 26.7.1. This module knows no data.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from perceptlm.errors import DataError
from perceptlm.statistics.incomplete_beta import incomplete_beta

_MAX_STEPS = 200


def student_tail(t: float, degrees: float) -> float:
    """Return the probability that |T| is at least |t|, for `degrees` of freedom (not necessarily whole)."""
    _check_degrees(degrees)
    if math.isinf(t):
        return 0.0
    # The smaller of x and 1 - x goes in, so that neither very small nor very large t loses digits.
    return incomplete_beta(degrees / 2, 0.5, degrees, t * t)


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


def _check_degrees(degrees: float) -> None:
    if not degrees > 0:
        raise DataError(f"Student's t needs more than 0 degrees of freedom, got {degrees:g}")
