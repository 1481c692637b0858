"""Exact bounds of a proportion (Clopper and Pearson 1934), two-sided or from one side, and the exact binomial test.

The bounds hold at least as often as they say, whatever the truth: what a release may promise about its errors. For a
score's interval, `wilson_interval` is narrower. Millions of trials are as good as ten. This module knows no task.
"""

from __future__ import annotations

from perceptlm.errors import DataError
from perceptlm.statistics.incomplete_beta import incomplete_beta
from perceptlm.statistics.intervals import Interval, check_confidence

_MAX_STEPS = 200


def clopper_pearson_interval(num_successes: int, num_trials: int, *, confidence: float = 0.95) -> Interval:
    """Return the exact two-sided interval of a proportion of independent yes/no outcomes."""
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    return Interval(_low(num_successes, num_trials, tail), _high(num_successes, num_trials, tail))


def clopper_pearson_upper(num_successes: int, num_trials: int, *, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper bound: 0 of 300 gives 0.00994, that is, less than 1 %."""
    check_confidence(confidence)
    return _high(num_successes, num_trials, 1 - confidence)


def clopper_pearson_lower(num_successes: int, num_trials: int, *, confidence: float = 0.95) -> float:
    """Return the exact one-sided lower bound."""
    check_confidence(confidence)
    return _low(num_successes, num_trials, 1 - confidence)


def binomial_upper_tail(num_successes: int, num_trials: int, chance: float = 0.5) -> float:
    """Return the probability of at least `num_successes` of `num_trials` by chance alone; 1 without trials.

    Formula: Abramowitz and Stegun, 26.5.24. Raises DataError for impossible counts, or a chance not between 0 and 1.
    """
    if not 0 <= num_successes <= num_trials:
        raise DataError(f"there are no {num_successes} successes of {num_trials} trials")
    if not 0 < chance < 1:
        raise DataError(f"a chance lies between 0 and 1, got {chance:g}")
    if num_successes == 0:
        return 1.0
    return min(1.0, incomplete_beta(num_successes, num_trials - num_successes + 1, chance, 1 - chance))


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return x with probability `share` that a Beta(a, b) is below it, to the last digits of a float.

    Raises DataError unless a and b are positive and 0 < share < 1.
    """
    if not (a > 0 and b > 0):
        raise DataError(f"a beta distribution needs two positive parameters, got {a:g} and {b:g}")
    if not 0 < share < 1:
        raise DataError(f"a quantile is asked for a share between 0 and 1, got {share:g}")
    low, high = 0.0, 1.0
    for _ in range(_MAX_STEPS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if incomplete_beta(a, b, middle, 1 - middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _low(num_successes: int, num_trials: int, tail: float) -> float:
    _check_counts(num_successes, num_trials)
    return 0.0 if num_successes == 0 else beta_quantile(tail, num_successes, num_trials - num_successes + 1)


def _high(num_successes: int, num_trials: int, tail: float) -> float:
    _check_counts(num_successes, num_trials)
    if num_successes == num_trials:
        return 1.0
    return beta_quantile(1 - tail, num_successes + 1, num_trials - num_successes)


def _check_counts(num_successes: int, num_trials: int) -> None:
    if num_trials < 1 or not 0 <= num_successes <= num_trials:
        raise DataError(f"a proportion needs 0 <= successes <= trials and a trial, got {num_successes} of {num_trials}")
