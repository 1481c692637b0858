"""Regions drawn on pictures, each as it says: outline, tint, or everything else darkened; several at once.

PLM is taught red outlines of boxes (`overlay`); the rest goes beyond it. Frames without an entry of a region are not
touched by it; nothing is interpolated. Knows no file and no sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from perceptlm.errors import DataError
from perceptlm.exchange.coco_rle import decode_rle
from perceptlm.media.overlay import draw_boxes, scaled_box_width
from perceptlm.schema import BoxTrack, Region
from perceptlm.schema.regions import REGION_STYLES, Masklet, RegionColour

COLOURS: dict[RegionColour, tuple[int, int, int]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
}
TINT_PERCENT = 40
"""How much of a tinted pixel is the region's colour."""
DIM_PERCENT = 30
"""How bright what is outside all dimmed-around regions stays."""


def draw_regions(
    frames: NDArray[np.uint8], source_indices: Sequence[int], regions: Sequence[Region]
) -> NDArray[np.uint8]:
    """Return a copy of `frames` (n, H, W, 3) with every region that is visible on a frame drawn on it.

    `source_indices` (n) says which frame of the source each picture is. First what is outside the regions shown by
    dimming is darkened, then tints are laid over, then outlines drawn: of masks, then of boxes, each in the order of
    the regions. Boxes are clipped to the picture. Raises DataError naming region and frame for a mask of another size
    or that cannot be read.
    """
    drawn = frames.copy()
    for picture, index in zip(drawn, source_indices, strict=True):
        visible = [(number, region) for number, region in enumerate(regions) if region.is_visible(index)]
        _draw_on(picture, index, visible)
    return drawn


def _draw_on(picture: NDArray[np.uint8], index: int, visible: Sequence[tuple[int, Region]]) -> None:
    by_style = {
        style: [(number, region) for number, region in visible if region.shown_as == style] for style in REGION_STYLES
    }
    if by_style["dim"]:
        outside = np.ones(picture.shape[:2], bool)
        for number, region in by_style["dim"]:
            outside[_pixels(region, number, index, picture.shape)] = False
        picture[outside] = _blend(picture[outside], (0, 0, 0), 100 - DIM_PERCENT)
    for number, region in by_style["tint"]:
        inside = _pixels(region, number, index, picture.shape)
        picture[inside] = _blend(picture[inside], COLOURS[region.colour], TINT_PERCENT)
    usual = scaled_box_width(picture.shape[0])
    for number, region in by_style["outline"]:
        if isinstance(region, Masklet):
            edge = _edge(_mask(region, number, index, picture.shape), region.line_width or usual)
            picture[edge] = COLOURS[region.colour]
    boxes = [
        (region.line_width or usual, (region.boxes[index], COLOURS[region.colour]))
        for _, region in by_style["outline"]
        if isinstance(region, BoxTrack)
    ]
    for width, drawn in groupby(boxes, key=lambda box: box[0]):
        draw_boxes(picture, [box for _, box in drawn], width=width)


def _pixels(region: Region, number: int, index: int, shape: tuple[int, ...]) -> tuple[slice, slice] | NDArray[np.bool_]:
    """Return what chooses the pixels of a region on one frame: rows and columns of a box, all that it touches."""
    if isinstance(region, BoxTrack):
        x1, y1, x2, y2 = region.boxes[index]
        rows, columns = ((max(math.floor(low), 0), max(math.ceil(high), 0)) for low, high in ((y1, y2), (x1, x2)))
        return slice(*rows), slice(*columns)
    return _mask(region, number, index, shape)


def _mask(region: Masklet, number: int, index: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of a masklet on one frame."""
    height, width = shape[:2]
    held = region.masks[index]
    try:
        if held.size != (height, width):
            raise DataError(f"it is of {held.size[1]}x{held.size[0]}, the picture of {width}x{height}")
        return decode_rle(held.counts, height, width)
    except DataError as error:
        raise DataError(f"the mask of region {number} on frame {index}: {error.message}") from error


def _blend(pixels: NDArray[np.uint8], colour: tuple[int, int, int], percent: int) -> NDArray[np.uint8]:
    mixed = pixels.astype(np.uint16) * (100 - percent) + np.array(colour, np.uint16) * percent
    return ((mixed + 50) // 100).astype(np.uint8)


def _edge(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of `mask` (H, W) within `width` steps of its outside; the picture's rim counts as outside."""
    inner = mask
    for _ in range(width):
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
