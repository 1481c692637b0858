"""What the projector is taught with: to say what the encoder sees in the words that the decoder was taught with.

The decoder's lessons show it sums of vectors of scene words (`scene_vectors`); the pictures' truth gives the weights of
these words for every vision token. So what to make of an encoder's patches is known exactly, and a regression finds it
without a text. Encoder and decoder stay as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perceptlm.model.plm import PerceptionLM
from perceptlm.train.parts.configuration import ProjectorRecipe
from perceptlm.train.parts.loop import Course, Figures
from perceptlm.train.parts.picture_course import picture_course
from perceptlm.train.parts.pictures import PictureBatch

_FLOOR = 0.1
"""Squared size, relative to the mean of a batch, below which a vision token's error counts no more for being small."""


class ProjectorTeacher(nn.Module):
    """A model of which only the projector trains, and the vectors it is to find."""

    vectors: Tensor
    bias: Tensor

    def __init__(self, model: PerceptionLM, vectors: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.projector = model.projector
        # Held in a list: the encoder must not count among the parameters that train.
        self._encoder = [model.vision_encoder]
        self.register_buffer("vectors", vectors.float(), persistent=False)
        self.register_buffer("bias", bias.float(), persistent=False)

    def loss(self, batch: PictureBatch) -> tuple[Tensor, Figures]:
        """Return the mean squared error per vision token, relative to what was to be found, and the same to log."""
        pictures = torch.from_numpy(batch.pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        with torch.no_grad():
            patches = self._encoder[0](pictures)
        found = self.projector(patches).float()
        wanted = self._wanted(batch)
        size = wanted.square().sum(dim=-1)
        error = (found - wanted).square().sum(dim=-1) / (size + _FLOOR * size.mean())
        loss = error.mean()
        covered = size > size.mean()
        figures: Figures = {"error_loss": (float(loss.detach()), 1.0)}
        figures["covered_loss"] = (float(error.detach()[covered].sum()), float(covered.sum()))
        return loss, figures

    def _wanted(self, batch: PictureBatch) -> Tensor:
        """Return what the decoder was shown of such pictures in its lessons, (N, vision tokens, D)."""
        shares, words = torch.from_numpy(batch.shares), torch.from_numpy(batch.words)
        side, ratio = round(shares.shape[-1] ** 0.5), self.projector.pooling_ratio
        grid = shares.view(*shares.shape[:-1], side // ratio, ratio, side // ratio, ratio)
        cells = grid.mean(dim=(-3, -1)).flatten(-2)
        return torch.einsum("ntc,ntw->ncw", cells, words).float() @ self.vectors + self.bias


def projector_course(model: PerceptionLM, vectors: Tensor, bias: Tensor, recipe: ProjectorRecipe, seed: int) -> Course:
    """Return what teaches the projector of `model` in place: to find `vectors` (words, D) and `bias` (D)."""
    teacher = ProjectorTeacher(model, vectors, bias)
    return picture_course("projector", teacher, teacher.loss, recipe, model.config.vision.grid_size, seed)
