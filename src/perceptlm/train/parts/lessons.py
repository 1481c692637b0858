"""Lessons for the decoder: questions and captions about fresh training scenes that are written out in words.

A chunk of lessons is a pure function of recipe, tokenizer, seed and number. Its scenes are of the training split: no
held-out pair. What the encoder would see of every frame is given as weights of words (`world.scene_words`) for every
vision token. No torch, no pixels: a worker process makes chunks while the model computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perceptlm.batch import Example
from perceptlm.data.sample_set import SampleSet
from perceptlm.media.sampling import uniform_indices
from perceptlm.preprocess.configuration import Template
from perceptlm.preprocess.conversation import (
    picture_ids,
    prefix_ids,
    resolved_turns,
    system_text,
    texts_shown,
    training_branch,
)
from perceptlm.preprocess.processor import assemble
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.schema import Sample, Split
from perceptlm.seeding import derive_seed, generator
from perceptlm.train.parts.configuration import DecoderRecipe
from perceptlm.train.parts.doings import doings
from perceptlm.train.parts.drills import drills
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.direct import direct_clip, direct_image
from perceptlm.world.make_clip import media_path, record_of
from perceptlm.world.render import draw, ground_truth
from perceptlm.world.samples import samples_of_split
from perceptlm.world.scene_words import covered_shares, mark, words_of_things
from perceptlm.world.simulate import simulate

_OWN_MISREADING = 1 / 2
"""How much readings of single cells vary, relative to what varies in all cells of a scene alike."""


@dataclass(frozen=True)
class WrittenScene:
    """Sampled frames of a scene in words: `shares` (F, things, cells) of every cell that things cover, the things'
    `words` (F, things, words), and what shows where, `thing_map` (F, H, W); `frames` are their numbers."""

    record: ClipRecord
    shares: NDArray[np.float32]
    words: NDArray[np.float32]
    thing_map: NDArray[np.uint8]
    frames: tuple[int, ...]

    def cells(self, marked: int | None) -> NDArray[np.float32]:
        """Return the weights of all words in every cell, (F, cells, words), thing `marked` in a red rectangle."""
        words = self.words if marked is None else mark(self.words, self.thing_map, marked)
        return np.asarray(np.einsum("ftc,ftw->fcw", self.shares, words))


@dataclass(frozen=True)
class LessonBatch:
    """Examples and, for all their vision tokens in order, the weights of words, (N, cells, words) float16, and the
    tokens that say what is done there since when (`doings`), (N, cells, 2)."""

    examples: tuple[Example, ...]
    cells: NDArray[np.float16]
    doings: NDArray[np.int16]


_Lesson = tuple[Example, NDArray[np.float32], NDArray[np.int16]]
"""An Example, the weights of words in its cells, and what is done there."""


def write_scenes(recipe: DecoderRecipe, grid: int, split: Split, seed: int, chunk: int) -> list[WrittenScene]:
    """Return the clips and pictures of a chunk; the first chunks of training hold pictures alone."""
    counts = {"video": recipe.clips_per_chunk, "image": recipe.images_per_chunk}
    if split == "train" and chunk < recipe.num_picture_chunks:
        counts = {"image": recipe.pictures_per_picture_chunk}
    seed = derive_seed(seed, "scenes of chunk", chunk)
    scenes = []
    for kind, count in counts.items():
        for index in range(count):
            direct = direct_clip if kind == "video" else direct_image
            scene = direct(recipe.world, split, index, seed)
            where = simulate(scene)
            drawn = draw(scene, where, range(scene.num_frames), with_pixels=False)
            truth = ground_truth(scene, where, drawn)
            frames = uniform_indices(scene.num_frames, recipe.num_frames) if kind == "video" else [0]
            record = record_of(scene, truth, media_path(split, kind, index), kind)
            thing_map = drawn.thing_map[list(frames)]
            shares = covered_shares(thing_map, len(scene.things), grid)
            words = words_of_things(scene, where, frames)
            scenes.append(WrittenScene(record, shares, words, thing_map, tuple(frames)))
    return scenes


def lesson_batches(
    recipe: DecoderRecipe, tokenizer_json: str, grid: int, split: Split, seed: int, chunk: int
) -> tuple[LessonBatch, ...]:
    """Return the batches of one chunk, each of lessons of about the same length, in an order drawn at random."""
    tokenizer = Tokenizer.from_json(tokenizer_json, source="the recipe's tokenizer")
    scenes = write_scenes(recipe, grid, split, seed, chunk)
    by_path = {scene.record.media.path: scene for scene in scenes}
    rng = generator(seed, "lessons", split, chunk)
    lessons: list[_Lesson] = []
    samples = samples_of_split([scene.record for scene in scenes], derive_seed(seed, "chunk", chunk))
    for group in SampleSet(tuple(samples)).groups:
        scene = by_path[group[0].media[0].path]
        marked = int(group[0].regions[0].subject.removeprefix("thing-")) if group[0].regions else None
        template, chosen = _chosen(group, recipe, rng)
        cells = scene.cells(marked)
        example = _example(tokenizer, template, chosen, cells.shape[:2], recipe.max_tokens)
        if split == "train":
            cells = _misread(cells, recipe.relative_noise, rng)
        done = doings(scene.record.scene, scene.frames, scene.shares, tokenizer, rng)
        lessons.append((example, cells, done))
    if split == "train":
        lessons += _motion_lessons(recipe, tokenizer, grid, derive_seed(seed, "motion of chunk", chunk))
    order = sorted(range(len(lessons)), key=lambda number: (lessons[number][0].num_tokens, number))
    batches = [
        LessonBatch(
            tuple(lessons[number][0] for number in part),
            np.concatenate([lessons[number][1] for number in part]).astype(np.float16),
            np.concatenate([lessons[number][2] for number in part]),
        )
        for part in _parts(order, [example.num_tokens for example, _, _ in lessons], recipe.tokens_per_batch)
    ]
    return tuple(batches[place] for place in rng.permutation(len(batches)))


def lesson_texts(recipe: DecoderRecipe, grid: int, seed: int, num_chunks: int) -> Iterator[str]:
    """Yield every text of the first chunks that hold clips, as the model sees it."""
    for chunk in range(recipe.num_picture_chunks, recipe.num_picture_chunks + num_chunks):
        records = [scene.record for scene in write_scenes(recipe, grid, "train", seed, chunk)]
        yield from texts_shown(samples_of_split(records, derive_seed(seed, "chunk", chunk)), recipe.num_frames)


def _chosen(group: Sequence[Sample], recipe: DecoderRecipe, rng: np.random.Generator) -> tuple[Template, list[Sample]]:
    """Return a group's template and Samples: a picture's caption alone, as the warm-up shows it, or up to
    `num_branches` questions. Choices between two answers and drills come only where there is room."""
    order = [group[number] for number in rng.permutation(len(group))]
    captions = [sample for sample in order if sample.task == "image_caption"]
    if captions and rng.random() < recipe.caption_share:
        return "warmup", captions[:1]
    order.sort(key=lambda sample: sample.task == "fgqa")
    order += [drill for sample in order for drill in drills(sample, recipe.num_frames, recipe.num_moments, rng)]
    return "plm_sft", order[: recipe.num_branches]


def _motion_lessons(recipe: DecoderRecipe, tokenizer: Tokenizer, grid: int, seed: int) -> Iterator[_Lesson]:
    """Yield clips of which is asked only what is done in every cell: ten of them cost as much as one with questions."""
    rng = generator(seed, "motion")
    prefix = prefix_ids(tokenizer, "plm_sft", system_text(()))
    prefix += picture_ids(tokenizer, recipe.num_frames, grid * grid, numbered=True)
    pictures = np.zeros((recipe.num_frames, 3, 1, 1), np.uint8)
    for index in range(recipe.motion_clips_per_chunk):
        scene = direct_clip(recipe.world, "train", index, seed)
        if scene.egocentric:
            continue
        where, frames = simulate(scene), uniform_indices(scene.num_frames, recipe.num_frames)
        drawn = draw(scene, where, frames, with_pixels=False)
        shares = covered_shares(drawn.thing_map, len(scene.things), grid)
        cells = np.einsum("ftc,ftw->fcw", shares, words_of_things(scene, where, frames))
        done = doings(scene, frames, shares, tokenizer, rng)
        example = assemble((f"motion {index}",), prefix, [], [], pictures)
        yield example, _misread(cells, recipe.relative_noise, rng), done


def _misread(cells: NDArray[np.float32], noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Vary the weights (F, cells, words) as an encoder's readings vary: a thing that is misread is misread in much the
    same way in every frame, so most of it is the same throughout a scene. Where nothing is to be read, nothing is."""
    shared = rng.standard_normal(cells.shape[-1:], np.float32)
    own = rng.standard_normal(cells.shape, np.float32)
    return np.asarray(cells * (1 + noise * (shared + _OWN_MISREADING * own)), np.float32)


