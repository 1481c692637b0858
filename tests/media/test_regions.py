"""Regions drawn on frames: which pixels change, and to what."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.errors import DataError
from perceptlm.exchange.coco_rle import encode_rle
from perceptlm.media.overlay import draw_track
from perceptlm.media.regions import COLOURS, draw_regions
from perceptlm.schema import BoxTrack, Mask, Masklet

GREY = np.full((3, 20, 30, 3), 100, np.uint8)
BOX = (4.0, 6.0, 12.0, 16.0)


def box(style="outline", colour="red", frames=(0,), place=BOX):
    return BoxTrack(subject="it", boxes=dict.fromkeys(frames, place), shown_as=style, colour=colour)


def masklet(mask, style="outline", colour="red", frames=(0,)):
    held = Mask(size=mask.shape, counts=encode_rle(mask))
    return Masklet(subject="it", masks=dict.fromkeys(frames, held), shown_as=style, colour=colour)


def disc(radius=6):
    down, across = np.mgrid[0:20, 0:30]
    return (down - 10) ** 2 + (across - 15) ** 2 <= radius**2


def drawn(*regions, frames=GREY, indices=(0, 5, 9)):
    before = frames.copy()
    found = draw_regions(frames, indices, regions)
    assert (frames == before).all()
    return found


def test_an_outline_of_a_box_is_that_of_plm():
    regions = [box(frames=(0, 9)), box(frames=(5,), place=(1, 1, 29, 4))]
    expected = draw_track(draw_track(GREY, (0, 5, 9), regions[0].boxes, width=1), (0, 5, 9), regions[1].boxes, width=1)
    assert (drawn(*regions) == expected).all()
    assert (draw_regions(GREY[:1], [0], [box(colour="blue")])[0, 6, 4] == (0, 0, 255)).all()


@pytest.mark.parametrize("width", [1, 4])
def test_an_outline_is_as_wide_as_it_says(width):
    region = box().model_copy(update={"line_width": width})
    assert (drawn(region) == draw_track(GREY, (0, 5, 9), region.boxes, width=width)).all()
    thin = box(place=(0, 0, 30, 20))
    assert (drawn(thin, region, thin) == drawn(region, thin)).all()
    ring = masklet(disc()).model_copy(update={"line_width": width})
    assert (
        (drawn(ring)[0] == COLOURS["red"]).all(axis=-1) >= (drawn(masklet(disc()))[0] == COLOURS["red"]).all(axis=-1)
    ).all()


def test_a_tint_lets_what_is_below_show():
    frames = drawn(box("tint", "green"))
    inside = np.zeros((20, 30), bool)
    inside[6:16, 4:12] = True
    assert (frames[0][inside] == (60, 162, 60)).all()
    assert (frames[0][~inside] == 100).all()
    assert (frames[1:] == 100).all()


def test_dimming_darkens_what_is_outside_of_all():
    frames = drawn(box("dim"), masklet(disc(), "dim"), box("dim", frames=(9,)))
    inside = disc()
    inside[6:16, 4:12] = True
    assert (frames[0][inside] == 100).all()
    assert (frames[0][~inside] == 30).all()
    assert (frames[1] == 100).all()
    assert (frames[2][6:16, 4:12] == 100).all()
    assert (frames[2][~inside] == 30).all()


def test_the_outline_of_a_mask_is_its_rim():
    frames = drawn(masklet(disc(), colour="cyan"))
    rim = (frames[0] == COLOURS["cyan"]).all(axis=-1)
    assert (disc() >= rim).all()
    assert not rim[disc(4)].any()
    assert rim[10, 9]
    assert rim[4, 15]
    whole = drawn(masklet(np.ones((20, 30), bool)))
    assert (whole[0] == COLOURS["red"]).all(axis=-1).sum() == 20 * 30 - 18 * 28


def test_outlines_lie_over_tints_and_tints_over_what_is_dimmed():
    frames = drawn(box(), box("tint", "blue", place=(0, 0, 30, 20)), box("dim", place=(20, 0, 30, 20)))
    assert (frames[0, 6, 4] == (255, 0, 0)).all()
    assert (frames[0, 0, 25] == (60, 60, 162)).all()
    assert (frames[0, 0, 0] == (18, 18, 120)).all()


def test_a_region_shown_as_text_leaves_no_trace():
    assert (drawn(box("text")) == GREY).all()
    assert (drawn() == GREY).all()


@given(st.lists(st.floats(-40, 60), min_size=4, max_size=4), st.sampled_from(["outline", "tint", "dim"]))
def test_boxes_are_clipped(values, style):
    x1, x2 = sorted(values[:2])
    y1, y2 = sorted(values[2:])
    if x1 < x2 and y1 < y2:
        frames = drawn(box(style, place=(x1, y1, x2, y2)))
        assert frames.shape == GREY.shape


def test_ten_thousand_boxes_are_drawn_at_once():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 900, (10_000, 2))
    regions = [
        BoxTrack(subject="it", boxes={0: (x, y, x + 40, y + 40)}, shown_as=style)
        for (x, y), style in zip(corners, ("outline", "tint", "dim", "text") * 2500, strict=True)
    ]
    began = time.process_time()
    frames = draw_regions(np.zeros((1, 1000, 1000, 3), np.uint8), [0], regions)
    # A copy of the picture for each box would take minutes.
    assert time.process_time() - began < 60
    assert (frames[0] == (255, 0, 0)).all(axis=-1).sum() > 100_000


def test_a_mask_that_is_not_of_the_picture():
    with pytest.raises(DataError, match="mask of region 1 on frame 5: it is of 30x19, the picture of 30x20"):
        drawn(box(), masklet(np.ones((19, 30), bool), frames=(5,)))
    broken = Masklet(subject="it", masks={9: Mask(size=(20, 30), counts="0")}, shown_as="tint")
    with pytest.raises(DataError, match="mask of region 0 on frame 9: run lengths sum"):
        drawn(broken)


def test_every_frame_needs_its_source_index():
    with pytest.raises(ValueError, match="zip"):
        draw_regions(GREY, [0], [])
