"""What the vision encoder is taught with: linear readings of the words of every patch, and pictures with their texts.

Dense objectives (what, where, colour, state, ...): from the encoder's output at a patch a linear map reads how much of
the patch is covered at all, and for what covers it a distribution over every group of words. The contrastive
objective is PE's: among the pictures of a step, find the one that a text describes, and the other way round
(facts/paper.md). The readings and the text side are thrown away; the encoder is what is kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm.model.vision_encoder import VisionTransformer
from perceptlm.seeding import derive_seed, generator
from perceptlm.train.parts.configuration import EncoderRecipe
from perceptlm.train.parts.loop import Course, Figures
from perceptlm.train.parts.picture_course import picture_course, picture_tensor
from perceptlm.train.parts.pictures import PictureBatch
from perceptlm.world.scene_words import GROUPS, SLICES, WORDS

_SINGLE_WORDS = ("mirrored", "faint", "marked", "something")
_GROUP_WEIGHTS = {"kind": 2.0, "turn": 2.0, "label": 0.3}
_TURNED_WEIGHT = 12.0
"""How much more patches of turned things count for telling turns: of a hundred things that show, four are turned."""
_TEXT_WIDTH, _NUM_TEXT_WORDS = 128, 512


class EncoderTeacher(nn.Module):
    """An encoder and everything around it that only training needs."""

    def __init__(self, encoder: VisionTransformer, recipe: EncoderRecipe, seed: int) -> None:
        super().__init__()
        width = encoder.config.width
        self.vision_encoder = encoder
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, len(WORDS))
        self.picture_side = nn.Linear(width, _TEXT_WIDTH)
        self.text_side = nn.EmbeddingBag(_NUM_TEXT_WORDS, _TEXT_WIDTH, mode="mean")
        self.text_map = nn.Linear(_TEXT_WIDTH, _TEXT_WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self._contrastive_weight = recipe.contrastive_weight
        _draw_first_values(self, ("read", "picture_side", "text_side", "text_map"), seed)

    def loss(self, batch: PictureBatch) -> tuple[Tensor, Figures]:
        """Return the weighted sum of all objectives, and their figures."""
        patches = self.norm(self.vision_encoder(picture_tensor(batch)).float())
        dense, figures = self._dense(patches, torch.from_numpy(batch.shares), torch.from_numpy(batch.words))
        contrast, matched = self._contrast(patches, batch.texts)
        return dense + self._contrastive_weight * contrast, {**figures, **matched}

    def _dense(self, patches: Tensor, shares: Tensor, words: Tensor) -> tuple[Tensor, Figures]:
        """Compare readings of `patches` (N, P, V) with `words` (N, things, words) of what covers them, `shares`
        (N, things, P)."""
        logits = self.read(patches).float()
        # (N, P, words): a thing's words count as much as it covers.
        target = torch.einsum("ntp,ntw->npw", shares, words).float()
        cover = target[..., SLICES["something"]]
        loss, figures = torch.zeros(()), Figures()
        for name in GROUPS:
            part, wanted = logits[..., SLICES[name]], target[..., SLICES[name]]
            if name == "something":
                value, weight = functional.binary_cross_entropy_with_logits(part, wanted), float(wanted.numel())
            elif name in _SINGLE_WORDS:
                share = (wanted / cover.clamp(min=1e-6)).clamp(0, 1)
                each = functional.binary_cross_entropy_with_logits(part, share, reduction="none")
                weight = float(cover.sum())
                value = (each * cover).sum() / max(weight, 1.0)
            else:
                if name == "turn":
                    upright = wanted[..., :1] / wanted.sum(-1, keepdim=True).clamp(min=1e-6)
                    wanted = wanted * (_TURNED_WEIGHT + (1 - _TURNED_WEIGHT) * upright)
                # Kinds without a state or a label have no weight in that group.
                weight = float(wanted.sum())
                value = -(wanted * part.log_softmax(-1)).sum() / max(weight, 1.0)
                right = (part.argmax(-1) == wanted.argmax(-1)) * wanted.sum(-1)
                figures[f"{name}_right"] = (float(right.sum()), weight)
            loss = loss + _GROUP_WEIGHTS.get(name, 1.0) * value
            figures[f"{name}_loss"] = (float(value.detach()) * weight, weight)
        return loss, figures

    def _contrast(self, patches: Tensor, texts: Sequence[str]) -> tuple[Tensor, Figures]:
        """Match each picture with its text among those of the batch."""
        words = [_word_numbers(text) for text in texts]
        starts = np.cumsum([0, *(len(numbers) for numbers in words[:-1])])
        ids = torch.tensor([number for numbers in words for number in numbers])
        described = self.text_map(self.text_side(ids, torch.from_numpy(starts)))
        seen = functional.normalize(self.picture_side(patches.mean(dim=1)).float(), dim=-1)
        logits = seen @ functional.normalize(described.float(), dim=-1).T * self.log_scale.exp().clamp(max=100)
        wanted = torch.arange(len(logits))
        loss = (functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)) / 2
        num_right = float((logits.argmax(1) == wanted).sum())
        count = float(len(logits))
        return loss, {
            "contrastive_right": (num_right, count),
            "contrastive_loss": (float(loss.detach()) * count, count),
        }


def encoder_course(encoder: VisionTransformer, recipe: EncoderRecipe, seed: int) -> Course:
    """Return what teaches `encoder` in place."""
    teacher = EncoderTeacher(encoder, recipe, derive_seed(seed, "teacher"))
    return picture_course("encoder", teacher, teacher.loss, recipe, encoder.config.grid_size, seed)


def _word_numbers(text: str) -> list[int]:
    """Return a number for every word; two words may share one, which costs the text side little."""
    return [zlib.crc32(word.encode()) % _NUM_TEXT_WORDS for word in text.replace(",", "").split()]


def _draw_first_values(module: nn.Module, parts: Sequence[str], seed: int) -> None:
    """Draw the parameters of the named parts from streams of their own; biases are 0."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.split(".")[0] not in parts:
                continue
            shape = tuple(parameter.shape)
            values = np.zeros(shape, np.float32)
            if len(shape) > 1:
                deviation = 1.0 if name.startswith("text_side") else shape[1] ** -0.5
                values = generator(seed, name).standard_normal(shape, np.float32) * np.float32(deviation)
            parameter.copy_(torch.from_numpy(values))
