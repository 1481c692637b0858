import math
from fractions import Fraction

import pytest

from perceptlm.errors import DataError
from perceptlm.statistics import (
    beta_quantile,
    binomial_upper_tail,
    clopper_pearson_interval,
    clopper_pearson_lower,
    clopper_pearson_upper,
)


def exact_tail(num_trials: int, most: int, share: float) -> float:
    """The probability of at most `most` successes, summed term by term."""
    terms = (math.comb(num_trials, k) * share**k * (1 - share) ** (num_trials - k) for k in range(most + 1))
    return math.fsum(terms)


@pytest.mark.parametrize(
    ("errors", "rows", "less_than"),
    [(0, 300, 0.010), (3, 300, 0.026), (0, 60, 0.049)],
)
def test_the_bounds_of_a_release(errors, rows, less_than):
    found = clopper_pearson_upper(errors, rows)
    assert less_than - 0.001 < found < less_than
    assert exact_tail(rows, errors, found) == pytest.approx(0.05, abs=1e-10)


def test_no_success_has_a_closed_form():
    assert clopper_pearson_upper(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300), abs=1e-14)
    assert clopper_pearson_lower(300, 300) == pytest.approx(0.05 ** (1 / 300), abs=1e-14)


def test_both_sides_leave_half_the_doubt_each():
    found = clopper_pearson_interval(7, 40)
    assert exact_tail(40, 7, found.high) == pytest.approx(0.025, abs=1e-10)
    assert 1 - exact_tail(40, 6, found.low) == pytest.approx(0.025, abs=1e-10)
    assert found.low == clopper_pearson_lower(7, 40, confidence=0.975)


def test_the_ends_are_closed():
    assert clopper_pearson_interval(0, 5).low == 0
    assert clopper_pearson_interval(5, 5).high == 1
    assert clopper_pearson_lower(0, 5) == 0
    assert clopper_pearson_upper(5, 5) == 1


@pytest.mark.parametrize("counts", [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(DataError, match="0 <= successes <= trials"):
        clopper_pearson_upper(*counts)


def test_beta_quantiles():
    assert beta_quantile(0.3, 1, 1) == pytest.approx(0.3, abs=1e-14)
    assert beta_quantile(0.5, 4.5, 4.5) == pytest.approx(0.5, abs=1e-12)
    assert beta_quantile(0.2, 1, 3) == pytest.approx(1 - 0.8 ** (1 / 3), abs=1e-14)
    with pytest.raises(DataError, match="positive parameters"):
        beta_quantile(0.5, 0, 1)
    with pytest.raises(DataError, match="between 0 and 1"):
        beta_quantile(1.0, 1, 1)


@pytest.mark.parametrize(("right", "trials", "chance", "expected"), [
    (0, 0, 0.5, 1.0), (0, 7, 0.5, 1.0), (3, 3, 0.5, 0.125), (9, 10, 0.5, 11 / 1024), (2, 2, 0.25, 0.0625),
])  # fmt: skip
def test_chance_alone(right, trials, chance, expected):
    assert binomial_upper_tail(right, trials, chance) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("right", [1, 250, 480, 500, 520, 560, 900, 1000])
def test_chance_alone_is_the_sum_of_its_terms(right):
    exact = Fraction(sum(math.comb(1000, k) for k in range(right, 1001)), 2**1000)
    assert binomial_upper_tail(right, 1000) == pytest.approx(float(exact), rel=1e-10)


def test_chance_alone_over_millions():
    # Half of what is left beside the middle term, which Stirling's formula gives.
    middle = 1 / math.sqrt(math.pi * 1_000_000)
    assert binomial_upper_tail(1_000_000, 2_000_000) == pytest.approx((1 + middle) / 2, abs=1e-9)
    assert binomial_upper_tail(2_000_000, 2_000_000) == 0


@pytest.mark.parametrize("wrong", [(4, 3, 0.5), (-1, 3, 0.5), (1, 3, 0.0), (1, 3, 1.0)])
def test_what_no_chance_is_asked_for(wrong):
    with pytest.raises(DataError, match=r"successes of|between 0 and 1"):
        binomial_upper_tail(*wrong)
