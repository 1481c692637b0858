"""What may look at what in a Batch, as pieces of its tokens that see nothing of each other.

A row that is packed with many Examples is mostly places that may not look at each other; a mask over whole rows spends
the square of their length on that. It knows the Batch's groups and branches, no weights and no positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from perceptlm.batch import Batch
from perceptlm.errors import LayoutError

_CALL_COST = 5000
"""What it costs to attend once more, in pairs of tokens: about 0.1 ms on a CPU."""


@dataclass(frozen=True)
class Segment:
    """Consecutive tokens of one Example, or of padding.

    The first `num_causal` look at themselves and what came before them. Those after them are branches and look where
    the additive `mask` (1, 1, branches, num_tokens) lets them or, without one, are padding, which sees itself.
    """

    num_tokens: int
    num_causal: int
    mask: Tensor | None = None

    @property
    def cost(self) -> int:
        """Pairs of tokens that are looked at, and the calls that do it, in pairs."""
        masked = 0 if self.mask is None else _CALL_COST + self.mask.numel()
        return masked + (_CALL_COST + self.num_causal**2 // 2 if self.num_causal else 0)


@dataclass(frozen=True)
class Segments:
    """The segments of a Batch, row after row, that together are all its B x T tokens."""

    parts: tuple[Segment, ...]

    @property
    def cost(self) -> int:
        """Pairs of tokens that are looked at, and the calls that do it, in pairs."""
        return sum(part.cost for part in self.parts)


def sight(batch: Batch, dtype: torch.dtype) -> Tensor | Segments:
    """Return what lets tokens of `batch` look at others as `Batch` says, whichever form costs less.

    On a CPU that is a function of lengths: Segments, or an additive mask (B, 1, T, T) for many short rows. Elsewhere it
    is the mask, in `dtype`. Raises LayoutError for a group in two places.
    """
    if batch.input_ids.device.type != "cpu":
        return additive_mask(batch.attention_mask(), dtype)
    wide = torch.promote_types(dtype, torch.float32)
    num_rows, length = batch.input_ids.shape
    segments = _segments(batch, wide)
    if segments.cost < _CALL_COST + num_rows * length**2:
        return segments
    return additive_mask(batch.attention_mask(), wide)


def additive_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn (B, T, S) booleans into (B, 1, T, S): 0 where visible, -inf elsewhere."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, float("-inf"))[:, None]


def _segments(batch: Batch, dtype: torch.dtype) -> Segments:
    length = batch.group.shape[1]
    group, branch = batch.group.flatten(), batch.branch.flatten()
    changes = (group[1:] != group[:-1]).nonzero()[:, 0] + 1
    edges = sorted({0, len(group), *changes.tolist(), *range(0, len(group), length)})
    parts, seen = [], set()
    for start, end in pairwise(edges):
        number = int(group[start])
        if number in seen:
            raise LayoutError(f"group {number} of a batch is in two places")
        if number < 0:
            parts.append(Segment(end - start, 0))
            continue
        seen.add(number)
        parts.append(_segment(branch[start:end], dtype))
    return Segments(tuple(parts))


def _segment(branch: Tensor, dtype: torch.dtype) -> Segment:
    """Return the segment of an Example whose tokens are of these branches (T,)."""
    length = len(branch)
    later = (branch != 0).nonzero()[:, 0]
    first = int(later[0]) if len(later) else length
    if first == length or bool((branch[first:] == branch[first]).all()):
        return Segment(length, length)
    of_query, places = branch[first:, None], torch.arange(length)
    visible = (places <= places[first:, None]) & ((branch == 0) | (branch == of_query))
    return Segment(length, first, additive_mask(visible[None], dtype))
