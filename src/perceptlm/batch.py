"""The one tensor contract between preprocessing and the model: VisionLayout, Example, Batch.

It is why `preprocess` and `model` never import each other. Legend: B rows, T tokens, N media pictures (tiles or
frames), P patches, D decoder width. Torch is imported only when a Batch is made.

An Example is one *shared prefix* (beginning of text, system turn, pictures) followed by one or more *branches*
(a question and its answer). Branches see the prefix and themselves, never each other, so that five questions about
one clip cost one encoding of it, with the same result as five separate Examples. Packing puts several Examples in one
row. Attention therefore needs, per token, `group` (which Example; -1 is padding) and `branch` (0 is the prefix):

    query q may attend to key k  iff  k <= q, group equal, and branch[k] in (0, branch[q])
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perceptlm.config import Config
from perceptlm.errors import ConfigError, LayoutError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

IGNORED_TARGET = -100


class VisionLayout(Config):
    """How pictures become vision tokens: the only thing preprocessing needs to know of the vision encoder."""

    tile_size: int
    patch_size: int
    pooling_ratio: int = 1

    def model_post_init(self, _context: object) -> None:
        """Check that patches and pooling divide evenly."""
        if min(self.tile_size, self.patch_size, self.pooling_ratio) < 1:
            raise ConfigError("tile_size, patch_size and pooling_ratio must be at least 1")
        if self.tile_size % self.patch_size or (self.tile_size // self.patch_size) % self.pooling_ratio:
            raise ConfigError(
                f"tile_size {self.tile_size} does not divide into patches of {self.patch_size} "
                f"pooled by {self.pooling_ratio}"
            )

    @property
    def tokens_per_picture(self) -> int:
        """Vision tokens of one tile, thumbnail or frame after pooling."""
        return (self.tile_size // self.patch_size // self.pooling_ratio) ** 2

    def num_tokens(self, num_pictures: int) -> int:
        """Vision tokens of `num_pictures` pictures."""
        return num_pictures * self.tokens_per_picture


@dataclass(frozen=True)
class Example:
    """A Sample (or several about the same pictures) after preprocessing, as numpy arrays.

    `input_ids[t]` is a token or the image placeholder; `targets[t]` is the token to predict *after* position t, or
    IGNORED_TARGET; `branch` is 0 for the shared prefix; `positions` restart after the prefix in every branch;
    `tag[t]` indexes `tags` (the task a supervised target belongs to). `pictures` is (N, 3, S, S) uint8 RGB; in a
    `blank` Example no file was read for them: they only say how many there are, and count as mid grey.

    Where two answers to one question were judged, the branch after the chosen one's holds the question with the
    rejected one, whose targets are `rejected_targets[t]` and in `targets` ignored. `pair[t]` numbers the pairs (from 0)
    at the targets of the last answer of either branch, and is -1 elsewhere. Both are None where there is no pair.
    """

    ids: tuple[str, ...]
    input_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    positions: NDArray[np.int64]
    branch: NDArray[np.int64]
    tag: NDArray[np.int64]
    tags: tuple[str, ...]
    pictures: NDArray[np.uint8]
    blank: bool = False
    rejected_targets: NDArray[np.int64] | None = None
    pair: NDArray[np.int64] | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens, placeholders included."""
        return len(self.input_ids)

    @property
    def num_supervised(self) -> int:
        """Targets that carry loss."""
        return int((self.targets != IGNORED_TARGET).sum())

    @property
    def num_pairs(self) -> int:
        """Questions with a chosen and a rejected answer."""
        return 0 if self.pair is None else int(self.pair.max()) + 1

    @property
    def num_rejected(self) -> int:
        """Targets of rejected answers."""
        return 0 if self.rejected_targets is None else int((self.rejected_targets != IGNORED_TARGET).sum())


@dataclass
class Batch:
    """Collated Examples: the model's input.

    input_ids, targets, positions, group, branch, tag: (B, T) int64; padding has group -1 and ignored targets.
    pictures: (N, 3, S, S) float32, normalised to [-1, 1]; in row-major order of the placeholders they fill.
    patches: (N, P, V) or None. What a frozen vision encoder made of the N pictures: the model then starts at the
    projector and looks at no pixels.
    path_draws: (N, draws) float32 in [0, 1), or None. What decides, in training, which paths of the vision encoder are
    dropped for each picture.
    rejected_targets, pair: (B, T) int64 as in an Example, pairs numbered through the batch; None where there is none.
    """

    input_ids: Tensor
    targets: Tensor
    positions: Tensor
    group: Tensor
    branch: Tensor
    tag: Tensor
    pictures: Tensor
    image_token_id: int
    tags: tuple[str, ...]
    ids: tuple[tuple[str, ...], ...] = field(default=())
    """Sample ids of each group, in order of group number."""
    pictures_per_group: tuple[int, ...] = field(default=())
    patches: Tensor | None = None
    path_draws: Tensor | None = None
    rejected_targets: Tensor | None = None
    pair: Tensor | None = None

    @property
    def num_pictures(self) -> int:
        """Pictures of all groups."""
        return sum(self.pictures_per_group)

    @property
    def num_supervised(self) -> int:
        """Targets that carry loss."""
        return int((self.targets != IGNORED_TARGET).sum())

    @property
    def num_pairs(self) -> int:
        """Questions with a chosen and a rejected answer."""
        return 0 if self.pair is None else int(self.pair.max()) + 1

    @property
    def num_rejected(self) -> int:
        """Targets of rejected answers."""
        return 0 if self.rejected_targets is None else int((self.rejected_targets != IGNORED_TARGET).sum())

    def attention_mask(self) -> Tensor:
        """Return (B, T, T) bool, True where a query (dim 1) may attend to a key (dim 2). Padding sees itself."""
        import torch

        same_group = self.group[:, :, None] == self.group[:, None, :]
        key_branch = self.branch[:, None, :]
        visible = (key_branch == 0) | (key_branch == self.branch[:, :, None])
        length = self.input_ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=self.input_ids.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=self.input_ids.device)
        return (same_group & visible & causal & (self.group >= 0)[:, :, None]) | itself

    def check(self, tokens_per_picture: int) -> None:
        """Raise LayoutError naming the first sample whose placeholders and vision tokens disagree."""
        is_placeholder = self.input_ids == self.image_token_id
        for number, (ids, num_pictures) in enumerate(zip(self.ids, self.pictures_per_group, strict=True)):
            found = int((is_placeholder & (self.group == number)).sum())
            if found != num_pictures * tokens_per_picture:
                raise LayoutError(
                    f"sample {ids[0]}: {found} image placeholders but {num_pictures} pictures x "
                    f"{tokens_per_picture} = {num_pictures * tokens_per_picture} vision tokens",
                    hint="processor and model disagree on tile size, patch size or pooling",
                )
        given = self.pictures if self.patches is None else self.patches
        if len(given) != self.num_pictures:
            raise LayoutError(f"{len(given)} pictures given, {self.num_pictures} announced")

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with every tensor on `device`."""
        import torch

        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)
