"""schema.placeholders: source frames become sampled frames by `f * n // total`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.errors import DataError
from perceptlm.schema import TimeSpan
from perceptlm.schema.placeholders import (
    LAST_FRAME,
    NUM_FRAMES,
    frame_placeholder,
    rescale_frame,
    rescale_span,
    resolve,
)


@pytest.mark.parametrize(("frame", "total", "n", "expected"), [(83, 84, 32, 31), (9, 96, 32, 3), (0, 5, 1, 0)])
def test_worked_examples_of_frames(frame, total, n, expected):
    assert rescale_frame(frame, total, n) == expected


def test_a_span_may_shrink_to_nothing():
    assert rescale_span(TimeSpan(start_frame=45, end_frame=47), 90, 32) == (16, 16)


@given(st.integers(1, 10_000), st.integers(1, 64), st.data())
def test_sampled_numbers_stay_in_range_and_in_order(total, n, data):
    first = data.draw(st.integers(0, total - 1))
    second = data.draw(st.integers(first, total - 1))
    assert 0 <= rescale_frame(first, total, n) <= rescale_frame(second, total, n) < n


def test_text_is_resolved_for_the_frames_in_use():
    text = f"[{frame_placeholder(9)}, {frame_placeholder(95)}] of {NUM_FRAMES}, last {LAST_FRAME}"
    assert resolve(text, total_frames=96, num_frames=32) == "[3, 31] of 32, last 31"
    assert resolve(text, total_frames=96, num_frames=96) == "[9, 95] of 96, last 95"


@pytest.mark.parametrize("text", ["", "frame:3", "<|frame:-1|>", "<|frame:x|>", "<|frame:٣|>", "<|eot_id|>", "1 < 2"])
def test_other_text_is_left_alone(text):
    assert resolve(text, total_frames=9, num_frames=3) == text


@pytest.mark.parametrize("frame", ["9", "10", "9" * 5000])
def test_a_frame_beyond_the_video_is_refused(frame):
    with pytest.raises(DataError, match="the video has 9") as caught:
        resolve(f"<|frame:{frame}|>", total_frames=9, num_frames=3)
    assert len(caught.value.message) < 200
