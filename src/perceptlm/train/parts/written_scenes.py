"""Scenes of the world in words: for sampled frames, how much of every cell each thing covers, and the things' words.

No torch, no pixels and no questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perceptlm.media.sampling import uniform_indices
from perceptlm.schema import Split
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.direct import direct_clip, direct_image
from perceptlm.world.make_clip import media_path, record_of
from perceptlm.world.render import draw, ground_truth
from perceptlm.world.scene_words import covered_shares, mark, words_of_things
from perceptlm.world.script import Scene
from perceptlm.world.settings import WorldSettings
from perceptlm.world.simulate import Trajectories, simulate


@dataclass(frozen=True)
class WrittenScene:
    """Sampled frames of a scene in words: `shares` (F, things, cells) of every cell that things cover, the things'
    `words` (F, things, words), and what shows where, `thing_map` (F, H, W); `frames` are their numbers."""

    scene: Scene
    shares: NDArray[np.float32]
    words: NDArray[np.float32]
    thing_map: NDArray[np.uint8]
    frames: tuple[int, ...]

    def cells(self, marked: int | None) -> NDArray[np.float32]:
        """Return the weights of all words in every cell, (F, cells, words), thing `marked` in a red rectangle."""
        words = self.words if marked is None else mark(self.words, self.thing_map, marked)
        return np.asarray(np.einsum("ftc,ftw->fcw", self.shares, words))


def write_scenes(
    world: WorldSettings,
    counts: Mapping[Literal["image", "video"], int],
    num_frames: int,
    grid: int,
    split: Split,
    seed: int,
) -> Iterator[tuple[WrittenScene, ClipRecord]]:
    """Yield so many fresh scenes of each kind, in `grid` * `grid` cells, with what is known about all their frames."""
    for kind, count in counts.items():
        for index in range(count):
            direct = direct_clip if kind == "video" else direct_image
            scene = direct(world, split, index, seed)
            where = simulate(scene)
            drawn = draw(scene, where, range(scene.num_frames), with_pixels=False)
            record = record_of(scene, ground_truth(scene, where, drawn), media_path(split, kind, index), kind)
            frames = uniform_indices(scene.num_frames, num_frames) if kind == "video" else [0]
            yield _written(scene, where, drawn.thing_map[list(frames)], frames, grid), record


def write_clip(world: WorldSettings, num_frames: int, grid: int, split: Split, index: int, seed: int) -> WrittenScene:
    """Return one fresh clip; only the frames that are shown are drawn, so nothing else of it is known."""
    scene = direct_clip(world, split, index, seed)
    where, frames = simulate(scene), uniform_indices(scene.num_frames, num_frames)
    drawn = draw(scene, where, frames, with_pixels=False)
    return _written(scene, where, drawn.thing_map, frames, grid)


def _written(
    scene: Scene, where: Trajectories, thing_map: NDArray[np.uint8], frames: Sequence[int], grid: int
) -> WrittenScene:
    shares = covered_shares(thing_map, len(scene.things), grid)
    return WrittenScene(scene, shares, words_of_things(scene, where, frames), thing_map, tuple(frames))
