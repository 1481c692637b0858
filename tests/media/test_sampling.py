"""The published sampling rules, against their published vectors."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.media.sampling import one_per_second_indices, uniform_indices

VECTORS = json.loads((Path(__file__).parent / "data" / "sampling_and_overlay.json").read_text())


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["metric"] == "uniform_frame_positions"])
def test_uniform_vectors(vector):
    assert uniform_indices(vector["input"]["num_video_frames"], vector["input"]["n"]) == vector["expected"]


@given(st.integers(1, 5000), st.integers(1, 64))
def test_uniform_indices_are_ordered_distinct_and_reach_both_ends(num_total, num_wanted):
    indices = uniform_indices(num_total, num_wanted)
    assert len(indices) == len(set(indices)) == min(num_total, num_wanted)
    assert indices == sorted(indices)
    assert indices[0] == 0
    assert num_wanted == 1 or indices[-1] == num_total - 1


def test_halves_round_to_even():
    assert uniform_indices(4, 3) == [0, 2, 3]
    assert uniform_indices(6, 3) == [0, 2, 5]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((300, 30, 8), [0, 30, 90, 120, 150, 180, 240, 270]),
        (
            (73, 6, 32),
            [0, 2, 5, 7, 9, 12, 14, 16, 19, 21, 23, 26, 28, 30, 33, 35, 37, 39, 42, 44, 46, 49, 51, 53, 56, 58, 60,
             63, 65, 67, 70, 72],
        ),
        ((3000, 29.97, 8, 5, 12), [149, 179, 209, 239, 269, 299, 329, 359]),
        ((3000, Fraction(2997, 100), 8, 5, 12), [149, 179, 209, 239, 269, 299, 329, 359]),
    ],
)  # fmt: skip
def test_one_per_second_vectors(arguments, expected):
    assert one_per_second_indices(*arguments) == expected


def test_one_per_second_clips():
    assert one_per_second_indices(3000, 30, 4, 12, 5) == one_per_second_indices(3000, 30, 4, 5, 12)
    assert one_per_second_indices(300, 30, 8, 3, 3) == [90, 91]
    assert one_per_second_indices(300, 30, 8, 100, 200) == [298, 299]
    assert one_per_second_indices(1, 30, 8) == [0]
    assert one_per_second_indices(10, 0.2, 3) == [0, 4, 9]


@given(
    st.integers(1, 2000),
    st.floats(0.1, 120),
    st.integers(1, 40),
    st.none() | st.floats(0, 300),
    st.none() | st.floats(0, 300),
)
def test_one_per_second_stays_inside(num_total, rate, num_wanted, start, end):
    indices = one_per_second_indices(num_total, rate, num_wanted, start, end)
    assert 1 <= len(indices) <= num_wanted
    assert indices == sorted(set(indices))
    assert indices[0] >= 0
    assert indices[-1] < num_total


@pytest.mark.parametrize("arguments", [(0, 4), (4, 0), (-1, 1)])
def test_nothing_to_choose(arguments):
    with pytest.raises(ValueError, match="at least one frame"):
        uniform_indices(*arguments)
    with pytest.raises(ValueError, match="at least one frame"):
        one_per_second_indices(arguments[0], 30, arguments[1])
    with pytest.raises(ValueError, match="must be positive"):
        one_per_second_indices(10, 0, 3)
