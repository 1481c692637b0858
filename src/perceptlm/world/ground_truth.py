"""What is exactly true of a clip's pixels: boxes, masks and visibility of every thing, and the camera's way.

Read off the same map of things that the frames were drawn with, so it cannot disagree with them. This module draws
nothing and knows no script.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perceptlm.schema import Box

MIN_BOX_PIXELS = 8
"""A thing of which fewer pixels show counts as not visible and has no box."""
NOTHING = 255
"""In the map of things: background."""


@dataclass(frozen=True)
class GroundTruth:
    """Per thing, in the order of the scene's things; frames are source frames."""

    boxes: tuple[dict[int, Box], ...]
    """Frame -> box of the visible pixels; absent where fewer than `MIN_BOX_PIXELS` show."""
    visible_fraction: NDArray[np.float64]
    """(N, T): share of the whole silhouette that shows; what lies outside the picture does not."""
    camera_offset: NDArray[np.float64]
    """(T, 2): world place of the picture's middle relative to a centred picture, pixels."""
    camera_zoom: NDArray[np.float64]
    """(T,)."""
    passed: tuple[int, ...]
    """Things in the order in which an egocentric camera comes level with them; empty for other clips."""
    thing_map: NDArray[np.uint8]
    """(T, H, W): which thing shows at each pixel, or `NOTHING`."""

    def masks(self, thing: int) -> NDArray[np.bool_]:
        """Return the visible pixels of `thing`, (T, H, W)."""
        return np.asarray(self.thing_map == thing)


def read_ground_truth(
    thing_map: NDArray[np.uint8],
    full_areas: NDArray[np.int64],
    camera_offset: NDArray[np.float64],
    camera_zoom: NDArray[np.float64],
    passed: tuple[int, ...],
) -> GroundTruth:
    """Return boxes and visibility from the map of things; `full_areas` (N, T) are whole silhouettes in pixels."""
    boxes = []
    fractions = np.zeros(full_areas.shape)
    for thing in range(len(full_areas)):
        shown = thing_map == thing
        columns, rows = shown.any(axis=1), shown.any(axis=2)
        counts = np.count_nonzero(shown, axis=(1, 2))
        fractions[thing] = counts / np.maximum(full_areas[thing], 1)
        left, right = columns.argmax(axis=1), columns.shape[1] - columns[:, ::-1].argmax(axis=1)
        top, bottom = rows.argmax(axis=1), rows.shape[1] - rows[:, ::-1].argmax(axis=1)
        boxes.append(
            {
                int(t): (float(left[t]), float(top[t]), float(right[t]), float(bottom[t]))
                for t in np.flatnonzero(counts >= MIN_BOX_PIXELS)
            }
        )
    return GroundTruth(tuple(boxes), fractions, camera_offset, camera_zoom, passed, thing_map)
