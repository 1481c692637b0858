"""Turning decoded pictures upright: the display matrix that phones write beside the video stream.

The matrix (ISO/IEC 14496-12, 6.2.2) maps stored to shown coordinates. Quarter turns and mirrorings are applied
exactly, by moving pixels; any other matrix is refused. Knows no file and no decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

_ONE = 1 << 16


@dataclass(frozen=True)
class Orientation:
    """First swap rows and columns, then mirror up-down, then left-right."""

    transposed: bool = False
    flipped_vertically: bool = False
    flipped_horizontally: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the shown (width, height) of a stored picture."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the stored picture (H, W, 3) as it is shown."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        if self.flipped_vertically:
            pixels = pixels[::-1]
        return pixels[:, ::-1] if self.flipped_horizontally else pixels


UPRIGHT = Orientation()


def parse_display_matrix(data: bytes) -> Orientation:
    """Read FFmpeg's display matrix: nine native int32, the first two columns in 16.16 fixed point.

    A stored point (x, y) is shown at (a x + c y, b x + d y). Raises ValueError for anything but quarter turns
    and mirrorings; scale is ignored.
    """
    if len(data) != 36:
        raise ValueError(f"a display matrix has 36 bytes, not {len(data)}")
    a, b, _, c, d, *_ = struct.unpack("=9i", data)
    if b == 0 and c == 0 and a != 0 and d != 0:
        return Orientation(False, flipped_vertically=d < 0, flipped_horizontally=a < 0)
    if a == 0 and d == 0 and b != 0 and c != 0:
        return Orientation(True, flipped_vertically=b < 0, flipped_horizontally=c < 0)
    parts = " ".join(f"{value / _ONE:g}" for value in (a, b, c, d))
    raise ValueError(f"it is neither a quarter turn nor a mirroring ({parts})")


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Return how a decoded picture is to be turned. Raises ValueError as `parse_display_matrix` does."""
    for entry in cast(Iterable[SideData], frame.side_data):  # typed as a mapping, but holds entries
        if entry.type == SideDataType.DISPLAYMATRIX:
            return parse_display_matrix(bytes(entry))
    return UPRIGHT
