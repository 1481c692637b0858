"""The schedule warms up from above zero, falls as a cosine, and stays down."""

import pytest

from perceptlm.train.configuration import ScheduleConfig
from perceptlm.train.schedule import learning_rate_factor

SCHEDULE = ScheduleConfig(warmup_steps=10, min_ratio=0.1)


def test_first_step_learns_and_peak_comes_after_warmup() -> None:
    factors = [learning_rate_factor(step, 110, SCHEDULE) for step in range(110)]
    assert 0 < factors[0] < factors[1]
    assert factors[10] == max(factors) == 1.0


def test_half_way_is_the_mean_of_peak_and_floor() -> None:
    assert learning_rate_factor(60, 110, SCHEDULE) == pytest.approx(0.55)


def test_no_jump_at_the_end() -> None:
    assert learning_rate_factor(109, 110, SCHEDULE) == pytest.approx(0.1, abs=1e-3)
    assert learning_rate_factor(110, 110, SCHEDULE) == pytest.approx(0.1)
    assert learning_rate_factor(500, 110, SCHEDULE) == pytest.approx(0.1)
