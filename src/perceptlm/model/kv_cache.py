"""Keys and values of tokens already read, so that a new token costs one step of the decoder.

Slot s of a row holds the token at index s of that row's sequence; rows may be filled to different lengths. Knows
nothing of sampling or scheduling.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_GROWTH = 32


class KVCache:
    """Per layer, keys and values (B, K, slots, d), and how many slots of each row are filled.

    The prompts of all rows are stored first, then `set_lengths`, then one token per row and step. Slots grow by blocks
    and attention reads them all, masked: a CPU multiplies whole tensors where they lie, parts only after copying.
    """

    def __init__(self, num_layers: int) -> None:
        self.keys: list[Tensor] = [torch.empty(0)] * num_layers
        self.values: list[Tensor] = [torch.empty(0)] * num_layers
        self.lengths: list[int] = []
        self.slots = torch.empty(0, dtype=torch.long)
        self.rows = torch.empty(0, dtype=torch.long)

    def set_lengths(self, lengths: Sequence[int]) -> None:
        """Declare the first `lengths[b]` slots of row b filled, and make room for one more in each row."""
        device = self.keys[0].device
        self.lengths = list(lengths)
        self.slots = torch.tensor(self.lengths, dtype=torch.long, device=device)
        self.rows = torch.arange(len(self.lengths), device=device)
        if self.lengths and max(self.lengths) >= self.keys[0].shape[2]:
            self.keys = [functional.pad(keys, (0, 0, 0, _GROWTH)) for keys in self.keys]
            self.values = [functional.pad(values, (0, 0, 0, _GROWTH)) for values in self.values]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, T, K, d) of `layer`; return the keys and values attention may look at, (B, S, K, d)."""
        if not self.lengths:
            # Prompts. What padding leaves behind a shorter one is overwritten before any mask shows it.
            self.keys[layer] = keys.transpose(1, 2).contiguous()
            self.values[layer] = values.transpose(1, 2).contiguous()
            return keys, values
        self.keys[layer][self.rows, :, self.slots] = keys[:, 0]
        self.values[layer][self.rows, :, self.slots] = values[:, 0]
        return self.keys[layer].transpose(1, 2), self.values[layer].transpose(1, 2)

    def step_mask(self, dtype: torch.dtype) -> Tensor:
        """Return the additive mask (B, 1, 1, S) of one new token per row: every filled slot and its own."""
        hidden = torch.arange(self.keys[0].shape[2], device=self.slots.device) > self.slots[:, None]
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, float("-inf"))
        return mask[:, None, None, :]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but `rows`."""
        kept = torch.tensor(rows, dtype=torch.long, device=self.slots.device)
        self.keys = [keys[kept] for keys in self.keys]
        self.values = [values[kept] for values in self.values]
        self.set_lengths([self.lengths[row] for row in rows])
