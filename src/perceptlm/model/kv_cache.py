"""Keys and values of tokens already read, so that a new token costs one step of the decoder.

A prompt is a prefix, which prompts about the same pictures share, and a branch of its own. A `Prefix` is read once and
kept; a `KVCache` holds a batch of rows that each go on from one of its prefixes. Knows nothing of sampling or of the
order of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from perceptlm.model.attention import attend
from perceptlm.model.segments import Segments

_GROWTH = 32


class Memory(Protocol):
    """What the decoder's layers attend through when something is to be remembered."""

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, sight: Tensor | Segments) -> Tensor:
        """Remember keys and values (B, T, K, d) of `layer`; return what queries (B, T, H, d) find, (B, T, H*d)."""
        ...


@dataclass(frozen=True)
class Prefix:
    """A prefix that was read: per layer, keys and values (K, P, d); and the hidden state (D,) of its last token."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    last_hidden: Tensor

    @property
    def num_tokens(self) -> int:
        """Tokens read, vision tokens included."""
        return self.keys[0].shape[1]

    @property
    def num_bytes(self) -> int:
        """Memory of keys and values."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))


class PrefixReader:
    """Remembers the keys and values of rows (B, T, K, d) that attend to nothing but themselves."""

    def __init__(self) -> None:
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, sight: Tensor | Segments) -> Tensor:
        """Remember, and attend as without a memory."""
        assert layer == len(self._keys), "one row's layers are read once and in order"
        self._keys.append(keys.transpose(1, 2))
        self._values.append(values.transpose(1, 2))
        return attend(queries, keys, values, sight)

    def prefixes(self, hidden: Tensor, lengths: Sequence[int]) -> list[Prefix]:
        """Return each row's first `lengths[b]` tokens as a Prefix; `hidden` (B, T, D) is what the decoder returned."""
        return [
            Prefix(
                tuple(keys[row, :, :length].contiguous() for keys in self._keys),
                tuple(values[row, :, :length].contiguous() for values in self._values),
                hidden[row, length - 1].clone(),
            )
            for row, length in enumerate(lengths)
        ]


