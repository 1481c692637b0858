import time
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.errors import DataError
from perceptlm.statistics import (
    Interval,
    Part,
    bootstrap_interval,
    bootstrap_interval_of_sum,
    cluster_means,
    wilson_interval,
)

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
    mean = fmean([0.1] * 3)
    assert bootstrap_interval([0.1] * 3, ["a", "b", "c"], seed=0) == Interval(mean, mean)


def test_the_unit_of_resampling_is_the_group(vectors: Vectors) -> None:
    rows = vectors["stat-boot-2"]["input"]["rows"]
    groups = sorted({name for name, _ in rows})
    scores = [float(all(right for name, right in rows if name == group)) for group in groups]
    means, _ = cluster_means([Part(scores, groups)]).resample(0, 500)
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
    # benchmarks/honest_intervals.py measures this to a fraction of a percent; here only gross errors show.
    random = np.random.default_rng(1)
    clusters = [str(n // 2) for n in range(60)]
    held = sum(
        bootstrap_interval((random.random(60) < 0.4).astype(float), clusters, seed=n, num_resamples=400).contains(0.4)
        for n in range(300)
    )
    assert 0.91 <= held / 300 <= 0.985


def test_many_independent_answers_give_wilsons_interval() -> None:
    scores = [float(n % 10 < 9) for n in range(400)]
    found = bootstrap_interval(scores, [str(n) for n in range(400)], seed=0)
    wilson = wilson_interval(360, 400)
    assert [found.low, found.high] == pytest.approx([wilson.low, wilson.high], abs=0.006)
    assert found.high - 0.9 < 0.9 - found.low  # there is less room above


def test_few_wrong_answers_keep_the_interval_inside_and_of_some_width() -> None:
    clusters = [str(n) for n in range(40)]
    found = bootstrap_interval([0.0] + [1.0] * 39, clusters, seed=0)
    assert 0.6 < found.low < 0.9 < found.high < 1
    assert found == bootstrap_interval([1.0] * 39 + [0.0], clusters[::-1], seed=0)
    mirrored = bootstrap_interval([1.0] + [0.0] * 39, clusters, seed=0)
    assert [mirrored.low, mirrored.high] == pytest.approx([1 - found.high, 1 - found.low])


def test_a_sum_of_means_with_separate_clusters_has_the_delta_methods_error() -> None:
    random = np.random.default_rng(4)
    parts = [Part(random.random(50), [f"{n}-{i}" for i in range(50)], w) for n, w in enumerate((0.5, 0.3, 0.2))]
    errors = [cluster_means([Part(part.values, part.clusters)]).standard_error for part in parts]
    expected = sum((w * float(e or 0)) ** 2 for w, e in zip((0.5, 0.3, 0.2), errors, strict=True)) ** 0.5
    together = cluster_means(parts)
    assert together.standard_error == pytest.approx(expected)
    assert len(together.strata) == 3
    assert together.estimate == pytest.approx(sum(part.weight * float(np.mean(part.values)) for part in parts))


def test_tasks_about_the_same_videos_move_together() -> None:
    random = np.random.default_rng(5)
    level = random.random(60)
    shared = [Part(np.clip(level + 0.1 * random.random(60), 0, 1), [str(n) for n in range(60)], 0.5) for _ in range(2)]
    apart = [shared[0], Part(shared[1].values, [f"other {n}" for n in range(60)], 0.5)]
    widths = []
    for parts in (shared, apart):
        means = cluster_means(parts)
        estimates, variances = means.resample(0, 4000)
        assert float(np.std(estimates)) == pytest.approx(means.standard_error, rel=0.06)
        assert float(np.mean(variances)) == pytest.approx(float(means.standard_error or 0) ** 2, rel=0.1)
        found = bootstrap_interval_of_sum(parts, seed=0)
        widths.append(found.high - found.low)
    assert widths[0] > 1.3 * widths[1]  # nearly sqrt(2): the two tasks hardly say more than one


def test_clusters_that_link_tasks_join_their_strata() -> None:
    parts = [Part([0.1, 0.2], ["a", "b"]), Part([0.1, 0.2], ["c", "d"]), Part([0.1, 0.2], ["b", "c"])]
    assert [stratum.num_clusters for stratum in cluster_means(parts).strata] == [4]
    assert [stratum.num_clusters for stratum in cluster_means(parts[:2]).strata] == [2, 2]


def test_a_mean_that_a_resample_holds_nothing_of_keeps_its_estimate() -> None:
    parts = [Part([0.0, 0.5, 1.0], ["a", "b", "c"], 0.5), Part([0.4], ["a"], 0.5)]
    estimates, variances = cluster_means(parts).resample(0, 200)
    assert np.isfinite(estimates).all()
    assert estimates.min() == pytest.approx(0.2)
    assert estimates.max() == pytest.approx(0.7)
    assert (variances >= 0).all()


def test_uneven_clusters_have_fewer_degrees_of_freedom() -> None:
    even = cluster_means([Part([0.0, 1.0] * 20, [str(n // 2) for n in range(40)])])
    assert even.degrees_of_freedom == pytest.approx(19)
    sizes = [30, *[1] * 19]
    clusters = [str(n) for n, size in enumerate(sizes) for _ in range(size)]
    uneven = cluster_means([Part([float(int(name) % 2) for name in clusters], clusters)])
    assert uneven.degrees_of_freedom < 3


def test_one_cluster_says_nothing_about_the_difference_between_clusters() -> None:
    assert bootstrap_interval([0.2, 0.8], ["a", "a"], seed=0) == Interval(0.0, 1.0)
    assert bootstrap_interval([20.0], ["a"], seed=0, bounds=(0.0, 100.0)) == Interval(0.0, 100.0)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], [], "at least one value"),
        ([[0.5]], ["a"], "flat list"),
        ([0.5, 0.5], ["a"], "mean 0: 2 values but 1 cluster"),
        ([0.5, float("nan")], ["a", "b"], "mean 0: value 1 is not a finite number"),
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
