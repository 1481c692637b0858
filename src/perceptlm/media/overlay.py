"""The outlines of boxes on pictures: PLM's red boxes, with the pixels Pillow's `rectangle` would set.

Source: facts/evaluation.md section 1.1 and facts/reference-implementation.md section 2.5. Frames without a box of
their own stay untouched; nothing is interpolated. Knows no file and no sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from perceptlm.errors import DataError
from perceptlm.schema import Box

RED = (255, 0, 0)
BOX_WIDTH = 4
_REFERENCE_HEIGHT = 448
_FAR = 1 << 24


def scaled_box_width(height: int) -> int:
    """Return the line width for pictures of this height: 4 from 448 pixels on, thinner (at least 1) below."""
    return max(1, round(BOX_WIDTH * min(height, _REFERENCE_HEIGHT) / _REFERENCE_HEIGHT))


def draw_track(
    frames: NDArray[np.uint8],
    source_indices: Sequence[int],
    boxes: Mapping[int, Box],
    *,
    colour: tuple[int, int, int] = RED,
    width: int = BOX_WIDTH,
) -> NDArray[np.uint8]:
    """Return a copy of `frames` (n, H, W, 3) with a box on each frame whose own source index has one.

    `source_indices` (n) says which frame of the source each picture is; `boxes` maps source index to box. A
    box that cannot be drawn raises DataError naming its source frame.
    """
    if len(source_indices) != len(frames):
        raise ValueError(f"{len(frames)} frames but {len(source_indices)} source indices")
    drawn = frames.copy()
    for picture, index in zip(drawn, source_indices, strict=True):
        if index in boxes:
            try:
                draw_boxes(picture, [(boxes[index], colour)], width=width)
            except DataError as error:
                raise DataError(f"frame {index}: {error.message}") from error
    return drawn


def draw_boxes(
    picture: NDArray[np.uint8], boxes: Sequence[tuple[Box, tuple[int, int, int]]], *, width: int = BOX_WIDTH
) -> None:
    """Draw the outlines of `boxes`, each with its colour, onto `picture` (H, W, 3) itself, both corners included.

    Coordinates are pixels and are truncated to integers; the line grows inward, so a box smaller than twice `width`
    is filled, and one thinner than `width` spills over its edges, as Pillow's does. Parts outside the picture are
    clipped. Raises DataError for a reversed box or one whose coordinates are not finite.
    """
    if width < 1:
        raise ValueError(f"the line width must be at least 1, got {width}")
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for box, colour in boxes:
        if not all(math.isfinite(value) for value in box):
            raise DataError(f"box {tuple(box)} is not finite")
        if box[2] < box[0] or box[3] < box[1]:
            raise DataError(f"box {tuple(box)} is reversed: x2 must not be below x1, nor y2 below y1")
        # Pillow truncates to C integers: keep far coordinates in their range, where they are outside all the same.
        draw.rectangle([min(max(value, -_FAR), _FAR) for value in box], outline=colour, width=width)
    picture[:] = np.asarray(image)