def _example(
    tokenizer: Tokenizer, template: Template, samples: Sequence[Sample], shape: tuple[int, ...], max_tokens: int
) -> Example:
    """Return the Example of `samples` about pictures and cells of `shape`, its pictures left empty."""
    num_pictures, num_cells = shape
    prefix = prefix_ids(tokenizer, template, system_text(samples[0].turns))
    prefix += picture_ids(tokenizer, num_pictures, num_cells, numbered=samples[0].media[0].kind == "video")
    total = samples[0].media[0].num_frames
    branches, kept, room = [], [], max_tokens - len(prefix)
    for sample in samples:
        turns = resolved_turns(sample, total_frames=total, num_frames=num_pictures)
        branch = training_branch(tokenizer, template, turns)
        if len(branch.ids) <= room:
            room -= len(branch.ids)
            branches.append(branch)
            kept.append(sample)
    pictures = np.zeros((num_pictures, 3, 1, 1), np.uint8)
    return assemble(tuple(sample.id for sample in kept), prefix, branches, kept, pictures)


def _parts(order: Sequence[int], lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Cut `order` (by length, shortest first) into batches of at most `tokens_per_batch` tokens, padding included."""
    part: list[int] = []
    for number in order:
        if part and (len(part) + 1) * lengths[number] > tokens_per_batch:
            yield part
            part = []
        part.append(number)
    if part:
        yield part
