"""The course of a part that is taught with pictures: fresh ones of training scenes to learn from, of validation scenes
to be judged by. It knows no objective: a teacher's `loss` brings it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from perceptlm.seeding import derive_seed
from perceptlm.train.parts.configuration import PictureRecipe
from perceptlm.train.parts.loop import Course, Figures
from perceptlm.train.parts.pictures import PictureBatch, picture_chunk


def picture_tensor(batch: PictureBatch) -> Tensor:
    """Return the pictures of a batch as an encoder takes them: (N, 3, S, S), from -1 to 1."""
    return torch.from_numpy(batch.pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def picture_course(
    name: str,
    teacher: nn.Module,
    loss: Callable[[PictureBatch], tuple[Tensor, Figures]],
    recipe: PictureRecipe,
    grid: int,
    seed: int,
) -> Course:
    """Return the course of `teacher` with its `loss`; `grid` is the number of patches along a side of a picture."""
    picture_seed = derive_seed(seed, "pictures")

    def validate() -> Iterator[Figures]:
        for chunk in range(recipe.num_validation_chunks):
            for batch in picture_chunk(recipe, grid, "validation", picture_seed, chunk):
                with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                    _, figures = loss(batch)
                yield figures

    return Course(name, teacher, partial(picture_chunk, recipe, grid, "train", picture_seed), loss, validate)
