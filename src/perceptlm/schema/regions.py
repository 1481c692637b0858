"""Regions: the boxes and masks of subjects that a question points at, and how a model is shown them.

Frame numbers are 0-based ordinals of decoded pictures of the *source* file; boxes and masks are in its pixels. Frames
without an entry are frames where the subject is not visible. Holds no pixels of pictures and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from perceptlm.config import Config
from perceptlm.errors import UsageError

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the source picture; x2 and y2 are exclusive edges."""
RegionStyle = Literal["outline", "tint", "dim", "text"]
"""Its outline is drawn; it is tinted; all but it is darkened; or nothing is drawn, and the text says where it is."""
RegionColour = Literal["red", "green", "blue", "yellow", "magenta", "cyan"]
REGION_STYLES: tuple[RegionStyle, ...] = get_args(RegionStyle)
REGION_COLOURS: tuple[RegionColour, ...] = get_args(RegionColour)

_MAX_SIDE = 1 << 16


class _Shown(Config):
    """What all regions have. PLM knows red outlines of boxes, and boxes of images as text."""

    subject: str
    shown_as: RegionStyle = "outline"
    colour: RegionColour = "red"
    line_width: int | None = Field(
        default=None, gt=0, description="pixels of an outline; None: 4 as PLM's, thinner on pictures lower than 448"
    )


class BoxTrack(_Shown):
    """Boxes of one subject, by frame."""

    boxes: dict[int, Box]

    @field_validator("boxes")
    @classmethod
    def _sane(cls, boxes: dict[int, Box]) -> dict[int, Box]:
        for frame, box in boxes.items():
            x1, y1, x2, y2 = box
            if frame < 0 or not (x1 < x2 and y1 < y2):
                raise ValueError(f"box of frame {frame} is empty or reversed: {box}")
        return boxes

    def check_inside(self, width: int, height: int) -> None:
        """Raise ValueError naming a box that is wholly outside a picture of this size."""
        for frame, (x1, y1, x2, y2) in self.boxes.items():
            if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
                raise ValueError(f"box of frame {frame} is outside the {width}x{height} picture: {(x1, y1, x2, y2)}")

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames where the subject is visible, in ascending order."""
        return tuple(sorted(self.boxes))

    def is_visible(self, frame: int) -> bool:
        """Whether the subject is visible on a frame."""
        return frame in self.boxes


class Mask(Config):
    """One mask of the picture's size, as COCO's compressed run lengths (`exchange.coco_rle`)."""

    size: tuple[Annotated[int, Field(gt=0, le=_MAX_SIDE)], Annotated[int, Field(gt=0, le=_MAX_SIDE)]] = Field(
        description="height, width"
    )
    counts: str


class Masklet(_Shown):
    """Masks of one subject, by frame."""

    masks: dict[int, Mask]

    @model_validator(mode="after")
    def _sane(self) -> Masklet:
        if any(frame < 0 for frame in self.masks):
            raise ValueError(f"frame {min(self.masks)} is negative")
        if self.shown_as == "text":
            raise ValueError("a mask cannot be shown as text; give its box, or another style")
        return self

    def check_inside(self, width: int, height: int) -> None:
        """Raise ValueError naming a mask that is not of this size."""
        for frame, mask in self.masks.items():
            if mask.size != (height, width):
                found = f"{mask.size[1]}x{mask.size[0]}"
                raise ValueError(f"mask of frame {frame} is of {found}, the picture of {width}x{height}")

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames where the subject is visible, in ascending order."""
        return tuple(sorted(self.masks))

    def is_visible(self, frame: int) -> bool:
        """Whether the subject is visible on a frame."""
        return frame in self.masks


def _kind(value: Any) -> str:
    masked = "masks" in value if isinstance(value, dict) else isinstance(value, Masklet)
    return "masklet" if masked else "box track"


Region = Annotated[Annotated[BoxTrack, Tag("box track")] | Annotated[Masklet, Tag("masklet")], Discriminator(_kind)]


def box_text(box: Box, width: int, height: int) -> str:
    """Return `[x1,y1,x2,y2]` as PLM is told and tells boxes of images: thousandths of the picture's size, cut off, in
    three digits each (facts/reference-implementation.md 2.5)."""

    def thousandths(value: float, size: int) -> str:
        return f"{int(min(max(value / size, 0.0), 0.999) * 1000):03d}"

    x1, y1, x2, y2 = box
    return f"[{thousandths(x1, width)},{thousandths(y1, height)},{thousandths(x2, width)},{thousandths(y2, height)}]"


def box_texts(regions: Sequence[Region], width: int, height: int) -> tuple[str | None, ...]:
    """Return each region's box in an image of this size as text; None for one that has no box of frame 0."""
    return tuple(
        box_text(region.boxes[0], width, height) if isinstance(region, BoxTrack) and 0 in region.boxes else None
        for region in regions
    )


def box_tracks(
    texts: Sequence[str], frames: Iterable[int] = (0,), shown_as: RegionStyle = "outline"
) -> tuple[BoxTrack, ...]:
    """Return a region for each `X1,Y1,X2,Y2` (pixels), the same box on all `frames`, each in the next colour.

    Raises UsageError naming a text that is no box.
    """
    places = tuple(frames)
    found = []
    for number, text in enumerate(texts):
        try:
            x1, y1, x2, y2 = map(float, text.split(","))
            boxes = dict.fromkeys(places, (x1, y1, x2, y2))
            colour = REGION_COLOURS[number % len(REGION_COLOURS)]
            found.append(BoxTrack(subject=f"box {number}", boxes=boxes, shown_as=shown_as, colour=colour))
        except ValueError as error:
            raise UsageError(
                f"'{text[:80]}' is not a box", hint="write X1,Y1,X2,Y2 in pixels, X1 < X2 and Y1 < Y2"
            ) from error
    return tuple(found)
