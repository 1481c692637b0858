"""Batches for encoder and projector: fresh pictures of training scenes and what is written in every patch of them.

A batch is a pure function of recipe, seed and step. It shows training scenes only: no held-out pair, no background of
another split. No torch: a worker process makes batches while the model computes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perceptlm.media.overlay import draw_track, scaled_box_width
from perceptlm.schema import Box, Split
from perceptlm.seeding import generator
from perceptlm.train.parts.configuration import PictureRecipe
from perceptlm.world.direct import MAX_THINGS, direct_clip, direct_image
from perceptlm.world.ground_truth import MIN_BOX_PIXELS
from perceptlm.world.render import draw
from perceptlm.world.scene_words import GROUPS, SLICES, covered_shares, mark, words_of_things
from perceptlm.world.script import Scene
from perceptlm.world.simulate import simulate

MIN_TOLD_SHARE = 0.01
"""A thing that covers less than this of the picture's patches is not named in its description."""


@dataclass(frozen=True)
class PictureBatch:
    """Pictures (N, H, W, 3) uint8; how much of each patch each thing covers, `shares` (N, things, P); the words of the
    things, `words` (N, things, words); a description of each picture."""

    pictures: NDArray[np.uint8]
    shares: NDArray[np.float32]
    words: NDArray[np.float32]
    texts: tuple[str, ...]


def picture_chunk(recipe: PictureRecipe, grid: int, split: Split, seed: int, chunk: int) -> tuple[PictureBatch, ...]:
    """Return the batches of one chunk; `grid` is the number of patches along a side of a picture."""
    first = chunk * recipe.batches_per_chunk
    return tuple(_batch(recipe, grid, split, seed, first + number) for number in range(recipe.batches_per_chunk))


def _batch(recipe: PictureRecipe, grid: int, split: Split, seed: int, step: int) -> PictureBatch:
    """Return `num_scenes` scenes with `num_frames` pictures of each; stills are that many different ones."""
    parts = []
    rng = generator(seed, "pictures", split, step)
    for number in range(recipe.num_scenes):
        index = step * recipe.num_scenes + number
        if rng.random() < recipe.image_share:
            for image in range(index * recipe.num_frames, (index + 1) * recipe.num_frames):
                parts.append(_pictures_of(direct_image(recipe.world, split, image, seed), recipe, 1, grid, rng))
        else:
            scene = direct_clip(recipe.world, split, index, seed)
            parts.append(_pictures_of(scene, recipe, recipe.num_frames, grid, rng))
    return PictureBatch(
        np.concatenate([part.pictures for part in parts]),
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.words for part in parts]),
        tuple(text for part in parts for text in part.texts),
    )


def _pictures_of(
    scene: Scene, recipe: PictureRecipe, num_frames: int, grid: int, rng: np.random.Generator
) -> PictureBatch:
    where = simulate(scene)
    frames = [int(t) for t in rng.integers(0, scene.num_frames, num_frames)]
    drawn = draw(scene, where, frames)
    assert drawn.frames is not None
    num_things = len(scene.things)
    marked = int(rng.integers(num_things)) if rng.random() < recipe.marked_share else None
    words = words_of_things(scene, where, frames)
    pictures = drawn.frames
    if marked is not None:
        words = mark(words, drawn.thing_map, marked)
        pictures = _marked(pictures, drawn.thing_map == marked)
    shares = np.zeros((num_frames, MAX_THINGS, grid * grid), np.float32)
    shares[:, :num_things] = covered_shares(drawn.thing_map, num_things, grid)
    padded = np.zeros((num_frames, MAX_THINGS, words.shape[2]), np.float32)
    padded[:, :num_things] = words
    texts = tuple(_description(scene, row, shown) for row, shown in zip(padded, shares, strict=True))
    return PictureBatch(_jittered(pictures, rng), shares, padded, texts)


def _marked(pictures: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw the red rectangle around the visible pixels `mask` (F, H, W), where there are enough."""
    boxes: dict[int, Box] = {}
    for number, shown in enumerate(mask):
        if shown.sum() >= MIN_BOX_PIXELS:
            rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
            boxes[number] = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    if not boxes:
        return pictures
    return draw_track(pictures, range(len(pictures)), boxes, width=scaled_box_width(pictures.shape[1]))


def _jittered(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the pictures a little brighter or darker and with a little noise, as a video file has."""
    gain = rng.uniform(0.92, 1.08, (len(pictures), 1, 1, 1)).astype(np.float32)
    noise = rng.standard_normal(pictures.shape, np.float32) * rng.uniform(0, 4)
    return np.clip(pictures * gain + noise, 0, 255).astype(np.uint8)


def _description(scene: Scene, words: NDArray[np.float32], shares: NDArray[np.float32]) -> str:
    """Return the things that show as a list of noun phrases, largest first, their colours as they are now."""
    colours = words[:, SLICES["colour"]].argmax(axis=1)
    cover = shares.mean(axis=1)
    told = [thing for thing in scene.things if cover[thing.id] >= MIN_TOLD_SHARE]
    told.sort(key=lambda thing: (-float(cover[thing.id]), thing.id))
    names = [f"{thing.pattern} {GROUPS['colour'][colours[thing.id]]} {thing.kind}" for thing in told]
    return ", ".join(names) if names else "nothing"
