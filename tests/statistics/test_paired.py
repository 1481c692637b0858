from typing import Any

import numpy as np
import pytest

from perceptlm.errors import DataError
from perceptlm.statistics import (
    Interval,
    bootstrap_interval,
    difference_part,
    error_of_difference,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_difference,
    paired_difference_of_sum,
)


def test_difference_matches_the_worked_example(vectors: dict[str, dict[str, Any]]) -> None:
    vector = vectors["stat-paired-1"]
    a, b = vector["input"]["a"], vector["input"]["b"]
    found = paired_difference(a, b, [str(n) for n in range(len(a))])
    got = [found.difference, found.standard_error, found.t, found.p_value, found.interval.low, found.interval.high]
    expected = vector["expected"]
    wanted = [expected[name] for name in ("mean_diff", "se", "t", "p")] + expected["ci95"]
    assert got == pytest.approx(wanted, abs=vector["tol"])
    assert not found.excludes_zero


def test_pairing_sees_what_two_overlapping_intervals_hide() -> None:
    random = np.random.default_rng(0)
    difficulty = random.random(100) * 0.8
    clusters = [str(n) for n in range(100)]
    a, b = difficulty + 0.05, difficulty
    assert bootstrap_interval(a, clusters, seed=0).overlaps(bootstrap_interval(b, clusters, seed=0))
    b = b + 0.001 * random.random(100)  # equal differences would leave no width at all
    found = paired_difference(a, b, clusters)
    assert found.difference == pytest.approx(0.0495, abs=0.001)
    assert found.excludes_zero


def test_swapping_the_systems_swaps_the_sign() -> None:
    random = np.random.default_rng(2)
    a, b, clusters = random.random(50), random.random(50), [str(n % 20) for n in range(50)]
    forward, backward = paired_difference(a, b, clusters), paired_difference(b, a, clusters)
    assert forward.difference == pytest.approx(-backward.difference)
    assert forward.interval.low == pytest.approx(-backward.interval.high)


def test_one_cluster_never_excludes_zero() -> None:
    found = paired_difference([1.0, 1.0], [0.0, 0.0], ["a", "a"])
    assert found.interval == Interval(-1.0, 1.0)
    assert not found.excludes_zero


def test_lengths_and_bounds_are_checked_by_name() -> None:
    with pytest.raises(DataError, match="b: 1 values but 2 cluster names"):
        paired_difference([0.1, 0.2], [0.1], ["a", "b"])
    with pytest.raises(DataError, match="a: 50 to 60 lies outside"):
        paired_difference([50, 60], [0, 1], ["a", "b"])


def test_equal_answers_differ_by_nothing() -> None:
    found = paired_difference([1.0, 0.0], [1.0, 0.0], ["a", "b"])
    assert (found.difference, found.interval, found.p_value, found.t) == (0.0, Interval(0.0, 0.0), 1.0, 0.0)


def test_equal_differences_are_as_sure_as_the_sign_test_of_their_clusters() -> None:
    found = paired_difference([0.8] * 3, [0.5] * 3, ["a", "b", "c"])
    assert (found.interval, found.p_value, found.t) == (Interval(-1.0, 1.0), 0.25, None)
    assert found.difference == pytest.approx(0.3)
    # Items of a clip count once: ten of two clips say no more than two.
    found = paired_difference([1.0] * 10, [0.0] * 10, ["a", "b"] * 5)
    assert (found.interval, found.p_value) == (Interval(-1.0, 1.0), 0.5)
    found = paired_difference([1.0] * 6, [0.0] * 6, list("abcdef"))
    assert (found.interval, found.p_value) == (Interval(1.0, 1.0), 2 / 64)
    assert paired_difference([1.0] * 6, [0.0] * 6, list("abcdef"), confidence=0.99).interval == Interval(-1.0, 1.0)


