"""What the decoder is taught with: lessons whose vision tokens are sums of word embeddings instead of pictures.

Where a projector's output will stand, every vision token is the sum of one vector per scene word (`scene_vectors`),
times the word's weight there, misread as in pictures (`misreading`). The decoder, which has learned to
follow things through frames and to talk about them, is what is kept.
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
from perceptlm.preprocess.chat_format import IMAGE
from perceptlm.preprocess.packing import collate
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.seeding import derive_seed
from perceptlm.train.parts.configuration import DecoderRecipe
from perceptlm.train.parts.doings import NUM_ASKED
from perceptlm.train.parts.lessons import LessonBatch, Shown, lesson_batches
from perceptlm.train.parts.loop import Course, Figures
from perceptlm.train.parts.motion_heads import hold_motion_heads, set_motion_heads
from perceptlm.train.parts.number_head import set_number_head
from perceptlm.train.parts.scene_vectors import hold_said_words


class DecoderTeacher(nn.Module):
    """A model of which only the decoder is used."""

    def __init__(self, model: PerceptionLM, tokenizer: Tokenizer, doing_weight: float) -> None:
        super().__init__()
        self.decoder = model.decoder
        # Held in a list: the model's other parts must not count among the parameters that train.
        self._model = [model]
        self._pad_token_id = tokenizer.special_id(tokenizer.chat.end_of_text)
        self._image_token_id = tokenizer.special_id(IMAGE)
        self._doing_weight = doing_weight
        self._halfway = torch.zeros(())
        # One map for each thing asked: all of them read the same hidden states.
        self.asked = nn.ModuleList(_identity(model.config.decoder.width) for _ in range(NUM_ASKED))
        self.decoder.blocks[len(self.decoder.blocks) // 2 - 1].register_forward_hook(self._keep_halfway)

    def loss(self, lessons: LessonBatch) -> tuple[Tensor, Figures]:
        """Return the mean loss per supervised token, and per task the summed loss and number of tokens.

        To it comes, weighted, the mean loss of what is asked at every vision token halfway through the blocks.
        """
        batch, logits = self._logits(lessons)
        supervised = batch.targets != IGNORED_TARGET
        losses = functional.cross_entropy(logits, batch.targets[supervised], reduction="none")
        tags, values = batch.tag[supervised], losses.detach()
        figures: Figures = {}
        for number, task in enumerate(batch.tags):
            chosen = values[tags == number]
            if len(chosen):
                figures[f"{task}_loss"] = (float(chosen.sum()), float(len(chosen)))
        total = losses.mean() if len(losses) else losses.new_zeros(())
        for asked, map_to_words, name in zip(range(NUM_ASKED), self.asked, ("doing", "since"), strict=True):
            wanted = torch.from_numpy(lessons.doings[..., asked].astype(np.int64)).flatten()
            told = wanted != IGNORED_TARGET
            if self._doing_weight and bool(told.any()):
                halfway = self._halfway[batch.input_ids == self._image_token_id][told]
                said = self.decoder.logits(map_to_words(self.decoder.norm(halfway))).float()
                loss = functional.cross_entropy(said, wanted[told])
                total = total + self._doing_weight * loss
                figures[f"{name}_loss"] = (float(loss.detach()) * len(halfway), float(len(halfway)))
        return total, figures

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

    def _keep_halfway(self, _block: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._halfway = output

    def _logits(self, lessons: LessonBatch) -> tuple[Batch, Tensor]:
        batch = collate(
            lessons.examples, max_tokens=None, pad_token_id=self._pad_token_id, image_token_id=self._image_token_id
        )
        vision_tokens = torch.from_numpy(lessons.vision_tokens.astype(np.float32))
        hidden = self._model[0].hidden(batch, vision_tokens=vision_tokens)
        return batch, self.decoder.logits(hidden[batch.targets != IGNORED_TARGET]).float()


def _identity(width: int) -> nn.Linear:
    """Return a linear map that starts as none."""
    linear = nn.Linear(width, width, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(width))
    return linear


def decoder_course(model: PerceptionLM, shown: Shown, recipe: DecoderRecipe, seed: int) -> Course:
    """Return what teaches the decoder of `model` in place."""
    tokenizer = shown.tokenizer()
    teacher = DecoderTeacher(model, tokenizer, recipe.doing_weight)
    hold_said_words(model.decoder, shown.vectors)
    found = torch.from_numpy(shown.vectors.words @ shown.misreading.map)
    # Before every frame's cells stands its number, one token.
    set_number_head(model.decoder, found, tokenizer, recipe.num_frames, seed)
    set_motion_heads(model.decoder, found, shown.grid**2 + 1, seed)
    hold_motion_heads(model.decoder)
    scene_seed = derive_seed(seed, "scenes")

    def validate() -> Iterator[Figures]:
        for chunk in range(recipe.num_validation_chunks):
            for lessons in lesson_batches(recipe, shown, "validation", scene_seed, chunk):
                with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
                    figures = teacher.right(lessons)
                yield figures

    make = partial(lesson_batches, recipe, shown, "train", scene_seed)
    return Course("decoder", teacher, make, teacher.loss, validate)
