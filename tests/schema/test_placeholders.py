"""schema.placeholders: source frames become sampled frames by `f * n // total`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.errors import DataError
from perceptlm.schema import TimeSpan, Turn
from perceptlm.schema.placeholders import (
    LAST_FRAME,
    NUM_FRAMES,
    frame_placeholder,
    holds_placeholder,
    marks_images,
    rescale_frame,
    rescale_span,
    resolve,
    texts_around_images,
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
    assert resolve(text, frames=range(96), num_frames=32) == "[3, 31] of 32, last 31"
    assert resolve(text, frames=range(96), num_frames=96) == "[9, 95] of 96, last 95"


def test_frames_of_a_clip_are_counted_from_its_beginning_and_in_its_steps():
    text = f"[{frame_placeholder(48)}, {frame_placeholder(92)}]"
    assert resolve(text, frames=range(48, 96), num_frames=12) == "[0, 11]"
    assert resolve(text, frames=range(0, 96, 4), num_frames=24) == "[12, 23]"
    for outside in (47, 96):
        with pytest.raises(DataError, match=f"frame {outside}, but the video has frames 48 to 95 in its clip"):
            resolve(frame_placeholder(outside), frames=range(48, 96), num_frames=12)


def test_texts_that_would_be_filled_in_are_known():
    for text in (LAST_FRAME, f"a{NUM_FRAMES}", "<|frame:3|>", "x <|bbox0|>"):
        assert holds_placeholder(text)
    for text in ("", "<image>", "<|eot_id|>", "frame 3", "<|frame|>"):
        assert not holds_placeholder(text)


@pytest.mark.parametrize("text", ["", "frame:3", "<|frame:-1|>", "<|frame:x|>", "<|frame:٣|>", "<|eot_id|>", "1 < 2"])
def test_other_text_is_left_alone(text):
    assert resolve(text, frames=range(9), num_frames=3) == text


@pytest.mark.parametrize("frame", ["9", "10", "9" * 5000])
def test_a_frame_beyond_the_video_is_refused(frame):
    with pytest.raises(DataError, match="the video has 9") as caught:
        resolve(f"<|frame:{frame}|>", frames=range(9), num_frames=3)
    assert len(caught.value.message) < 200


def test_boxes_stand_in_text():
    boxes = ("[000,000,500,250]", None)
    text = "Left of <|bbox0|>, on <|last_frame|>?"
    assert resolve(text, frames=range(9), num_frames=3, boxes=boxes) == "Left of [000,000,500,250], on 2?"
    for number, message in (
        (1, "region 1 is not a box of an image"),
        (2, "there are 2 regions"),
        ("9" * 99, "box 9{12}"),
    ):
        with pytest.raises(DataError, match=message):
            resolve(f"<|bbox{number}|>", frames=range(9), num_frames=3, boxes=boxes)


def turns(*texts: str) -> tuple[Turn, ...]:
    return tuple(Turn(role="assistant" if place % 2 else "user", text=text) for place, text in enumerate(texts))


SEVERAL = ("image", "image")


@pytest.mark.parametrize(
    ("said", "kinds", "expected"),
    [
        (("<image> or <image>?", "No <image>."), SEVERAL, [("", " or ", "?"), ("No <image>.",)]),
        (("<image>?", "Yes.", "And\n<image>"), SEVERAL, [("", "?"), ("Yes.",), ("And\n", "")]),
        (("Which?",), SEVERAL, [("Which?",)]),
        (("<image>\nWhat <video>?",), ("image",), [("What ?",)]),
        (("What?\n<video>",), ("video",), [("What?",)]),
        (("What?", "<image>", "<image>?"), ("image",), [("What?",), ("<image>",), ("<image>?",)]),
        (("What does <image> mean in HTML?",), (), [("What does <image> mean in HTML?",)]),
    ],
)
def test_where_images_stand(said, kinds, expected):
    assert texts_around_images(turns(*said), kinds) == expected
    assert marks_images(turns(*said), kinds) == any(len(pieces) > 1 for pieces in expected)


def test_a_system_text_marks_nothing():
    said = (Turn(role="system", text="Look at <image>."), *turns("Which?"))
    assert texts_around_images(said, SEVERAL) == [("Look at <image>.",), ("Which?",)]


@pytest.mark.parametrize("text", ["<image>?", "<image><image><image>"])
def test_every_image_is_marked_once(text):
    with pytest.raises(DataError, match=r"[13] markers <image> in the text, but 2 images"):
        texts_around_images(turns(text), SEVERAL)
