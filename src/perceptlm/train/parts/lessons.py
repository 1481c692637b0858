"""Lessons for the decoder: questions and captions about fresh training scenes that are written out in words.

A chunk of lessons is a pure function of recipe, words, seed and number. Its scenes are of the training split: no
held-out pair. For every vision token stands the sum of the vectors of the words that are true there, misread as
pictures are misread. No torch, no pixels: a worker process makes chunks while the model computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perceptlm.batch import Example
from perceptlm.data.sample_set import SampleSet
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
from perceptlm.train.parts.configuration import DecoderRecipe, WordsRecipe
from perceptlm.train.parts.doings import doings
from perceptlm.train.parts.drills import drills
from perceptlm.train.parts.misreading import Misreading
from perceptlm.train.parts.scene_vectors import SceneVectors
from perceptlm.train.parts.written_scenes import WrittenScene, write_clip, write_scenes
from perceptlm.world.samples import samples_of_split

Floats = NDArray[np.float32]
Counts = dict[Literal["image", "video"], int]


@dataclass(frozen=True)
class Shown:
    """How scenes are shown to a decoder: read with `tokenizer`, as what is found of `vectors` in pictures."""

    tokenizer_json: str
    vectors: SceneVectors
    misreading: Misreading
    grid: int
    """Cells along a side of a picture."""

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return Tokenizer.from_json(self.tokenizer_json, source="the words' tokenizer")

    def vision_tokens(self, written: WrittenScene, marked: int | None, rng: np.random.Generator) -> Floats:
        """Return what stands for the cells of a scene, (F, cells, D), thing `marked` in a red rectangle."""
        ideal, things = self.vectors.show(written.cells(marked)), self.vectors.show(written.words)
        return self.misreading.draw(ideal, written.shares, things, rng)


@dataclass(frozen=True)
class LessonBatch:
    """Examples, all their vision tokens in order, (N, cells, D) float16, and for each of them the tokens that say what
    is done there since when (`doings`), (N, cells, 2)."""

    examples: tuple[Example, ...]
    vision_tokens: NDArray[np.float16]
    doings: NDArray[np.int16]


_Lesson = tuple[Example, Floats, NDArray[np.int16]]
"""An Example, its vision tokens, and what is done there."""


def lesson_batches(recipe: DecoderRecipe, shown: Shown, split: Split, seed: int, chunk: int) -> tuple[LessonBatch, ...]:
    """Return the batches of one chunk, each of lessons of about the same length, in an order drawn at random."""
    tokenizer = shown.tokenizer()
    rng = generator(seed, "lessons", split, chunk)
    lessons = list(_asked_lessons(recipe, shown, tokenizer, split, seed, chunk, rng))
    lessons += _timing_lessons(recipe, shown, tokenizer, split, derive_seed(seed, "timing of chunk", chunk))
    if split == "train":
        lessons += _motion_lessons(recipe, shown, tokenizer, derive_seed(seed, "motion of chunk", chunk))
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


def lesson_texts(recipe: WordsRecipe, seed: int) -> Iterator[str]:
    """Yield every text that is asked and answered about some scenes, as the model sees it."""
    counts: Counts = {"video": recipe.num_clips, "image": recipe.num_images}
    scene_seed = derive_seed(seed, "scenes")
    records = [record for _, record in write_scenes(recipe.world, counts, recipe.num_frames, 1, "train", scene_seed)]
    yield from texts_shown(samples_of_split(records, derive_seed(seed, "samples")), recipe.num_frames)


def _asked_lessons(
    recipe: DecoderRecipe,
    shown: Shown,
    tokenizer: Tokenizer,
    split: Split,
    seed: int,
    chunk: int,
    rng: np.random.Generator,
) -> Iterator[_Lesson]:
    """Yield scenes with questions and captions; the first chunks of training hold pictures alone."""
    counts: Counts = {"video": recipe.clips_per_chunk, "image": recipe.images_per_chunk}
    if split == "train" and chunk < recipe.num_picture_chunks:
        counts = {"image": recipe.pictures_per_picture_chunk}
    scene_seed, sample_seed = derive_seed(seed, "scenes of chunk", chunk), derive_seed(seed, "chunk", chunk)
    for group, written in _groups(recipe, shown, counts, split, scene_seed, sample_seed):
        template, chosen = _chosen(group, recipe, rng)
        yield _lesson(shown, tokenizer, template, chosen, written, recipe.max_tokens, rng)


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


def _timing_lessons(
    recipe: DecoderRecipe, shown: Shown, tokenizer: Tokenizer, split: Split, seed: int
) -> Iterator[_Lesson]:
    """Yield clips of which only times are asked: from when to when a thing does each of the things that it does."""
    rng = generator(seed, "timing")
    counts: Counts = {"video": recipe.timing_clips_per_chunk}
    for group, written in _groups(recipe, shown, counts, split, seed, derive_seed(seed, "samples")):
        asked = [sample for sample in group if sample.task == "rtloc"]
        for sample in group:
            asked += [drill for drill in drills(sample, recipe.num_frames, 0, rng) if drill.task == "rtloc"]
        if asked and group[0].regions:
            yield _lesson(shown, tokenizer, "plm_sft", asked, written, recipe.max_tokens, rng)


def _groups(
    recipe: DecoderRecipe, shown: Shown, counts: Counts, split: Split, scene_seed: int, sample_seed: int
) -> Iterator[tuple[Sequence[Sample], WrittenScene]]:
    """Yield the Samples of fresh scenes, those about the same pictures together, and the scene they are about."""
    scenes = list(write_scenes(recipe.world, counts, recipe.num_frames, shown.grid, split, scene_seed))
    by_path = {record.media.path: written for written, record in scenes}
    for group in SampleSet(tuple(samples_of_split([record for _, record in scenes], sample_seed))).groups:
        yield group, by_path[group[0].media[0].path]


def _lesson(
    shown: Shown,
    tokenizer: Tokenizer,
    template: Template,
    samples: Sequence[Sample],
    written: WrittenScene,
    max_tokens: int,
    rng: np.random.Generator,
) -> _Lesson:
    """Return `samples` as a lesson, the thing that they are about in a red rectangle."""
    regions = samples[0].regions
    marked = int(regions[0].subject.removeprefix("thing-")) if regions else None
    vision_tokens = shown.vision_tokens(written, marked, rng)
    example = _example(tokenizer, template, samples, vision_tokens.shape[:2], max_tokens)
    return example, vision_tokens, doings(written.scene, written.frames, written.shares, tokenizer, rng)


def _motion_lessons(recipe: DecoderRecipe, shown: Shown, tokenizer: Tokenizer, seed: int) -> Iterator[_Lesson]:
    """Yield clips of which is asked only what is done in every cell: ten of them cost as much as one with questions."""
    rng = generator(seed, "motion")
    prefix = prefix_ids(tokenizer, "plm_sft", system_text(()))
    prefix += picture_ids(tokenizer, recipe.num_frames, shown.grid**2, numbered=True)
    pictures = np.zeros((recipe.num_frames, 3, 1, 1), np.uint8)
    for index in range(recipe.motion_clips_per_chunk):
        written = write_clip(recipe.world, recipe.num_frames, shown.grid, "train", index, seed)
        if written.scene.egocentric:
            continue
        done = doings(written.scene, written.frames, written.shares, tokenizer, rng)
        example = assemble((f"motion {index}",), prefix, [], [], pictures)
        yield example, shown.vision_tokens(written, None, rng), done


def _example(
    tokenizer: Tokenizer, template: Template, samples: Sequence[Sample], shape: tuple[int, ...], max_tokens: int
) -> Example:
    """Return the Example of `samples` about pictures and cells of `shape`, its pictures left empty."""
    num_pictures, num_cells = shape
    prefix = prefix_ids(tokenizer, template, system_text(samples[0].turns))
    prefix += picture_ids(tokenizer, num_pictures, num_cells, numbered=samples[0].media[0].kind == "video")
    branches, kept, room = [], [], max_tokens - len(prefix)
    for sample in samples:
        turns = resolved_turns(sample, num_frames=num_pictures)
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
