"""Pictures of any size -> square uint8 tiles of the size the vision encoder takes.

A video frame, or one of several images, is squashed to one tile. A single image is shown as a thumbnail followed by
a grid of tiles (`thumb+tile`), or squashed (`vanilla`). Sources: facts/reference-implementation.md 2.1 to 2.4. Knows
no tokens and no models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perceptlm.clients.protocol import MediaInput, Picture
from perceptlm.preprocess.configuration import ResizeBackend, VisionInput
from perceptlm.schema import MediaRef

Grid = tuple[int, int]
"""(columns, rows)"""
Resize = Callable[[Picture, int, int], Picture]
"""Picture, width, height -> the picture of that size, its aspect ratio not kept."""


def tile_grid(width: int, height: int, max_tiles: int, tile_size: int = 448) -> Grid:
    """Return the (columns, rows) of at most `max_tiles` tiles that suit a picture of width x height pixels.

    Among the grids whose canvas holds the picture, the one on which it can be drawn largest; if none does, the
    largest grid of the nearest aspect ratio (facts/reference-implementation.md 2.2, steps 2 to 4, quirks included).
    """
    by_ratio = _grids_by_ratio(max_tiles)
    best, best_size = None, -math.inf
    for grids in by_ratio.values():
        for columns, rows in grids:
            canvas = (columns * tile_size, rows * tile_size)
            if canvas[0] >= width and canvas[1] >= height:
                size = _fitted_short_side(width, height, *canvas)
                if size >= best_size:
                    best, best_size = (columns, rows), size
    if best is not None:
        return best
    aspect = width / height
    if aspect >= 1:
        return max(by_ratio[max(ratio for ratio in by_ratio if ratio <= aspect)], key=lambda grid: grid[0])
    # Strictly greater: an exact tall match is passed over, unlike an exact wide one. So does the reference.
    taller = [ratio for ratio in by_ratio if ratio > aspect]
    return max(by_ratio[min(taller, key=lambda ratio: abs(1 / ratio - 1 / aspect))], key=lambda grid: grid[1])


@cache
def _grids_by_ratio(max_tiles: int) -> dict[float, list[Grid]]:
    """Return every grid of at most `max_tiles` tiles by its columns / rows, larger grids first."""
    grids: dict[float, list[Grid]] = {}
    for num_tiles in range(max_tiles, 0, -1):
        for columns in range(1, num_tiles + 1):
            if num_tiles % columns == 0:
                rows = num_tiles // columns
                grids.setdefault(columns / rows, []).append((columns, rows))
    return grids


def _fitted_short_side(width: int, height: int, canvas_width: int, canvas_height: int) -> float:
    """Return the short side of the picture scaled to fit the canvas; the long one's quotient is rounded down."""
    aspect = width / height
    factor = min(canvas_width / width, canvas_height / height)
    if aspect > 1:
        return math.floor(factor * width / aspect)
    if aspect < 1:
        return math.floor(factor * height * aspect)
    return factor * height


def tiles_of(
    media: Sequence[MediaInput],
    *,
    tile_size: int,
    max_tiles: int,
    vision_input: VisionInput,
    resize_backend: ResizeBackend = "pil",
) -> NDArray[np.uint8]:
    """Return all tiles of `media` in order, (N, 3, tile_size, tile_size) uint8 RGB.

    Only an image that comes alone is tiled: its thumbnail first, then its tiles row by row (none if `max_tiles` is 0).
    Frames, and images of several, are squashed to one tile each.
    """
    resize = _RESIZE[resize_backend]
    tiled = len(media) == 1 and media[0].kind == "image" and vision_input == "thumb+tile" and max_tiles > 0
    tiles = []
    for item in media:
        for picture in item.pictures:
            tiles.append(resize(picture, tile_size, tile_size))
            if tiled:
                tiles += _grid_tiles(picture, tile_size, max_tiles, resize)
    if not tiles:
        return np.zeros((0, 3, tile_size, tile_size), np.uint8)
    return np.ascontiguousarray(np.stack(tiles).transpose(0, 3, 1, 2))


def num_tiles_of(
    media: Sequence[MediaRef], *, num_frames: int, tile_size: int, max_tiles: int, vision_input: VisionInput
) -> int:
    """Return how many tiles `tiles_of` makes of recorded media, a video being shown by `num_frames` frames."""
    if len(media) == 1 and media[0].kind == "image" and vision_input == "thumb+tile" and max_tiles > 0:
        columns, rows = tile_grid(media[0].width, media[0].height, max_tiles, tile_size)
        return 1 + columns * rows
    return sum(num_frames if item.kind == "video" else 1 for item in media)


def _grid_tiles(picture: Picture, tile_size: int, max_tiles: int, resize: Resize) -> list[Picture]:
    columns, rows = tile_grid(picture.shape[1], picture.shape[0], max_tiles, tile_size)
    # The canvas is filled whole: the aspect ratio is stretched, nothing is padded.
    canvas = resize(picture, columns * tile_size, rows * tile_size)
    return [
        canvas[row * tile_size : (row + 1) * tile_size, column * tile_size : (column + 1) * tile_size]
        for row in range(rows)
        for column in range(columns)
    ]


def _resize_with_pillow(picture: Picture, width: int, height: int) -> Picture:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _resize_as_tensor(picture: Picture, width: int, height: int) -> Picture:
    import torch

    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


_RESIZE: Mapping[ResizeBackend, Resize] = {"pil": _resize_with_pillow, "tensor": _resize_as_tensor}
