import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.errors import DataError
from perceptlm.statistics import Interval, bootstrap_interval, wilson_interval
from perceptlm.statistics.resampling import cluster_totals, resampled_means

Vectors = dict[str, dict[str, Any]]


def test_interval_knows_what_it_holds_and_touches() -> None:
    assert Interval(0.2, 0.4).contains(0.2)
    assert not Interval(0.2, 0.4).contains(0.41)
    assert Interval(0.2, 0.4).overlaps(Interval(0.4, 0.5))
    assert not Interval(0.2, 0.4).overlaps(Interval(0.41, 0.5))


@pytest.mark.parametrize("ends", [(0.5, 0.4), (float("nan"), 1.0)])
def test_interval_refuses_ends_in_the_wrong_order(ends: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="must not end before it starts"):
        Interval(*ends)


def test_wilson_matches_the_worked_example(vectors: Vectors) -> None:
    vector = vectors["stat-wilson-1"]
    found = wilson_interval(vector["input"]["k"], vector["input"]["n"])
    assert [found.low, found.high] == pytest.approx(vector["expected"]["ci"], abs=vector["tol"])


def test_wilson_has_a_width_even_when_all_or_none_succeed() -> None:
    assert wilson_interval(0, 20).low == 0.0
    assert 0.1 < wilson_interval(0, 20).high < 0.2
    assert wilson_interval(20, 20).high == 1.0
    assert 0.8 < wilson_interval(20, 20).low < 0.9


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(DataError, match=f"{successes} of {trials}"):
        wilson_interval(successes, trials)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(DataError, match="confidence"):
        wilson_interval(1, 2, confidence=confidence)
    with pytest.raises(DataError, match="confidence"):
        bootstrap_interval([0.0, 1.0], ["a", "b"], seed=0, confidence=confidence)


def test_equal_values_give_zero_width(vectors: Vectors) -> None:
    scores = vectors["stat-boot-1"]["input"]["scores"]
    found = bootstrap_interval(scores, ["a", "b", "c", "d"], seed=0)
    assert [found.low, found.high] == vectors["stat-boot-1"]["expected"]["ci"]
    assert bootstrap_interval([0.1] * 3, ["a", "b", "c"], seed=0) == Interval(0.1, 0.1)


def test_the_unit_of_resampling_is_the_group(vectors: Vectors) -> None:
    rows = vectors["stat-boot-2"]["input"]["rows"]
    groups = sorted({name for name, _ in rows})
    scores = np.array([float(all(right for name, right in rows if name == group)) for group in groups])
    sums, counts = cluster_totals(scores, groups)
    means = resampled_means(sums, counts, seed=0, num_resamples=500)
    assert sorted(set(means.tolist())) == vectors["stat-boot-2"]["expected"]["possible_bootstrap_means"]


def test_same_seed_same_interval_whatever_the_order_of_the_rows() -> None:
    random = np.random.default_rng(0)
    values, clusters = random.random(200), [f"clip-{n}" for n in random.integers(40, size=200)]
    order = random.permutation(200)
    first = bootstrap_interval(values, clusters, seed=3)
    assert first == bootstrap_interval(values, clusters, seed=3)
    assert first == bootstrap_interval(values[order], [clusters[n] for n in order], seed=3)
    assert first != bootstrap_interval(values, clusters, seed=4)


def test_rows_of_one_recording_widen_the_interval() -> None:
    values = [float(n % 2) for n in range(40) for _ in range(10)]
    by_recording = bootstrap_interval(values, [str(n) for n in range(40) for _ in range(10)], seed=0)
    by_row = bootstrap_interval(values, [str(n) for n in range(400)], seed=0)
    assert by_recording.high - by_recording.low > 2 * (by_row.high - by_row.low)


def test_coverage_is_near_the_nominal_share() -> None:
    random = np.random.default_rng(1)
    clusters = [str(n) for n in range(60)]
    held = sum(
        bootstrap_interval((random.random(60) < 0.4).astype(float), clusters, seed=n, num_resamples=400).contains(0.4)
        for n in range(200)
    )
    assert 0.88 <= held / 200 <= 0.99


def test_one_cluster_says_nothing_about_the_difference_between_clusters() -> None:
    assert bootstrap_interval([0.2, 0.8], ["a", "a"], seed=0) == Interval(0.0, 1.0)
    assert bootstrap_interval([20.0], ["a"], seed=0, bounds=(0.0, 100.0)) == Interval(0.0, 100.0)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], [], "at least one value"),
        ([[0.5]], ["a"], "flat list"),
        ([0.5, 0.5], ["a"], "2 values but 1 cluster"),
        ([0.5, float("nan")], ["a", "b"], "value 1 is not a finite number"),
        ([0.5, 46.2], ["a", "b"], "outside the bounds 0 to 1"),
    ],
)
def test_unusable_values_are_named(values: list[Any], clusters: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        bootstrap_interval(values, clusters, seed=0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=30))
def test_interval_holds_the_mean_and_stays_in_bounds(rows: list[tuple[float, int]]) -> None:
    values = [value for value, _ in rows]
    found = bootstrap_interval(values, [str(cluster) for _, cluster in rows], seed=0, num_resamples=50)
    assert 0 <= found.low <= found.high <= 1
    assert found.low - 1e-12 <= np.mean(values) <= found.high + 1e-12


def test_two_thousand_values_take_a_moment() -> None:
    values = np.random.default_rng(0).random(2000)
    clusters = [str(n) for n in range(2000)]
    started = time.perf_counter()
    bootstrap_interval(values, clusters, seed=0)
    assert time.perf_counter() - started < 2