class KVCache:
    """Rows that go on from shared prefixes: row b sees prefix `prefix_of_row[b]`, then its own tokens.

    A prefix's keys are stored and multiplied once for all of its rows. Own tokens (B, K, slots, d) grow by blocks of
    slots, and attention reads them all, masked: a CPU multiplies whole tensors where they lie, parts only after
    copying.
    """

    def __init__(self, prefixes: Sequence[Prefix], prefix_of_row: Sequence[int]) -> None:
        first = prefixes[0].keys[0]
        self._device = first.device
        empty = first.new_empty(len(prefix_of_row), first.shape[0], 0, first.shape[2])
        self._keys = [empty] * len(prefixes[0].keys)
        self._values = [empty] * len(prefixes[0].keys)
        self._lengths = [0] * len(prefix_of_row)
        self._slots = torch.empty(len(prefix_of_row), 0, dtype=torch.long, device=self._device)
        self._set_prefixes(prefixes, prefix_of_row)

    def _set_prefixes(self, prefixes: Sequence[Prefix], prefix_of_row: Sequence[int]) -> None:
        """Stack the prefixes that rows use, (G, K, P, d) per layer, and lay the rows out in a grid (G, R)."""
        used = sorted(set(prefix_of_row))
        self._prefixes = [prefixes[number] for number in used]
        self._prefix_of_row = [used.index(number) for number in prefix_of_row]
        longest = max(prefix.num_tokens for prefix in self._prefixes)
        num_layers = len(self._keys)
        self._prefix_keys = [_stack([p.keys[layer] for p in self._prefixes], longest) for layer in range(num_layers)]
        self._prefix_values = [
            _stack([p.values[layer] for p in self._prefixes], longest) for layer in range(num_layers)
        ]
        rows_of: list[list[int]] = [[] for _ in used]
        for row, number in enumerate(self._prefix_of_row):
            rows_of[number].append(row)
        self._grid_width = max(map(len, rows_of))
        # Cells without a row repeat row 0: what is computed there is never read.
        grid = [row for rows in rows_of for row in [*rows, *[0] * (self._grid_width - len(rows))]]
        cells = [
            number * self._grid_width + rows_of[number].index(row) for row, number in enumerate(self._prefix_of_row)
        ]
        # Rows that fill the grid in order need not be gathered.
        in_order = cells == list(range(len(cells))) and len(grid) == len(cells)
        self._grid = None if in_order else torch.tensor(grid, device=self._device)
        self._cells = None if in_order else torch.tensor(cells, device=self._device)
        lengths = torch.tensor([prefix.num_tokens for prefix in self._prefixes], device=self._device)
        self._prefix_lengths = lengths[torch.tensor(self._prefix_of_row, device=self._device)]

    def last_hidden(self) -> Tensor:
        """Return each row's hidden state at the end of its prefix, (B, D)."""
        return torch.stack([self._prefixes[number].last_hidden for number in self._prefix_of_row])

    def make_room(self, num_tokens: int) -> None:
        """Choose the slots (B, T) of the `num_tokens` tokens of each row that are read next."""
        needed = max(self._lengths) + num_tokens - self._keys[0].shape[2]
        if needed > 0:
            added = -(-needed // _GROWTH) * _GROWTH
            self._keys = [functional.pad(keys, (0, 0, 0, added)) for keys in self._keys]
            self._values = [functional.pad(values, (0, 0, 0, added)) for values in self._values]
        starts = torch.tensor(self._lengths, device=self._device)
        self._slots = starts[:, None] + torch.arange(num_tokens, device=self._device)

    def positions(self) -> Tensor:
        """Return the positions (B, T) of the tokens room was made for."""
        return self._prefix_lengths[:, None] + self._slots

    def mask(self, dtype: torch.dtype) -> Tensor:
        """Return the additive mask (B, 1, T, P + slots) of those tokens: what came before them, and themselves."""
        after = torch.arange(self._keys[0].shape[2], device=self._device) > self._slots[:, :, None]
        beyond = torch.arange(self._prefix_keys[0].shape[2], device=self._device) >= self._prefix_lengths[:, None]
        hidden = torch.cat([beyond[:, None].expand(-1, after.shape[1], -1), after], dim=-1)
        return torch.zeros(hidden.shape, dtype=dtype, device=self._device).masked_fill_(hidden, float("-inf"))[:, None]

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, sight: Tensor | Segments) -> Tensor:
        """Store keys and values (B, T, K, d) in their slots; return what queries (B, T, H, d) find, (B, T, H*d)."""
        assert isinstance(sight, Tensor), "what is remembered is not of the batch's segments"
        batch, num_queries, num_heads, head_dim = queries.shape
        rows = torch.arange(batch, device=self._device)[:, None]
        # What a shorter branch's padding leaves behind is overwritten before any mask shows it.
        self._keys[layer][rows, :, self._slots] = keys
        self._values[layer][rows, :, self._slots] = values
        num_kv_heads = keys.shape[2]
        # Queries of the heads that share a key head stand one after the other, so that keys are never repeated.
        grouped = queries.transpose(1, 2).reshape(batch, num_kv_heads, -1, head_dim) * head_dim**-0.5
        of_prefix = self._by_prefix(grouped, self._prefix_keys[layer].transpose(2, 3))
        own = torch.matmul(grouped, self._keys[layer].transpose(2, 3))
        scores = torch.cat([of_prefix, own], dim=-1).view(batch, num_heads, num_queries, -1) + sight
        weights = scores.softmax(dim=-1).view(batch, num_kv_heads, grouped.shape[2], -1)
        of_prefix_weights, own_weights = torch.split(weights, [of_prefix.shape[-1], own.shape[-1]], dim=-1)
        found = self._by_prefix(of_prefix_weights, self._prefix_values[layer])
        found = found + torch.matmul(own_weights, self._values[layer])
        return found.reshape(batch, num_heads, num_queries, head_dim).transpose(1, 2).flatten(2)

    def _by_prefix(self, x: Tensor, matrices: Tensor) -> Tensor:
        """Multiply every row's (K, M, a) by its prefix's matrix (K, a, b): (B, K, M, a) to (B, K, M, b)."""
        num_kv_heads, num_queries = x.shape[1], x.shape[2]
        grid = x if self._grid is None else x[self._grid]
        grid = grid.view(-1, self._grid_width, *grid.shape[1:]).transpose(1, 2).flatten(2, 3)
        product = torch.matmul(grid, matrices).view(-1, num_kv_heads, self._grid_width, num_queries, matrices.shape[3])
        cells = product.transpose(1, 2).flatten(0, 1)
        return cells if self._cells is None else cells[self._cells]

    def advance(self, counts: Sequence[int]) -> None:
        """Declare the first `counts[b]` of the slots chosen for row b filled."""
        self._lengths = [length + count for length, count in zip(self._lengths, counts, strict=True)]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but `rows`, and the prefixes that none of them uses."""
        kept = torch.tensor(rows, device=self._device)
        self._keys = [keys[kept] for keys in self._keys]
        self._values = [values[kept] for values in self._values]
        self._lengths = [self._lengths[row] for row in rows]
        self._set_prefixes(self._prefixes, [self._prefix_of_row[row] for row in rows])


def _stack(parts: Sequence[Tensor], length: int) -> Tensor:
    """Return (K, P, d) tensors of different P as one (G, K, length, d), filled up with zeros."""
    return torch.stack([functional.pad(part, (0, 0, 0, length - part.shape[1])) for part in parts])
