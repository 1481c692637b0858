"""Permutation: a bijection for every length, that looks like a true shuffle by chi-square at fixed seeds."""

from __future__ import annotations

import math
import time
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from perceptlm.data import permutation
from perceptlm.data.permutation import Permutation

LENGTHS = [0, 1, 2, 3, 5, 4095, 4096, 4097, 5003, 8191, 8192, 8193, 65536, 65537, 100_003, 1 << 20]
NUM = 20_011


def assert_uniform(counts: NDArray[np.int64] | list[int]) -> None:
    """Fail if a true shuffle would give counts as uneven, or as even, less than once in 30,000 times."""
    values = np.asarray(counts, float)
    freedom = len(values) - 1
    statistic = float(((values - values.mean()) ** 2).sum() / values.mean())
    # Wilson and Hilferty: the cube root of chi-square over its degrees of freedom is near normal.
    spread = math.sqrt(2 / (9 * freedom))
    assert abs((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) < 4.2 * spread


def whole(length: int, seed: int = 0, *names: str | int) -> NDArray[np.int64]:
    return Permutation(length, seed, *names)(np.arange(length))


@pytest.mark.parametrize("length", LENGTHS)
def test_it_is_a_bijection(length: int) -> None:
    for seed in range(3):
        assert np.array_equal(np.sort(whole(length, seed)), np.arange(length))


@given(length=st.integers(1, 60_000), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_it_is_a_bijection_for_any_length_and_seed(length: int, seed: int) -> None:
    assert np.array_equal(np.sort(whole(length, seed)), np.arange(length))


def test_parts_and_single_numbers_agree_with_the_whole() -> None:
    for length in (50, 70_001):
        shuffle = Permutation(length, 7)
        full = whole(length, 7)
        some = np.array([[3, 0, length - 1], [3, 7, 9]])
        assert np.array_equal(shuffle(some), full[some])
        assert [shuffle.at(number) for number in range(20)] == full[:20].tolist()
        assert shuffle(np.array([], np.int64)).shape == (0,)


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = [whole(NUM, seed, "epoch", epoch) for seed in range(3) for epoch in range(3)]
    for number, first in enumerate(orders):
        for other in orders[number + 1 :]:
            # Two shuffles agree in one place in the mean (Poisson): 12 would be a chance of 1e-10.
            assert int((first == other).sum()) < 12


def test_an_order_is_fixed_for_good() -> None:
    assert whole(10, 1).tolist() == [5, 9, 0, 4, 8, 7, 6, 3, 2, 1]
    assert Permutation(10**12, 1)(np.arange(4)).tolist() == [922574719530, 744728651636, 366747955812, 285788245499]


def test_all_orders_of_few_are_equally_likely() -> None:
    counts = Counter(tuple(whole(5, seed).tolist()) for seed in range(6000))
    assert_uniform([counts[order] for order in permutations(range(5))])


@pytest.mark.parametrize("length", [4097, 8192, NUM, 300_007])
def test_the_network_looks_like_a_true_shuffle(length: int) -> None:
    bins = 64
    for seed in range(4):
        places = whole(length, seed)
        begin = places[: length // 3]
        assert_uniform(np.bincount(begin * bins // length, minlength=bins))  # where a stretch of numbers goes
        rows, columns = np.arange(length) * 16 // length, places * 16 // length
        both = np.bincount(rows * 16 + columns, minlength=256)
        assert both.min() > 0
        assert abs(np.corrcoef(np.arange(length), places)[0, 1]) < 4.2 / math.sqrt(length)
        assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 4.2 / math.sqrt(length)
        pairs = (places[:-1:2] * 16 // length) * 16 + places[1::2][: len(places[:-1:2])] * 16 // length
        assert_uniform(np.bincount(pairs, minlength=256))
        steps = np.diff(places) % length  # every distance but 0 is equally likely
        assert_uniform(np.bincount(steps * bins // length, minlength=bins))


def test_the_place_of_one_number_is_uniform_over_seeds() -> None:
    for number in (0, 1, NUM - 1):
        places = np.array([Permutation(NUM, seed, "chi").at(number) for seed in range(800)])
        assert_uniform(np.bincount(places * 20 // NUM, minlength=20))


def test_epochs_are_not_correlated() -> None:
    epochs = np.stack([whole(NUM, 3, "epoch", epoch) for epoch in range(8)])
    found = np.corrcoef(epochs)[~np.eye(8, dtype=bool)]
    assert np.abs(found).max() < 4.2 / math.sqrt(NUM)


def test_neighbours_keep_no_low_bits() -> None:
    """Weak networks leave parities of numbers in parities of places."""
    places = whole(1 << 16, 5)
    for in_bit in range(16):
        for out_bit in range(16):
            same = ((np.arange(1 << 16) >> in_bit) ^ (places >> out_bit)) & 1
            assert abs(int(same.sum()) - (1 << 15)) < 4.5 * math.sqrt(1 << 14)


def test_length_costs_nothing() -> None:
    began = time.perf_counter()
    found = Permutation(1 << 62, 1)(np.arange(10_000))
    assert len(np.unique(found)) == 10_000
    assert time.perf_counter() - began < 2


def test_numbers_outside_are_refused() -> None:
    for length in (10, 10_000):
        for number in (-1, length):
            with pytest.raises(IndexError, match=f"length is {length}"):
                Permutation(length, 0).at(number)
    for length in (-1, (1 << 62) + 1):
        with pytest.raises(ValueError, match=str(length)):
            Permutation(length, 0)


def test_a_weaker_network_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permutation, "_NUM_ROUNDS", 2)
    with pytest.raises(AssertionError):
        test_the_network_looks_like_a_true_shuffle(NUM)
