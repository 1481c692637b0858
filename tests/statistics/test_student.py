import math

import pytest

from perceptlm.errors import DataError
from perceptlm.statistics.student import student_quantile, student_tail

# Tables: two-sided 95 % (Abramowitz and Stegun, table 26.10).
QUANTILES = [(1, 12.706205), (2, 4.302653), (7, 2.364624), (30, 2.042272), (120, 1.979930), (1e9, 1.959964)]


@pytest.mark.parametrize(("degrees", "t"), QUANTILES)
def test_quantile_and_tail_match_the_tables(degrees: float, t: float) -> None:
    assert student_quantile(0.975, degrees) == pytest.approx(t, abs=1e-6)
    assert student_quantile(0.025, degrees) == pytest.approx(-t, abs=1e-6)
    assert student_tail(t, degrees) == pytest.approx(0.05, abs=1e-7)
    assert student_tail(-t, degrees) == student_tail(t, degrees)


def test_one_and_two_degrees_have_closed_forms() -> None:
    for t in (1e-6, 0.01, 0.5, 3.0, 80.0, 1e6):
        assert student_tail(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t), rel=1e-9, abs=1e-15)
        assert student_tail(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9, abs=1e-12)


def test_far_and_middle() -> None:
    assert student_tail(0, 5) == 1.0
    assert student_tail(math.inf, 5) == 0.0
    assert student_quantile(0.5, 3.5) == 0.0
    assert 0 < student_tail(40, 30) < 1e-25


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(DataError, match="degrees of freedom"):
        student_tail(1, 0)
    with pytest.raises(DataError, match="between 0 and 1"):
        student_quantile(1.0, 5)
