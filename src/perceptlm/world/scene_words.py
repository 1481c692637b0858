"""A picture of the world written out in words: for every patch of a grid, how much of which word is true there.

The words are what a thing is, its colour, pattern, state, writing, how large, how turned and how faint it is, where
its centre lies, and whether it is marked by a red rectangle. A thing's words count in a patch as much as the thing
covers of it. The vision encoder learns to read these weights off pixels, and the decoder learns what happens in
videos from them before it has seen a pixel (docs/decisions/0006). It knows no pixels' colours and no questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perceptlm.world.ground_truth import MIN_BOX_PIXELS
from perceptlm.world.render import screen_centre
from perceptlm.world.script import Scene
from perceptlm.world.simulate import Trajectories
from perceptlm.world.tracks import unit_of
from perceptlm.world.vocabulary import COLOURS, KINDS, LABELS, PATTERNS

Floats = NDArray[np.float32]

STATES: tuple[str, ...] = tuple(dict.fromkeys(state for states in KINDS.values() for state in states))
NUM_TURNS = 8
"""Words for how far a thing is turned, an eighth of a turn apart."""
SIDES = (10.0, 14.0, 18.0, 23.0, 29.0, 37.0, 48.0)
"""Longest sides in pixels (of 96) that have a word."""
NUM_PLACES = 13
"""Words for where a thing's centre is, along each axis, from border to border."""

GROUPS: dict[str, tuple[str, ...]] = {
    "kind": tuple(KINDS),
    "colour": tuple(COLOURS),
    "pattern": PATTERNS,
    "state": STATES,
    "label": LABELS,
    "turn": tuple(f"turned {number}/{NUM_TURNS}" for number in range(NUM_TURNS)),
    "side": tuple(f"side {side:g}" for side in SIDES),
    "across": tuple(f"across {number}/{NUM_PLACES - 1}" for number in range(NUM_PLACES)),
    "down": tuple(f"down {number}/{NUM_PLACES - 1}" for number in range(NUM_PLACES)),
    "mirrored": ("mirrored",),
    "faint": ("faint",),
    "marked": ("marked",),
    "something": ("something",),
}
"""Words by what they tell. A thing has weights that sum to 1 in the first groups (or 0 where it has no such thing as
a state or a label); the last four are single words with a weight of 0 to 1."""
WORDS: tuple[str, ...] = tuple(word for words in GROUPS.values() for word in words)
SLICES: dict[str, slice] = {}
for _name, _words in GROUPS.items():
    _start = sum(len(GROUPS[earlier]) for earlier in SLICES)
    SLICES[_name] = slice(_start, _start + len(_words))
_NUMBER = {(name, word): SLICES[name].start + k for name, words in GROUPS.items() for k, word in enumerate(words)}


def words_of_things(scene: Scene, where: Trajectories, frames: Sequence[int]) -> Floats:
    """Return the weights of all words for every thing, (F, things, words), no thing being marked."""
    weights = np.zeros((len(frames), len(scene.things), len(WORDS)), np.float32)
    unit = unit_of(scene)
    for thing in scene.things:
        for row, t in zip(weights[:, thing.id], frames, strict=True):
            stage = float(where.look_stage[thing.id, t])
            base = math.floor(stage)
            for look, share in ((base, 1 - stage + base), (base + 1, stage - base)):
                if share > 0:
                    _add_look(row, where.looks[thing.id][look], share)
            angle = float(where.angle[thing.id, t]) % 360 / 360 * NUM_TURNS
            _spread(row[SLICES["turn"]], angle, cyclic=True)
            side = float(where.side[thing.id, t]) * float(where.zoom[t]) / unit
            _spread(row[SLICES["side"]], float(np.interp(side, SIDES, range(len(SIDES)))))
            x, y = screen_centre(scene, where, thing.id, t)
            _spread(row[SLICES["across"]], x / scene.width * (NUM_PLACES - 1))
            _spread(row[SLICES["down"]], y / scene.height * (NUM_PLACES - 1))
            row[SLICES["mirrored"]] = (1 - float(where.mirror[thing.id, t])) / 2
            row[SLICES["faint"]] = 1 - float(where.opacity[thing.id, t])
            row[SLICES["something"]] = 1
    return weights


def mark(words: Floats, thing_map: NDArray[np.uint8], thing: int) -> Floats:
    """Return `words` (F, things, words) with `thing` in a red rectangle in every frame that shows enough of it."""
    shown = (thing_map == thing).sum(axis=(1, 2)) >= MIN_BOX_PIXELS
    marked = words.copy()
    marked[:, thing, SLICES["marked"]] = shown[:, None]
    return marked


def covered_shares(thing_map: NDArray[np.uint8], num_things: int, grid: int) -> Floats:
    """Return how much of every patch each thing covers, (F, things, grid * grid), patches in row-major order."""
    num_frames, height, width = thing_map.shape
    blocks = thing_map.reshape(num_frames, grid, height // grid, grid, width // grid)
    shares = [(blocks == thing).mean(axis=(2, 4), dtype=np.float32) for thing in range(num_things)]
    return np.stack(shares, axis=1).reshape(num_frames, num_things, grid * grid)


def _add_look(row: Floats, look: object, share: float) -> None:
    for name in ("kind", "colour", "pattern", "state", "label"):
        word = getattr(look, name)
        if word:
            row[_NUMBER[name, word]] += share


def _spread(row: Floats, place: float, *, cyclic: bool = False) -> None:
    """Add 1 to `row` at `place`, divided between the two words it lies between."""
    place = place if cyclic else min(max(place, 0.0), len(row) - 1.0)
    low = math.floor(place)
    row[low % len(row)] += 1 - (place - low)
    row[(low + 1) % len(row)] += place - low
