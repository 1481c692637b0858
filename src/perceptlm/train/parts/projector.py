"""What the projector is taught with: to say what the encoder sees in the words that the decoder was taught with.

The decoder's lessons show it sums of vectors of scene words (`scene_vectors`); the pictures' truth gives the weights of
these words for every vision token. So what to make of a picture is known exactly, and a regression finds it without a
text: first the projector's alone, then encoder and projector tuned together, as PE's were aligned to a decoder, for of
what an encoder tells apart a projector of one hidden layer says only some. How they err is measured on clips.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perceptlm.log import progress
from perceptlm.model.plm import PerceptionLM
from perceptlm.seeding import derive_seed
from perceptlm.train.parts.configuration import PictureRecipe, VisionRecipe
from perceptlm.train.parts.loop import Course, Figures
from perceptlm.train.parts.misreading import Misreading, measure_misreading
from perceptlm.train.parts.picture_course import picture_course, picture_tensor
from perceptlm.train.parts.pictures import PictureBatch, picture_chunk
from perceptlm.train.parts.scene_vectors import SceneVectors

Floats = NDArray[np.float32]

_FLOOR = 0.1
"""Squared size, relative to the mean of a batch, below which a vision token's error counts no more for being small."""


class ProjectorTeacher(nn.Module):
    """A model of which the projector trains, and the encoder if it is `tuned`, and the vectors they are to find."""

    def __init__(self, model: PerceptionLM, vectors: SceneVectors, *, tuned: bool) -> None:
        super().__init__()
        self.projector = model.projector
        if tuned:
            self.vision_encoder = model.vision_encoder
        # Held in a list: an encoder that stays as it is must not count among the parameters that train.
        self._encoder = [model.vision_encoder]
        self._tuned = tuned
        self._vectors = vectors

    def loss(self, batch: PictureBatch) -> tuple[Tensor, Figures]:
        """Return the mean squared error per vision token, relative to what was to be found, and the same to log."""
        found, wanted = self.found(batch), torch.from_numpy(self.wanted(batch))
        size = wanted.square().sum(dim=-1)
        error = (found - wanted).square().sum(dim=-1) / (size + _FLOOR * size.mean())
        loss = error.mean()
        covered = size > size.mean()
        figures: Figures = {"error_loss": (float(loss.detach()), 1.0)}
        figures["covered_loss"] = (float(error.detach()[covered].sum()), float(covered.sum()))
        return loss, figures

    def found(self, batch: PictureBatch) -> Tensor:
        """Return what is made of a batch's pictures, (N, vision tokens, D)."""
        with torch.set_grad_enabled(self._tuned and torch.is_grad_enabled()):
            patches = self._encoder[0](picture_tensor(batch))
        found: Tensor = self.projector(patches)
        return found.float()

    def wanted(self, batch: PictureBatch) -> Floats:
        """Return what a decoder would be shown of such pictures if nothing were misread, (N, vision tokens, D)."""
        return self._vectors.show(np.einsum("ntc,ntw->ncw", self.cells(batch), batch.words))

    def cells(self, batch: PictureBatch) -> Floats:
        """Return how much of the cell of each vision token each thing covers, (N, things, vision tokens)."""
        shares = batch.shares
        side, ratio = round(shares.shape[-1] ** 0.5), self.projector.pooling_ratio
        grid = shares.reshape(*shares.shape[:-1], side // ratio, ratio, side // ratio, ratio)
        return np.asarray(grid.mean(axis=(-3, -1)).reshape(*shares.shape[:-1], -1))


def projector_course(
    model: PerceptionLM, vectors: SceneVectors, recipe: PictureRecipe, seed: int, *, tuned: bool
) -> Course:
    """Return what teaches the projector of `model`, and its encoder if `tuned`, in place to find `vectors`."""
    teacher = ProjectorTeacher(model, vectors, tuned=tuned)
    name = "vision" if tuned else "projector"
    return picture_course(name, teacher, teacher.loss, recipe, model.config.vision.grid_size, seed)


@torch.no_grad()
def misreading_of(model: PerceptionLM, vectors: SceneVectors, recipe: VisionRecipe, seed: int) -> Misreading:
    """Measure how encoder and projector of `model` err on fresh training clips."""
    teacher = ProjectorTeacher(model, vectors, tuned=False).eval()
    num_frames = recipe.frames_per_measured_clip
    clips = recipe.model_copy(update={"image_share": 0.0, "num_frames": num_frames})
    parts: list[tuple[Floats, ...]] = []
    with progress() as bar:
        for chunk in bar.track(range(recipe.num_measured_chunks), description="measuring errors"):
            batches = picture_chunk(clips, model.config.vision.grid_size, "train", derive_seed(seed, "measured"), chunk)
            for batch in batches:
                with torch.autocast("cpu", torch.bfloat16):
                    found = teacher.found(batch).numpy()
                parts.append((found, teacher.wanted(batch), teacher.cells(batch), vectors.show(batch.words)))
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return measure_misreading(*(part.reshape(-1, num_frames, *part.shape[1:]) for part in joined))