def test_test_and_interval_agree_and_items_of_a_clip_count_once() -> None:
    random = np.random.default_rng(3)
    for shift in np.linspace(0, 0.3, 13):
        a, b = random.random(40), random.random(40)
        found = paired_difference(np.clip(a + shift, 0, 1), b, [str(n % 15) for n in range(40)])
        assert found.excludes_zero == (found.p_value < 0.05)
        assert found.interval.contains(found.difference)
    a, b = random.random(20), random.random(20)
    once = paired_difference(a, b, [str(n) for n in range(20)])
    tenfold = paired_difference(np.repeat(a, 10), np.repeat(b, 10), [str(n) for n in range(20) for _ in range(10)])
    assert tenfold.p_value == pytest.approx(once.p_value)
    assert tenfold.standard_error == pytest.approx(once.standard_error)


def test_a_sum_of_differences_weighs_its_tasks() -> None:
    parts = [
        difference_part([1, 0, 1, 1], [0, 0, 1, 0], list("abcd"), 0.75),
        difference_part([0, 1, 0], [1, 1, 0], list("xyz"), 0.25),
    ]
    found = paired_difference_of_sum(parts)
    assert found.difference == pytest.approx(0.75 * 0.5 - 0.25 / 3)
    # CR1 by hand: (0.75 / 4)^2 * 4/3 * 1 + (0.25 / 3)^2 * 3/2 * 2/3.
    assert found.standard_error == pytest.approx(((0.75 / 4) ** 2 * 4 / 3 + (0.25 / 3) ** 2) ** 0.5)


@pytest.mark.parametrize(("b", "c", "p"), [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 2 / 64), (3, 1, 0.625), (1, 7, 18 / 256)])
def test_mcnemar(b: int, c: int, p: float) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(p)
    assert mcnemar_exact(c, b) == mcnemar_exact(b, c)


def test_mcnemar_of_very_many_items_is_a_number() -> None:
    assert mcnemar_exact(3000, 3100) == pytest.approx(0.205, abs=0.001)
    with pytest.raises(DataError, match="must not be negative"):
        mcnemar_exact(-1, 2)


def test_detectable_difference_is_found_as_often_as_promised() -> None:
    assert minimum_detectable_difference(0.01) == pytest.approx(0.0280, abs=1e-4)
    # SGQA: two models at 46 % of 665 rows, unpaired (facts/evaluation.md: half-width of the difference 5.4 points).
    error = error_of_difference(0.01933, 0.01933)
    assert 1.96 * error == pytest.approx(0.0536, abs=5e-4)
    assert error_of_difference(0.01933, 0.01933, 0.5) == pytest.approx(0.01933)
    random, truth, num = np.random.default_rng(0), minimum_detectable_difference(0.05, power=0.9), 60
    clusters = [str(n) for n in range(num)]
    found = 0
    for _ in range(400):
        noise = random.normal(truth, 0.05 * num**0.5, num)
        found += paired_difference(noise, np.zeros(num), clusters, bounds=(-9.0, 9.0)).p_value < 0.05
    assert 0.85 < found / 400 < 0.95


def test_detectable_difference_lies_outside_the_interval_of_no_difference() -> None:
    # Three clusters: t of 2 degrees is 4.303 and 1.061 (any table), not 1.960 and 0.842.
    assert minimum_detectable_difference(0.1, degrees_of_freedom=2) == pytest.approx(0.1 * (4.3027 + 1.0607), abs=1e-4)
    assert minimum_detectable_difference(0.1, degrees_of_freedom=1e7) == pytest.approx(
        minimum_detectable_difference(0.1), rel=1e-5
    )
    found = paired_difference([0.5, 0.4, 0.9], [0.2, 0.4, 0.5], ["a", "b", "c"])
    half = (found.interval.high - found.interval.low) / 2
    assert minimum_detectable_difference(found.standard_error or 0, degrees_of_freedom=found.degrees_of_freedom) > half


def test_correlation_and_power_are_checked() -> None:
    with pytest.raises(DataError, match="correlation"):
        error_of_difference(1, 1, 1.5)
    with pytest.raises(DataError, match="confidence"):
        minimum_detectable_difference(0.1, power=1.0)
