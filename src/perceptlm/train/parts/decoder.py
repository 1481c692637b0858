"""What the decoder is taught with: lessons whose vision tokens are sums of word embeddings instead of pictures.

Where a projector's output will stand, every vision token is the sum of one vector per scene word (`scene_vectors`),
times the word's weight there. The decoder, which has learned to follow things through frames and to talk about them,
is what is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm.batch import IGNORED_TARGET, Batch
from perceptlm.model.plm import PerceptionLM
from perceptlm.preprocess.packing import collate
from perceptlm.preprocess.tokenizer import END_OF_TEXT, IMAGE, Tokenizer
from perceptlm.seeding import derive_seed
from perceptlm.train.parts.configuration import DecoderRecipe
from perceptlm.train.parts.lessons import LessonBatch, lesson_batches
from perceptlm.train.parts.loop import Course, Figures
from perceptlm.train.parts.scene_vectors import SceneVectors


class DecoderTeacher(nn.Module):
    """A model of which only the decoder is used, and the vectors of the scene words."""

    def __init__(self, model: PerceptionLM, tokenizer: Tokenizer, seed: int) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.words = SceneVectors(model.decoder, tokenizer, seed)
        # Held in a list: the model's other parts must not count among the parameters that train.
        self._model = [model]
        self._pad_token_id = tokenizer.special_id(END_OF_TEXT)
        self._image_token_id = tokenizer.special_id(IMAGE)

    def loss(self, lessons: LessonBatch) -> tuple[Tensor, Figures]:
        """Return the mean loss per supervised token, and per task the summed loss and number of tokens."""
        batch, logits = self._logits(lessons)
        supervised = batch.targets != IGNORED_TARGET
        losses = functional.cross_entropy(logits, batch.targets[supervised], reduction="none")
        tags, values = batch.tag[supervised], losses.detach()
        figures: Figures = {}
        for number, task in enumerate(batch.tags):
            chosen = values[tags == number]
            if len(chosen):
                figures[f"{task}_loss"] = (float(chosen.sum()), float(len(chosen)))
        return losses.mean(), figures

    @torch.no_grad()
    def right(self, lessons: LessonBatch) -> Figures:
        """Return per task how many answers have every token right, given the ones before, and how many there are."""
        batch, logits = self._logits(lessons)
        supervised = batch.targets != IGNORED_TARGET
        hits = logits.argmax(-1) == batch.targets[supervised]
        places = supervised.nonzero()[:, 0] * 1000 + batch.branch[supervised]
        figures: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for place in torch.unique(places):
            own = places == place
            entry = figures[batch.tags[int(batch.tag[supervised][own][0])]]
            entry[0] += float(hits[own].all())
            entry[1] += 1.0
        return {f"{task}_right": (entry[0], entry[1]) for task, entry in figures.items()}

    def _logits(self, lessons: LessonBatch) -> tuple[Batch, Tensor]:
        batch = collate(
            lessons.examples, max_tokens=None, pad_token_id=self._pad_token_id, image_token_id=self._image_token_id
        )
        vision_tokens = self.words(torch.from_numpy(lessons.cells.astype(np.float32)))
        hidden = self._model[0].hidden(batch, vision_tokens=vision_tokens)
        return batch, self.decoder.logits(hidden[batch.targets != IGNORED_TARGET]).float()


def decoder_course(model: PerceptionLM, tokenizer: Tokenizer, recipe: DecoderRecipe, seed: int) -> Course:
    """Return what teaches the decoder of `model` in place."""
    teacher = DecoderTeacher(model, tokenizer, derive_seed(seed, "teacher"))
    grid = model.config.vision.grid_size // model.config.pooling_ratio
    scene_seed = derive_seed(seed, "scenes")
    text = tokenizer.to_json()

    def validate() -> Iterator[Figures]:
        for chunk in range(recipe.num_validation_chunks):
            for lessons in lesson_batches(recipe, text, grid, "validation", scene_seed, chunk):
                with torch.autocast("cpu", torch.bfloat16):
                    figures = teacher.right(lessons)
                yield figures

    make = partial(lesson_batches, recipe, text, grid, "train", scene_seed)
    return Course("decoder", teacher, make, teacher.loss, validate)
