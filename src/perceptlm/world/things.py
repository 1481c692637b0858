"""Sprites: a thing in its colour, pattern, size and state, ready to be put into a frame, and where its pixels are.

A kind is drawn once (`things_canvas`), coloured once, and then only resized and turned; every step is cached, and a
sprite depends on its arguments alone. This module knows no frames, no scripts and no backgrounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from perceptlm.world import things_animals, things_buildings, things_objects
from perceptlm.world.script import Direction
from perceptlm.world.things_canvas import ROLES, Canvas
from perceptlm.world.vocabulary import COLOURS

_MASTER = 72  # longest side of a drawn kind, pixels; outline included
_OUTLINE = 2
_DARK, _LIGHT, _GREY, _GLOW = (30, 30, 36), (250, 250, 250), (136, 140, 146), (255, 206, 60)
_OPAQUE = 128  # alpha from which a pixel belongs to the thing
ANGLE_STEP = 5.0
"""Degrees; sprites are turned in these steps so that they can be cached."""
MIRROR_STEPS = 8


@dataclass(frozen=True)
class Look:
    """What a thing looks like, apart from how large and how turned it is. `state` is '' for kinds without states."""

    kind: str
    colour: str
    pattern: str
    state: str = ""
    label: str | None = None


@dataclass(frozen=True)
class Sprite:
    """Pixels of one thing, cut tight around it. (x, y) is the corner's place relative to the thing's centre."""

    x: int
    y: int
    colour: NDArray[np.uint16]
    """(h, w, 3), multiplied by alpha, 0..255."""
    through: NDArray[np.uint16]
    """(h, w, 1), how much of what lies behind shows, 0..256."""
    mask: NDArray[np.bool_]
    """(h, w), True where the thing is."""
    num_pixels: int


def sprite(look: Look, side: int, angle: float = 0.0, mirror: float = 1.0) -> Sprite:
    """Return the sprite with longest side `side` pixels (before turning), turned clockwise by `angle` degrees.

    `mirror` scales the width before turning: 1 as drawn, -1 mirrored, between them narrowed.
    """
    turns = round(angle / ANGLE_STEP) % round(360 / ANGLE_STEP)
    return _sprite(look, max(side, 4), turns, round(mirror * MIRROR_STEPS) or 1)


@lru_cache(maxsize=4096)
def _sprite(look: Look, side: int, turns: int, mirror: int) -> Sprite:
    image = _coloured(look)
    if mirror < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    width = max(round(side * abs(mirror) / MIRROR_STEPS), 3)
    if turns:
        if abs(mirror) != MIRROR_STEPS:
            image = image.resize((max(round(_MASTER * abs(mirror) / MIRROR_STEPS), 4), _MASTER), _BILINEAR)
        full = image.width
        image = image.rotate(-turns * ANGLE_STEP, _BILINEAR, expand=True)
        scale = width / full
        image = image.resize((round(image.width * scale), round(image.height * side / _MASTER)), _BILINEAR)
    else:
        image = image.resize((width, side), _BILINEAR)
    return _cut(np.asarray(image))


_BILINEAR = Image.Resampling.BILINEAR


def _cut(pixels: NDArray[np.uint8]) -> Sprite:
    alpha = pixels[..., 3]
    shown = alpha >= _OPAQUE
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    height, width = alpha.shape
    alpha16 = alpha[top:bottom, left:right, None].astype(np.uint16)
    colour = pixels[top:bottom, left:right, :3].astype(np.uint16) * alpha16 // 255
    mask = shown[top:bottom, left:right]
    through = 256 - (alpha16 * 256 + 127) // 255
    return Sprite(int(left) - width // 2, int(top) - height // 2, colour, through, mask, int(mask.sum()))


@lru_cache(maxsize=1024)
def _coloured(look: Look) -> Image.Image:
    """Return the kind at master size, (72, 72) RGBA, in colour, with its dark outline."""
    coverage = _coverage(look.kind, look.state, look.label)
    colour = np.array(COLOURS[look.colour], np.float32)
    bright = bool(colour.max() > 90)
    shade = colour * 0.62 if bright else colour + (255 - colour) * 0.35
    tint = colour + (255 - colour) * 0.5 if colour.min() < 200 else colour * 0.8
    paints = {"shade": shade, "tint": tint, "dark": _DARK, "light": _LIGHT, "grey": _GREY, "glow": _GLOW}
    second = contrast(look.colour)
    share = _pattern(look.pattern)[..., None]
    body = colour * (1 - share) + np.array(second, np.float32) * share
    total = coverage[ROLES.index("body")][..., None] * body
    for role, paint in paints.items():
        total = total + coverage[ROLES.index(role)][..., None] * np.array(paint, np.float32)
    filled = coverage[1:].sum(axis=0)
    silhouette = Image.fromarray(np.round(filled * 255).astype(np.uint8))
    outlined = np.asarray(silhouette.filter(ImageFilter.MaxFilter(2 * _OUTLINE + 1)), np.float32) / 255
    alpha = np.maximum(filled, outlined)
    total = total + (alpha - filled)[..., None] * np.array(_DARK, np.float32)
    rgb = total / np.maximum(alpha, 1e-6)[..., None]
    rgba = np.concatenate([rgb, alpha[..., None] * 255], axis=2)
    return Image.fromarray(np.clip(np.round(rgba), 0, 255).astype(np.uint8), "RGBA")


def contrast(colour: str) -> tuple[int, int, int]:
    """Return the second colour of a pattern: paler or darker, but black stays dark and white stays light."""
    red, green, blue = COLOURS[colour]
    share = {"black": 0.4, "white": -0.36, "yellow": -0.5}.get(colour, 0.8)
    if share < 0:
        return (round(red * (1 + share)), round(green * (1 + share)), round(blue * (1 + share)))
    return (round(red + (255 - red) * share), round(green + (255 - green) * share), round(blue + (255 - blue) * share))


@lru_cache(maxsize=8)
def _pattern(name: str) -> NDArray[np.float32]:
    """Return the share (72, 72) of the second colour."""
    side = _MASTER
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    if name == "striped":
        share = ((x + y) % 20 < 8).astype(np.float32)
    elif name == "dotted":
        row = np.floor(y / 15)
        share = (np.hypot((x + 7.5 * (row % 2)) % 15 - 7.5, y % 15 - 7.5) < 4.4).astype(np.float32)
    elif name == "checked":
        share = ((x // 12 + y // 12) % 2).astype(np.float32)
    else:
        share = np.zeros((side, side), np.float32)
    return np.asarray(share, np.float32)


@lru_cache(maxsize=256)
def _coverage(kind: str, state: str, label: str | None) -> NDArray[np.float32]:
    """Return coverage (roles, 72, 72) in 0..1; all states of a kind share one place and scale."""
    roles = _draw(kind, state, label)
    left, top, side = _square(kind)
    inner = _MASTER - 2 * _OUTLINE - 2
    result = np.zeros((len(ROLES), _MASTER, _MASTER), np.float32)
    margin = (_MASTER - inner) // 2
    for number in range(1, len(ROLES)):
        if not (roles == number).any():
            continue
        layer = Image.fromarray(((roles == number) * 255).astype(np.uint8))
        layer = layer.resize((inner, inner), Image.Resampling.BOX, box=(left, top, left + side, top + side))
        result[number, margin : margin + inner, margin : margin + inner] = np.asarray(layer, np.float32) / 255
    return result


@lru_cache(maxsize=256)
def _square(kind: str) -> tuple[float, float, float]:
    """Return (left, top, side) of the smallest square around every state of a kind, in canvas pixels."""
    from perceptlm.world.vocabulary import KINDS

    drawn = np.any([_draw(kind, state, None) > 0 for state in KINDS[kind] or ("",)], axis=0)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    side = float(max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1)
    centre_x, centre_y = (columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2
    return (float(centre_x - side / 2), float(centre_y - side / 2), side)


def _draw(kind: str, state: str, label: str | None) -> NDArray[np.uint8]:
    canvas = Canvas()
    if kind in things_objects.LABELLED_DRAWINGS:
        things_objects.LABELLED_DRAWINGS[kind](canvas, state, label)
    else:
        _DRAWINGS[kind](canvas, state)
    return canvas.roles()


_DRAWINGS = {**things_animals.DRAWINGS, **things_buildings.DRAWINGS, **things_objects.DRAWINGS}
DRAWN_KINDS: frozenset[str] = frozenset(_DRAWINGS) | frozenset(things_objects.LABELLED_DRAWINGS)
"""Every kind there is a drawing of."""


def contact_distance(moving: Sprite, target: Sprite, direction: Direction) -> int:
    """Return how far apart two centres are when `moving`, coming from opposite `direction`, just touches `target`.

    Both centres share the other coordinate. 0 if their silhouettes never meet (they pass each other).
    """
    first, second = _aligned(moving, direction), _aligned(target, direction)
    low, high = max(first[0], second[0]), min(first[1], second[1])
    best = 0
    for line in range(low, high):
        ahead = first[2][line - first[0]]
        behind = second[3][line - second[0]]
        if ahead is not None and behind is not None:
            best = max(best, ahead - behind)
    return best


def _aligned(sprite: Sprite, direction: Direction) -> tuple[int, int, list[int | None], list[int | None]]:
    """Return per line across `direction`: first line, end line, the farthest edge ahead, the nearest edge behind."""
    mask, across, along = (sprite.mask, sprite.y, sprite.x)
    if direction in ("up", "down"):
        mask, across, along = (mask.T, sprite.x, sprite.y)
    ahead: list[int | None] = []
    behind: list[int | None] = []
    for row in mask:
        places = np.flatnonzero(row)
        if direction in ("right", "down"):
            ahead.append(along + int(places[-1]) + 1 if len(places) else None)
            behind.append(along + int(places[0]) if len(places) else None)
        else:
            ahead.append(-(along + int(places[0])) if len(places) else None)
            behind.append(-(along + int(places[-1]) + 1) if len(places) else None)
    return across, across + len(mask), ahead, behind
