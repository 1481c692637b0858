"""Procedural backgrounds: a named, endless-looking plane of low contrast, some with a slowly moving layer.

A background depends on its name and size only. Its colours are soft and its details faint, so that every thing stays
visible on it. This module knows no things and no scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perceptlm.seeding import generator

Shade = NDArray[np.float32]  # (h, w), about -1..1

_FIXED_SEED = 7301
_CONTRAST = 17.0  # grey levels of the details' amplitude
_PERIOD = 96  # pixels after which a moving layer repeats


@dataclass(frozen=True)
class Background:
    """The still plane (h, w, 3), int16, and a layer (p, w + p, 1) that glides over it at `speed` pixels a frame."""

    plane: NDArray[np.int16]
    layer: NDArray[np.int16] | None
    speed: tuple[float, float]

    def window(self, x: int, y: int, width: int, height: int, frame: int) -> NDArray[np.uint8]:
        """Return the (height, width, 3) pixels at corner (x, y) of the plane in `frame`."""
        picture = self.plane[y : y + height, x : x + width]
        if self.layer is None:
            return picture.astype(np.uint8)
        layer_y = round(y + self.speed[1] * frame) % _PERIOD
        layer_x = round(x + self.speed[0] * frame) % _PERIOD
        return (picture + self.layer[layer_y : layer_y + height, layer_x : layer_x + width]).astype(np.uint8)


@lru_cache(maxsize=320)
def background(name: str, width: int, height: int, window_width: int, window_height: int) -> Background:
    """Return the background `name` as a plane of at least (height, width) for windows of the given size."""
    family, _, _ = name.rpartition("_")
    rng = generator(_FIXED_SEED, "background", name)
    low, high = _palette(rng)
    shade = _FAMILIES[family](rng, width, height)
    slope = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    mix = np.clip(0.5 + 0.3 * slope * rng.choice([-1.0, 1.0]) + 0.2 * shade, 0, 1)[..., None]
    plane = low * (1 - mix) + high * mix + _CONTRAST * shade[..., None]
    layer = None
    speed = (0.0, 0.0)
    if family in _MOVING:
        drift = _periodic_noise(rng) if family == "clouds" else _ripples(rng)
        across = int(np.ceil((window_width + _PERIOD) / _PERIOD)), int(np.ceil((window_height + _PERIOD) / _PERIOD))
        layer = np.round(_CONTRAST * 0.9 * np.tile(drift, (across[1], across[0])))[..., None].astype(np.int16)
        speed = (float(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.2)), float(rng.uniform(-0.3, 0.3)))
    return Background(np.round(np.clip(plane, 48, 214)).astype(np.int16), layer, speed)


def _palette(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two soft colours of near hue, neither dark nor bright."""
    base = rng.uniform(120, 178)
    tone = rng.uniform(-26, 26, size=3)
    step = rng.uniform(-16, 16, size=3)
    return (base + tone - step).astype(np.float32), (base + tone + step).astype(np.float32)


def _noise(rng: np.random.Generator, width: int, height: int, cell: int) -> Shade:
    """Return smooth noise with features of about `cell` pixels."""
    grid = rng.uniform(-1, 1, size=(height // cell + 3, width // cell + 3)).astype(np.float32)
    big = Image.fromarray(grid).resize((grid.shape[1] * cell, grid.shape[0] * cell), Image.Resampling.BICUBIC)
    return np.asarray(big, np.float32)[cell : cell + height, cell : cell + width]


def _periodic_noise(rng: np.random.Generator) -> Shade:
    grid = np.tile(rng.uniform(-1, 1, size=(4, 4)).astype(np.float32), (3, 3))
    side = _PERIOD * 3
    noise = np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC), np.float32)
    return noise[_PERIOD : 2 * _PERIOD, _PERIOD : 2 * _PERIOD]


def _grid(width: int, height: int) -> tuple[Shade, Shade]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x, y


def _ripples(rng: np.random.Generator) -> Shade:
    x, y = _grid(_PERIOD, _PERIOD)
    turn = np.float32(2 * np.pi / _PERIOD)
    rows, sway = int(rng.integers(4, 8)), int(rng.integers(1, 4))
    return np.asarray(np.sin(turn * rows * y + 1.5 * np.sin(turn * sway * x)), np.float32)


