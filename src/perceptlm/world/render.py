"""From scene to pixels and ground truth: background, things from far to near, camera, zoom.

Things are put at whole pixels, so motion and contact are exact. Every pixel of the thing map is the nearest thing
whose silhouette covers it. This module decides nothing about the script.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perceptlm.world.backgrounds import Background, background
from perceptlm.world.egocentric import passing_frames
from perceptlm.world.ground_truth import NOTHING, GroundTruth, read_ground_truth
from perceptlm.world.script import Scene
from perceptlm.world.simulate import Trajectories, simulate
from perceptlm.world.things import Sprite, sprite

_BLOCK = 16  # planes are made in multiples of this, so that clips with the same background can share them


@dataclass(frozen=True)
class RenderedClip:
    """Frames (T, H, W, 3), uint8 RGB, and what is true of them."""

    frames: NDArray[np.uint8]
    ground_truth: GroundTruth


@dataclass(frozen=True)
class Drawn:
    """Some frames of a scene. `frames` (F, H, W, 3) uint8 RGB, or None if no pixels were wanted."""

    frames: NDArray[np.uint8] | None
    thing_map: NDArray[np.uint8]
    """(F, H, W): which thing shows at each pixel, or `NOTHING`."""
    full_areas: NDArray[np.int64]
    """(N, F): pixels of every thing's whole silhouette."""


def render(scene: Scene) -> RenderedClip:
    """Draw the scene; the same scene gives the same bytes."""
    where = simulate(scene)
    drawn = draw(scene, where, range(scene.num_frames))
    assert drawn.frames is not None
    return RenderedClip(drawn.frames, ground_truth(scene, where, drawn))


def draw(scene: Scene, where: Trajectories, frames: Sequence[int], *, with_pixels: bool = True) -> Drawn:
    """Draw the given frames of the scene; without pixels only what shows where, which is much faster."""
    shape = (len(frames), scene.height, scene.width)
    pixels = np.empty((*shape, 3), np.uint8) if with_pixels else None
    thing_map = np.full(shape, NOTHING, np.uint8)
    full_areas = np.zeros((len(scene.things), len(frames)), np.int64)
    order = sorted(range(len(scene.things)), key=lambda thing: where.depth[thing])
    plane = _plane(scene, where) if with_pixels else None
    for number, t in enumerate(frames):
        picture = None
        if pixels is not None and plane is not None:
            picture = pixels[number]
            picture[...] = _backdrop(scene, *plane, where, t)
        for thing in order:
            full_areas[thing, number] = _draw(picture, thing_map[number], scene, where, thing, t)
    return Drawn(pixels, thing_map, full_areas)


def ground_truth(scene: Scene, where: Trajectories, drawn: Drawn) -> GroundTruth:
    """Return what is true of a scene of which every frame was drawn."""
    passed: tuple[int, ...] = ()
    if scene.egocentric:
        moments = passing_frames(scene.seed, len(scene.things), scene.num_frames)
        passed = tuple(sorted(range(len(moments)), key=lambda thing: moments[thing]))
    return read_ground_truth(drawn.thing_map, drawn.full_areas, where.camera, where.zoom, passed)


def screen_centre(scene: Scene, where: Trajectories, thing: int, t: int) -> tuple[float, float]:
    """Return where a thing's centre is in the picture of frame `t`, in pixels; it may lie outside."""
    middle = np.array([scene.width / 2, scene.height / 2])
    x, y = (where.position[thing, t] - where.camera[t] - middle) * float(where.zoom[t]) + middle
    return float(x), float(y)


def _plane(scene: Scene, where: Trajectories) -> tuple[Background, tuple[int, int]]:
    """Return the background plane and the world place of its corner, wide enough for the camera's way."""
    low = np.floor(where.camera.min(axis=0)).astype(int)
    high = np.ceil(where.camera.max(axis=0)).astype(int)
    width, height = (
        math.ceil((int(extent) + 2) / _BLOCK) * _BLOCK
        for extent in (scene.width + high[0] - low[0], scene.height + high[1] - low[1])
    )
    plane = background(scene.background, width, height, scene.width, scene.height)
    return plane, (int(low[0]), int(low[1]))


def _backdrop(
    scene: Scene, plane: Background, corner: tuple[int, int], where: Trajectories, t: int
) -> NDArray[np.uint8]:
    x, y = round(float(where.camera[t, 0])) - corner[0], round(float(where.camera[t, 1])) - corner[1]
    window = plane.window(x, y, scene.width, scene.height, t)
    zoom = float(where.zoom[t])
    if zoom == 1.0:
        return window
    half_width, half_height = scene.width / zoom / 2, scene.height / zoom / 2
    middle_x, middle_y = scene.width / 2, scene.height / 2
    part = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
    size = (scene.width, scene.height)
    return np.asarray(Image.fromarray(window).resize(size, Image.Resampling.BILINEAR, box=part))


def _draw(
    frame: NDArray[np.uint8] | None, thing_map: NDArray[np.uint8], scene: Scene, where: Trajectories, thing: int, t: int
) -> int:
    """Put one thing into one frame (or into the map alone); return the pixels of its whole silhouette."""
    zoom = float(where.zoom[t])
    side = round(float(where.side[thing, t]) * zoom)
    angle, mirror = float(where.angle[thing, t]), float(where.mirror[thing, t])
    x, y = (math.floor(value + 0.5) for value in screen_centre(scene, where, thing, t))
    looks, stage = where.looks[thing], float(where.look_stage[thing, t])
    base = math.floor(stage)
    blend = stage - base
    opacity = float(where.opacity[thing, t])
    shown = sprite(looks[base], side, angle, mirror)
    if blend == 0:
        _paint(frame, thing_map, shown, x, y, opacity, thing)
        return shown.num_pixels
    _paint(frame, None, shown, x, y, opacity * min(2 * (1 - blend), 1.0), thing)
    shown = sprite(looks[base + 1], side, angle, mirror)
    _paint(frame, thing_map, shown, x, y, opacity * min(2 * blend, 1.0), thing)
    return shown.num_pixels


def _paint(
    frame: NDArray[np.uint8] | None,
    thing_map: NDArray[np.uint8] | None,
    shown: Sprite,
    x: int,
    y: int,
    opacity: float,
    thing: int,
) -> None:
    """Blend a sprite into the frame (if any) at centre (x, y), as far as it lies inside, and mark it in the map."""
    height, width = shown.mask.shape
    left, top = x + shown.x, y + shown.y
    x1, y1 = max(left, 0), max(top, 0)
    target = thing_map if frame is None else frame
    if target is None:
        return
    x2, y2 = min(left + width, target.shape[1]), min(top + height, target.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    cut = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
    if frame is not None:
        colour, through = shown.colour[cut], shown.through[cut]
        if opacity < 1:
            strength = np.uint16(min(round(256 * opacity), 255))
            colour = colour * strength >> np.uint16(8)
            through = np.uint16(256) - ((np.uint16(256) - through) * strength >> np.uint16(8))
        patch = frame[y1:y2, x1:x2]
        patch[...] = colour + (patch * through >> np.uint16(8))
    if thing_map is not None:
        thing_map[y1:y2, x1:x2][shown.mask[cut]] = thing
