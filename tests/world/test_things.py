from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from perceptlm.world.backgrounds import background
from perceptlm.world.things import DRAWN_KINDS, Look, Sprite, contact_distance, sprite
from perceptlm.world.vocabulary import BACKGROUND_FAMILIES, COLOURS, KINDS, LABELLED_KINDS, PATTERNS, SIZES


def on_grey(shown: Sprite, side: int = 48) -> np.ndarray:
    picture = np.full((side, side, 3), 128, np.uint16)
    height, width = shown.mask.shape
    patch = picture[side // 2 + shown.y :, side // 2 + shown.x :][:height, :width]
    patch[...] = shown.colour + (patch * shown.through >> 8)
    return picture.astype(np.int16)


def first_look(kind: str, colour: str = "blue", pattern: str = "plain") -> Look:
    return Look(kind, colour, pattern, (KINDS[kind] or ("",))[0])


def difference(first: Sprite, second: Sprite) -> float:
    return float(np.abs(on_grey(first) - on_grey(second)).mean())


def test_every_kind_is_drawn_and_no_other() -> None:
    assert frozenset(KINDS) == DRAWN_KINDS


@pytest.mark.parametrize("size", SIZES)
def test_things_have_their_size_and_fill_some_of_it(size: str) -> None:
    for kind in KINDS:
        shown = sprite(first_look(kind), SIZES[size])
        longest = max(shown.mask.shape)
        assert SIZES[size] * 0.55 <= longest <= SIZES[size], kind
        assert shown.num_pixels == shown.mask.sum() > 0.15 * SIZES[size] ** 2, kind


def test_kinds_differ_from_each_other_even_in_one_colour_and_size() -> None:
    shown = {kind: sprite(first_look(kind), 27) for kind in KINDS}
    for one, other in combinations(KINDS, 2):
        assert difference(shown[one], shown[other]) > 5, (one, other)


def test_states_colours_and_patterns_show() -> None:
    for kind, states in KINDS.items():
        for state, other in combinations(states, 2):
            one, two = (sprite(Look(kind, "red", "plain", s), 27) for s in (state, other))
            assert difference(one, two) > 2, kind
    for colour, other in combinations(COLOURS, 2):
        assert difference(sprite(first_look("heart", colour), 27), sprite(first_look("heart", other), 27)) > 3
    for pattern, other in combinations(PATTERNS, 2):
        one, two = (sprite(first_look("heart", "blue", p), 27) for p in (pattern, other))
        assert difference(one, two) > 3, (pattern, other)


def test_spinning_shows_on_every_kind() -> None:
    for kind in KINDS:
        assert difference(sprite(first_look(kind), 36), sprite(first_look(kind), 36, 90)) > 2, kind


def test_a_word_shows_and_words_differ() -> None:
    for kind in LABELLED_KINDS:
        state = (KINDS[kind] or ("",))[0]
        bare, go, exit_ = (sprite(Look(kind, "red", "plain", state, word), 36) for word in (None, "GO", "EXIT"))
        assert difference(bare, go) > 3
        assert difference(go, exit_) > 2


def test_mirrored_sprites_point_the_other_way() -> None:
    arrow = sprite(first_look("arrow"), 27)
    mirrored = sprite(first_look("arrow"), 27, mirror=-1)
    assert np.mean(arrow.mask[:, ::-1] == mirrored.mask) > 0.95
    assert max(sprite(first_look("arrow"), 27, mirror=0.25).mask.shape[1], 1) < arrow.mask.shape[1] / 2


def test_contact_distance_just_touches() -> None:
    star, moon = sprite(first_look("star"), 36), sprite(first_look("moon"), 27)
    for direction, (dx, dy) in {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}.items():
        gap = contact_distance(star, moon, direction)
        grids = []
        for shown, x, y in ((star, 0, 0), (moon, dx * gap, dy * gap)):
            grid = np.zeros((160, 160), bool)
            height, width = shown.mask.shape
            top, left = 80 + y + shown.y, 80 + x + shown.x
            grid[top : top + height, left : left + width] = shown.mask
            grids.append(grid)
        assert not (grids[0] & grids[1]).any(), direction
        assert (np.roll(grids[0], (dy, dx), (0, 1)) & grids[1]).any(), direction


def test_backgrounds_are_soft_varied_and_repeatable() -> None:
    for family in BACKGROUND_FAMILIES:
        first, second = (background(f"{family}_{n:02d}", 112, 112, 96, 96) for n in (0, 1))
        window = first.window(3, 4, 96, 96, 5)
        assert window.shape == (96, 96, 3)
        assert window.std(axis=(0, 1)).max() < 45, family
        assert np.abs(window.astype(int) - second.window(3, 4, 96, 96, 5)).mean() > 2, family
        background.cache_clear()
        assert np.array_equal(background(f"{family}_00", 112, 112, 96, 96).window(3, 4, 96, 96, 5), window)


def test_clouds_drift_and_hills_stay() -> None:
    clouds, hills = background("clouds_01", 112, 112, 96, 96), background("hills_01", 112, 112, 96, 96)
    assert not np.array_equal(clouds.window(0, 0, 96, 96, 0), clouds.window(0, 0, 96, 96, 20))
    assert np.array_equal(hills.window(0, 0, 96, 96, 0), hills.window(0, 0, 96, 96, 20))
