"""The published sampling rules, against their published vectors."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.media.sampling import choose_frames, one_per_second_indices, uniform_indices
from perceptlm.schema import MediaRef

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
    ],
)  # fmt: skip
def test_one_per_second_vectors(arguments, expected):
    assert one_per_second_indices(*arguments) == expected


def clip_of(num_frames, rate, start=None, end=None, step=1):
    return MediaRef(
        kind="video", path="a", width=1, height=1, num_frames=num_frames, frames_per_second=rate,
        start_seconds=start, end_seconds=end, frame_step=step,
    ).frames  # fmt: skip


def test_the_published_vector_of_a_clip():
    frames = clip_of(3000, "29.97", "5", "12")
    expected = (149, 179, 209, 239, 269, 299, 329, 359)
    assert choose_frames(frames, 8, "one_per_second", Fraction("29.97")) == expected


def test_frames_of_a_clip_are_those_of_its_seconds_and_steps():
    assert clip_of(300, "30", "1") == range(30, 300)
    assert clip_of(300, "30", None, "100") == range(300)
    assert choose_frames(clip_of(300, "30", "1", "2"), 3, "uniform") == (30, 45, 60)
    # A 24 fps file labelled at 6 fps: every fourth frame, spread as the 6 fps file's would be.
    chosen = choose_frames(clip_of(390, "24", step=4), 32, "uniform")
    assert chosen == tuple(4 * place for place in uniform_indices(98, 32))
    assert choose_frames(clip_of(48, "24", step=4), 2, "one_per_second", Fraction(24)) == (0, 24)


def test_short_videos_at_one_per_second():
    assert one_per_second_indices(1, 30, 8) == [0]
    assert one_per_second_indices(10, 0.2, 3) == [0, 4, 9]


@given(st.integers(1, 2000), st.floats(0.1, 120), st.integers(1, 40))
def test_one_per_second_stays_inside(num_total, rate, num_wanted):
    indices = one_per_second_indices(num_total, rate, num_wanted)
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
