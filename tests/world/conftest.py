"""Clip records without drawing: the director's scripts with boxes by arithmetic, for tests of the world's language."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perceptlm.schema import Box, MediaRef, Split
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.direct import direct_clip, direct_image
from perceptlm.world.script import Scene
from perceptlm.world.settings import WorldSettings
from perceptlm.world.simulate import Trajectories, simulate

MakeRecord = Callable[..., ClipRecord]
SEED = 11


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Return a function (split, index, "video" | "ego" | "image") -> ClipRecord of that script."""
    return undrawn_record


def undrawn_record(split: Split, index: int, clip: str = "video") -> ClipRecord:
    settings = WorldSettings(egocentric_fraction=float(clip == "ego"))
    is_image = clip == "image"
    scene = (direct_image if is_image else direct_clip)(settings, split, index, SEED)
    where = simulate(scene)
    boxes = _boxes(scene, where)
    media = MediaRef(
        kind="image" if is_image else "video",
        path=f"{split}/{index:06d}",
        width=scene.width,
        height=scene.height,
        num_frames=scene.num_frames,
        frames_per_second=None if is_image else "8",
    )
    return ClipRecord(
        scene=scene,
        media=media,
        boxes=boxes,
        visible_fraction=tuple(tuple(float(t in track) for t in range(scene.num_frames)) for track in boxes),
        camera_offset=tuple((float(x), float(y)) for x, y in where.camera),
    )


def _boxes(scene: Scene, where: Trajectories) -> tuple[dict[int, Box], ...]:
    """Squares about the centres, cut at the picture's border; what covers what is not looked at."""
    middle = np.array([scene.width, scene.height]) / 2
    found = []
    for position, side in zip(where.position, where.side, strict=True):
        centre = (position - where.camera - middle) * where.zoom[:, None] + middle
        half = (side * where.zoom / 2)[:, None]
        low, high = np.maximum(centre - half, 0), np.minimum(centre + half, 2 * middle)
        found.append(
            {
                t: (float(low[t, 0]), float(low[t, 1]), float(high[t, 0]), float(high[t, 1]))
                for t in range(scene.num_frames)
                if (high[t] - low[t] >= 3).all()
            }
        )
    return tuple(found)
