"""Red boxes: the pixels Pillow would set, on the right frames only."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from perceptlm.errors import DataError
from perceptlm.media.overlay import RED, draw_boxes, draw_track, scaled_box_width
from perceptlm.media.sampling import uniform_indices

VECTORS = {v["id"]: v for v in json.loads((Path(__file__).parent / "data" / "sampling_and_overlay.json").read_text())}
EDGE = st.floats(-30, 60, width=32)


def is_red(picture: np.ndarray) -> np.ndarray:
    return (picture == RED).all(axis=-1)


def test_published_vector():
    vector = VECTORS["box-2"]
    height, width = vector["input"]["image"]
    drawn = np.zeros((height, width, 3), np.uint8)
    draw_boxes(drawn, [(vector["input"]["box_xyxy"], RED)], width=4)
    assert is_red(drawn).sum() == vector["expected"]["red_pixels"]
    rows, columns = np.nonzero(is_red(drawn))
    assert [columns.min(), rows.min(), columns.max(), rows.max()] == vector["expected"]["bbox_of_red"]


def test_published_choice_of_frames():
    vector = VECTORS["box-5"]
    positions = uniform_indices(vector["input"]["num_video_frames"], vector["input"]["n"])
    frames = np.zeros((len(positions), 16, 16, 3), np.uint8)
    drawn = draw_track(frames, positions, dict.fromkeys(vector["input"]["bbox_keys"], (2, 2, 12, 12)))
    slots = [slot for slot, picture in enumerate(drawn) if is_red(picture).any()]
    assert slots == vector["expected"]["sampled_slots_with_box"]
    assert [positions[slot] for slot in slots] == vector["expected"]["sampled_positions_of_those"]
    assert not frames.any()


@given(EDGE, EDGE, EDGE, EDGE, st.integers(1, 6))
def test_same_pixels_as_pillow(x1, y1, x2, y2, width):
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    image = Image.new("RGB", (31, 23), (9, 9, 9))
    ImageDraw.Draw(image).rectangle(box, outline=RED, width=width)
    drawn = np.full((23, 31, 3), 9, np.uint8)
    draw_boxes(drawn, [(box, RED)], width=width)
    np.testing.assert_array_equal(drawn, np.asarray(image))


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((5, 5, 4, 9), "reversed"),
        ((5, 5, 9, 4), "reversed"),
        ((float("nan"), 0, 1, 1), "not finite"),
        ((0, 0, float("inf"), 1), "not finite"),
    ],
)
def test_impossible_boxes(box, words):
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(DataError, match=words):
        draw_boxes(picture, [(box, RED)])
    with pytest.raises(DataError, match=f"frame 7: box .*{words}"):
        draw_track(picture[None], [7], {7: box})


def test_every_shown_frame_needs_its_source_index():
    with pytest.raises(ValueError, match="2 frames but 1 source indices"):
        draw_track(np.zeros((2, 8, 8, 3), np.uint8), [0], {})


def test_width_follows_the_height():
    assert [scaled_box_width(height) for height in (1, 96, 224, 336, 448, 1080)] == [1, 1, 2, 3, 4, 4]
