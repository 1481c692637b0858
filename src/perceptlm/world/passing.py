"""What the asker of an egocentric clip passed, in which order, and which way the view went: read off boxes and camera.

Answers are given only where they are clear; otherwise None, and nothing is asked. Knows no wording.
"""

from __future__ import annotations

from itertools import pairwise

from perceptlm.world.clip_record import ClipView

_MIN_GAP_FRAMES = 2
_MIN_TRAVEL = 0.2
"""Least way of the camera, as a share of the picture's width, to speak of a direction."""


def passed_things(view: ClipView) -> tuple[int, ...] | None:
    """Return the things in the order in which they come closest to the middle of the view; None if that is unclear."""
    if len(view.seen) != len(view.scene.things):
        return None
    moments = sorted((_closest_frame(view, thing), thing) for thing in view.seen)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(moments)]
    if any(gap < _MIN_GAP_FRAMES for gap in gaps):
        return None
    return tuple(thing for _, thing in moments)


def _closest_frame(view: ClipView, thing: int) -> int:
    distances = []
    for frame in sorted(view.shown[thing]):
        centre = view.centre(thing, frame)
        if centre is not None:
            distances.append(((centre[0] - 0.5) ** 2 + (centre[1] - 0.5) ** 2, frame))
    return min(distances)[1]


def headed(view: ClipView) -> str | None:
    """Return the direction the view went from first to last frame, if one axis clearly leads; else None."""
    (x1, y1), (x2, y2) = view.record.camera_offset[0], view.record.camera_offset[-1]
    across, down = (x2 - x1) / view.scene.width, (y2 - y1) / view.scene.height
    if max(abs(across), abs(down)) < _MIN_TRAVEL:
        return None
    if abs(across) > 2 * abs(down):
        return "right" if across > 0 else "left"
    if abs(down) > 2 * abs(across):
        return "down" if down > 0 else "up"
    return None
