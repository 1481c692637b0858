"""Tile grids against the reference's vectors, and the tiles themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.clients.protocol import MediaInput
from perceptlm.preprocess.tiling import tile_grid, tiles_of

# (width, height) -> (columns, rows) for 4, 16 and 36 tiles: facts/reference-implementation.md 2.2
VECTORS = {
    (300, 300): ((2, 2), (4, 4), (6, 6)),
    (448, 448): ((2, 2), (4, 4), (6, 6)),
    (640, 480): ((2, 2), (4, 3), (7, 5)),
    (480, 640): ((2, 2), (3, 4), (5, 7)),
    (640, 427): ((2, 2), (5, 3), (7, 5)),
    (800, 300): ((3, 1), (6, 2), (9, 4)),
    (300, 800): ((1, 3), (2, 6), (4, 9)),
    (1280, 427): ((3, 1), (6, 2), (9, 4)),
    (1920, 1080): ((2, 2), (5, 3), (8, 4)),
    (1080, 1920): ((2, 2), (3, 5), (4, 8)),
    (2000, 500): ((4, 1), (8, 2), (12, 3)),
    (500, 2000): ((1, 3), (2, 8), (3, 12)),
    (4000, 3000): ((2, 2), (4, 3), (4, 3)),
    (3000, 3000): ((2, 2), (4, 4), (6, 6)),
    (100, 50): ((2, 1), (5, 3), (8, 4)),
}


@pytest.mark.parametrize(("size", "grids"), VECTORS.items())
def test_grids_match_the_reference(size: tuple[int, int], grids: tuple[tuple[int, int], ...]) -> None:
    assert tuple(tile_grid(*size, max_tiles) for max_tiles in (4, 16, 36)) == grids


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 12))
def test_every_picture_has_a_grid_within_the_limit(width: int, height: int, max_tiles: int) -> None:
    columns, rows = tile_grid(width, height, max_tiles)
    assert 1 <= columns * rows <= max_tiles


def quarters() -> np.ndarray:
    """An 8x8 picture whose quarters have red levels 10, 20 / 30, 40."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[..., 0] = np.kron(np.array([[10, 20], [30, 40]]), np.ones((4, 4)))
    return picture


def show(media: list[MediaInput], **settings: object) -> np.ndarray:
    return tiles_of(media, **({"tile_size": 4, "max_tiles": 4, "vision_input": "thumb+tile"} | settings))  # type: ignore[arg-type]


def test_a_single_image_is_a_thumbnail_then_tiles_row_by_row() -> None:
    tiles = show([MediaInput("image", (quarters(),))])
    assert tiles.shape == (5, 3, 4, 4)
    assert tiles.dtype == np.uint8
    thumbnail = tiles[0, 0]
    assert thumbnail[0, 0] < thumbnail[0, 3] < thumbnail[3, 0] < thumbnail[3, 3]
    assert [set(tile[0].ravel().tolist()) for tile in tiles[1:]] == [{10}, {20}, {30}, {40}]
    assert not tiles[:, 1:].any()


def test_vanilla_frames_and_several_images_are_one_tile_each() -> None:
    picture = quarters()
    assert show([MediaInput("image", (picture,))], vision_input="vanilla").shape[0] == 1
    assert show([MediaInput("image", (picture,))] * 2).shape[0] == 2
    assert show([MediaInput("video", (picture, picture, picture))]).shape[0] == 3
    assert show([]).shape == (0, 3, 4, 4)
