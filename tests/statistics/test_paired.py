from typing import Any

import numpy as np
import pytest

from perceptlm.errors import DataError
from perceptlm.statistics import Interval, bootstrap_interval, paired_difference


def test_difference_matches_the_worked_example(vectors: dict[str, dict[str, Any]]) -> None:
    vector = vectors["stat-paired-1"]
    a, b = vector["input"]["a"], vector["input"]["b"]
    found = paired_difference(a, b, [str(n) for n in range(len(a))], 0)
    assert found.difference == pytest.approx(vector["expected"]["mean_diff"])
    # The worked interval is Student's t; with 8 items the bootstrap is narrower but agrees about zero.
    low, high = vector["expected"]["ci95"]
    assert low < found.interval.low < 0 < found.interval.high < high
    assert not found.excludes_zero


def test_pairing_sees_what_two_overlapping_intervals_hide() -> None:
    random = np.random.default_rng(0)
    difficulty = random.random(100) * 0.8
    clusters = [str(n) for n in range(100)]
    a, b = difficulty + 0.05, difficulty
    assert bootstrap_interval(a, clusters, seed=0).overlaps(bootstrap_interval(b, clusters, seed=0))
    found = paired_difference(a, b, clusters, 0)
    assert found.difference == pytest.approx(0.05)
    assert found.excludes_zero


def test_swapping_the_systems_swaps_the_sign() -> None:
    random = np.random.default_rng(2)
    a, b, clusters = random.random(50), random.random(50), [str(n % 20) for n in range(50)]
    forward, backward = paired_difference(a, b, clusters, 7), paired_difference(b, a, clusters, 7)
    assert forward.difference == pytest.approx(-backward.difference)
    assert forward.interval.low == pytest.approx(-backward.interval.high)


def test_one_cluster_never_excludes_zero() -> None:
    found = paired_difference([1.0, 1.0], [0.0, 0.0], ["a", "a"], 0)
    assert found.interval == Interval(-1.0, 1.0)
    assert not found.excludes_zero


def test_lengths_and_bounds_are_checked_by_name() -> None:
    with pytest.raises(DataError, match="b: 1 values but 2 cluster names"):
        paired_difference([0.1, 0.2], [0.1], ["a", "b"], 0)
    with pytest.raises(DataError, match="a: 50 to 60 lies outside"):
        paired_difference([50, 60], [0, 1], ["a", "b"], 0)
