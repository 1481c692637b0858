"""Regions as records: what they may hold, and boxes as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from perceptlm.errors import UsageError
from perceptlm.schema import BoxTrack, Mask, Masklet, Region
from perceptlm.schema.regions import REGION_COLOURS, box_text, box_texts, box_tracks

READ = TypeAdapter(Region)
MASK = Mask(size=(2, 3), counts="06")


def test_worked_example_of_a_box_as_text():
    # facts/reference-implementation.md 2.5: [10, 20, 30, 40] as x, y, width, height in a picture of 480x640
    assert box_text((10, 20, 40, 60), 480, 640) == "[020,031,083,093]"


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.integers(1, 9000))
def test_box_text_stays_in_range_and_in_order(a, b, size):
    parts = box_text((a, 0, b, 0), size, 1)[1:-1].split(",")
    assert all(len(part) == 3 for part in parts)
    first, second = int(parts[0]), int(parts[2])
    assert (first <= second) or a > b


@pytest.mark.parametrize(
    "region",
    [
        BoxTrack(subject="a", boxes={0: (0, 0, 1, 1), 7: (1, 2, 3.5, 4)}, shown_as="tint", colour="cyan"),
        Masklet(subject="b", masks={3: MASK}),
    ],
    ids=["boxes", "masks"],
)
def test_regions_are_read_as_what_they_were(region):
    assert READ.validate_json(region.model_dump_json()) == region
    assert READ.validate_python(region.to_dict() | {"subject": "c"}).subject == "c"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subject": "a", "boxes": {0: (3, 0, 3, 1)}}, "box of frame 0 is empty or reversed"),
        ({"subject": "a", "boxes": {4: (0, 0, math.inf, 1)}}, "boxes.4.2\n  Input should be a finite number"),
        ({"subject": "a", "boxes": {4: (0, math.nan, 3, 1)}}, "finite number"),
        ({"subject": "a", "boxes": {-1: (0, 0, 3, 1)}}, "box of frame -1"),
        ({"subject": "a", "masks": {-1: MASK}}, "frame -1 is negative"),
        ({"subject": "a", "masks": {0: {"size": (0, 4), "counts": ""}}}, "greater than 0"),
        ({"subject": "a", "masks": {0: {"size": (4, 1 << 20), "counts": ""}}}, "less than or equal to 65536"),
        ({"subject": "a", "masks": {0: MASK}, "shown_as": "text"}, "a mask cannot be shown as text"),
        ({"subject": "a", "boxes": {}, "colour": "pink"}, "colour"),
        ({"subject": "a", "boxes": {}, "masks": {}}, "Extra inputs"),
    ],
)
def test_impossible_regions(values, message):
    with pytest.raises(ValidationError, match=message):
        READ.validate_python(values)


def test_only_boxes_of_a_picture_have_a_text():
    regions = (
        BoxTrack(subject="a", boxes={0: (0, 0, 2, 2)}),
        BoxTrack(subject="b", boxes={3: (0, 0, 2, 2)}),
        Masklet(subject="c", masks={0: MASK}),
    )
    assert box_texts(regions, 4, 8) == ("[000,000,500,250]", None, None)


def test_boxes_from_the_command_line():
    first, second = box_tracks(["1,2,3,4", " 0, 0, 9.5, 1"], range(3), "dim")
    assert first.boxes == dict.fromkeys((0, 1, 2), (1.0, 2.0, 3.0, 4.0))
    assert (first.colour, second.colour, second.shown_as) == ("red", "green", "dim")
    assert len({region.colour for region in box_tracks(["0,0,1,1"] * 50)}) == len(REGION_COLOURS)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "3,3,1,1", "nan,0,1,1", "0,0,inf,1", "0 0 1 1"])
def test_a_text_that_is_no_box(text):
    with pytest.raises(UsageError, match="is not a box") as caught:
        box_tracks(["0,0,1,1", text])
    assert "X1,Y1,X2,Y2" in caught.value.hint
