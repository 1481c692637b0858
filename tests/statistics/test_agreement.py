import krippendorff
import numpy as np
import pytest

from perceptlm.errors import DataError
from perceptlm.statistics import agreement_by_group, krippendorff_alpha

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: four people, twelve units, some missing.
WORKED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def rows(table: list[list[float | None]]) -> tuple[list[int], list[float]]:
    pairs = [(unit, value) for person in table for unit, value in enumerate(person) if value is not None]
    return [unit for unit, _ in pairs], [value for _, value in pairs]


@pytest.mark.parametrize(("level", "wanted"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(level, wanted):
    found = krippendorff_alpha(*rows(WORKED), level=level)
    assert found.alpha == pytest.approx(wanted, abs=5e-4)
    assert (found.num_units, found.num_values) == (11, 40)
    assert found.low < found.alpha < found.high <= 1


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_agrees_with_the_krippendorff_package_on_random_tables(level):
    random = np.random.default_rng(5)
    for _ in range(20):
        people, units = random.integers(2, 6), random.integers(5, 30)
        truth = random.integers(0, 4, units)
        table = np.where(random.random((people, units)) < 0.6, truth, random.integers(0, 4, (people, units))) * 1.0
        table[random.random(table.shape) < 0.3] = np.nan
        wanted = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
        person, unit = np.nonzero(~np.isnan(table))
        found = krippendorff_alpha(unit, table[person, unit], level=level, num_resamples=0)
        assert found.alpha == pytest.approx(wanted, abs=1e-9)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 3, 150)
        values = np.where(random.random((2, 150)) < 0.7, truth, random.integers(0, 3, (2, 150)))
        found = krippendorff_alpha(np.tile(np.arange(150), 2), values.ravel(), seed=seed, num_resamples=300)
        # Two people know the answer with probability 0.7 each; else they guess: alpha is 0.7 squared.
        held += found.low <= 0.49 <= found.high
    assert 88 <= held <= 100


def test_the_order_of_rows_changes_nothing_and_the_seed_decides_the_interval():
    units, values = rows(WORKED)
    first = krippendorff_alpha(units, values)
    assert krippendorff_alpha(units[::-1], values[::-1]) == first
    assert krippendorff_alpha(units, values, seed=1).low != first.low


def test_what_is_not_defined_is_none():
    assert krippendorff_alpha([], []).alpha is None
    assert krippendorff_alpha([0, 1, 2], [1, 2, 3]).alpha is None
    same = krippendorff_alpha([0, 0, 1, 1], [1, 1, 1, 1])
    assert (same.alpha, same.num_units) == (None, 2)
    alone = krippendorff_alpha([0, 0], [1, 2])
    assert (alone.alpha, alone.low) == (0.0, None)


def test_seconds_far_from_zero_lose_no_digits():
    random = np.random.default_rng(0)
    values = random.random(60)
    units = np.repeat(np.arange(20), 3)
    near, far = (krippendorff_alpha(units, values + shift, level="interval") for shift in (0, 1e6))
    assert near.alpha == pytest.approx(far.alpha, abs=1e-6)


def test_groups_are_apart():
    units, values = rows(WORKED)
    found = agreement_by_group([*units, 100, 100, 101, 101], [*values, 1, 2, 1, 1], ["b"] * len(units) + ["a"] * 4)
    assert list(found) == ["a", "b"]
    assert found["b"] == krippendorff_alpha(units, values)
    assert found["a"].num_units == 2


def test_bad_input_is_named():
    with pytest.raises(DataError, match=r"as many units as values"):
        krippendorff_alpha([0, 1], [1.0])
    with pytest.raises(DataError, match="value 1 is not a finite number"):
        krippendorff_alpha([0, 0], [1.0, float("nan")])