def _gradient(rng: np.random.Generator, width: int, height: int) -> Shade:
    return 1.4 * _noise(rng, width, height, 64)


def _clouds(rng: np.random.Generator, width: int, height: int) -> Shade:
    return _noise(rng, width, height, 40)


def _waves(rng: np.random.Generator, width: int, height: int) -> Shade:
    return 0.6 * _noise(rng, width, height, 48)


def _hills(rng: np.random.Generator, width: int, height: int) -> Shade:
    x, y = _grid(width, height)
    shade = np.full((height, width), 0.9, np.float32)
    for row in range(3):
        wave = 7 * np.sin(x / rng.uniform(14, 26) + rng.uniform(0, 6)) + 4 * np.sin(x / rng.uniform(7, 11))
        shade[y > height * (0.35 + 0.2 * row) + wave] -= np.float32(0.6)
    return shade


def _stripes(rng: np.random.Generator, width: int, height: int) -> Shade:
    x, y = _grid(width, height)
    angle = rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    return np.asarray(0.6 * np.sin(along / rng.uniform(2.5, 6)), np.float32)


def _tiles(rng: np.random.Generator, width: int, height: int) -> Shade:
    side = int(rng.integers(12, 24))
    grid = rng.uniform(-0.7, 0.7, size=(height // side + 1, width // side + 1)).astype(np.float32)
    return np.kron(grid, np.ones((side, side), np.float32))[:height, :width]


def _rough(rng: np.random.Generator, width: int, height: int) -> Shade:
    return 0.7 * _noise(rng, width, height, 3) + 0.4 * _noise(rng, width, height, 12)


def _bricks(rng: np.random.Generator, width: int, height: int) -> Shade:
    x, y = _grid(width, height)
    tall, wide = int(rng.integers(9, 14)), int(rng.integers(18, 28))
    row = y // tall
    joint = (y % tall < 1) | ((x + (row % 2) * (wide // 2)) % wide < 1)
    return np.asarray(np.where(joint, -1.0, 0.25) + 0.3 * _noise(rng, width, height, 6), np.float32)


def _grass(rng: np.random.Generator, width: int, height: int) -> Shade:
    fine = rng.uniform(-1, 1, size=(height // 7 + 2, width)).astype(np.float32)
    blades = np.repeat(fine, 7, axis=0)[:height]
    return 0.55 * blades + 0.3 * _noise(rng, width, height, 20)


def _circles(rng: np.random.Generator, width: int, height: int) -> Shade:
    shade = np.zeros((height, width), np.float32)
    for _ in range(max(width * height // 900, 6)):
        radius, left, top = (int(rng.integers(5, 14)), int(rng.integers(0, width)), int(rng.integers(0, height)))
        patch = shade[top : top + 2 * radius, left : left + 2 * radius]
        y, x = np.ogrid[0 : patch.shape[0], 0 : patch.shape[1]]
        patch[np.hypot(x - radius, y - radius) < radius] += np.float32(rng.uniform(-0.6, 0.6))
    return np.clip(shade, -1, 1)


def _planks(rng: np.random.Generator, width: int, height: int) -> Shade:
    x, _ = _grid(width, height)
    wide = int(rng.integers(12, 22))
    tones = rng.uniform(-0.5, 0.5, size=width // wide + 1).astype(np.float32)
    grain = np.repeat(_noise(rng, width, height // 6 + 1, 3), 6, axis=0)[:height]
    return np.asarray(np.where(x % wide < 1, -1.0, np.repeat(tones, wide)[:width]) + 0.25 * grain, np.float32)


def _rays(rng: np.random.Generator, width: int, height: int) -> Shade:
    x, y = _grid(width, height)
    angle = np.arctan2(y - rng.uniform(-0.5, 1.5) * height, x - rng.uniform(-0.2, 1.2) * width)
    return np.asarray(0.6 * np.sin(angle * int(rng.integers(8, 18))), np.float32)


_FAMILIES: dict[str, Callable[[np.random.Generator, int, int], Shade]] = {
    "gradient": _gradient, "clouds": _clouds, "waves": _waves, "hills": _hills, "stripes": _stripes, "tiles": _tiles,
    "noise": _rough, "bricks": _bricks, "grass": _grass, "circles": _circles, "planks": _planks, "rays": _rays,
}  # fmt: skip
_MOVING = ("clouds", "waves")
