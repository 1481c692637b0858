"""Continuing prompts token by token: what prompts share is read once, and rows that have finished drop out.

A prompt is a `Prefix` (what stands before and including its pictures) and a branch of tokens. A row's tokens do not
depend on its neighbours: it attends to its own prefix and slots only, and draws from a stream of its own. Knows ids and
logits; text, requests and the order of work are the callers' (`pretrained`, `inference`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from perceptlm import seeding
from perceptlm.batch import Batch
from perceptlm.errors import LayoutError
from perceptlm.model.kv_cache import KVCache, Prefix, PrefixReader
from perceptlm.model.plm import PerceptionLM

_COMPACT_SHARE = 0.25
"""The share of a batch that has finished when its rows are taken out: taking out copies what stays."""


@dataclass(frozen=True)
class Sampling:
    """How one row is continued. At temperature 0 the likeliest token is taken; `stream` names the row's draws."""

    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stream: str = ""


@dataclass(frozen=True)
class Branch:
    """One prompt: the tokens after the prefix of number `prefix`, and how it is continued."""

    prefix: int
    token_ids: tuple[int, ...]
    sampling: Sampling


@dataclass(frozen=True)
class Continuation:
    """New tokens of one row, without the one that stopped it."""

    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]


class _Row:
    """What is being written for one prompt."""

    def __init__(self, sampling: Sampling, limit: int) -> None:
        self.sampling = sampling
        self.limit = limit
        self.generator = seeding.generator(sampling.seed, "sampling", sampling.stream)
        self.token_ids: list[int] = []
        self.stopped = False

    @property
    def finished(self) -> bool:
        return self.stopped or len(self.token_ids) >= self.limit

    def take(self, logits: Tensor, likeliest: int, stop_ids: Collection[int]) -> int:
        """Choose the next token from (vocabulary,) logits, unless finished."""
        if self.finished:
            return likeliest
        drawn = self.sampling.temperature > 0
        chosen = _draw(logits, self.sampling.temperature, self.generator) if drawn else likeliest
        if chosen in stop_ids:
            self.stopped = True
        else:
            self.token_ids.append(chosen)
        return chosen


@torch.no_grad()
def read_prefixes(model: PerceptionLM, batch: Batch, *, vision_tokens: Tensor | None = None) -> list[Prefix]:
    """Read the rows of `batch`, one prefix per row, padded on the right.

    `vision_tokens` (N, tokens, D) stand in for encoding the pictures. Raises LayoutError when a row is empty or holds
    more than one prefix.
    """
    lengths = _lengths(batch)
    reader = PrefixReader()
    hidden = model.hidden(batch, vision_tokens=vision_tokens, cache=reader)
    return reader.prefixes(hidden, lengths)


@torch.no_grad()
def continue_branches(
    model: PerceptionLM, prefixes: Sequence[Prefix], branches: Sequence[Branch], stop_ids: Collection[int]
) -> list[Continuation]:
    """Continue every branch; all prefixes are those of `model`.

    A row ends at a stop token, after `max_new_tokens`, or at the model's last position.
    """
    if not branches:
        return []
    rows = [_Row(branch.sampling, _limit(model, prefixes[branch.prefix], branch)) for branch in branches]
    cache = KVCache(prefixes, [branch.prefix for branch in branches])
    hidden = _read_branches(model, cache, branches)
    live = rows
    while going := [i for i, row in enumerate(live) if not row.finished]:
        if len(going) <= (1 - _COMPACT_SHARE) * len(live):
            cache.keep(going)
            hidden, live = hidden[going], [live[i] for i in going]
        logits = model.decoder.logits(hidden).float().cpu()
        likeliest = logits.argmax(dim=-1).tolist()
        chosen = [row.take(logits[i], likeliest[i], stop_ids) for i, row in enumerate(live)]
        if not all(row.finished for row in live):
            hidden = model.read_on(torch.tensor(chosen, device=model.device)[:, None], cache)[:, 0]
            cache.advance([1] * len(live))
    return [Continuation(tuple(row.token_ids), "stop" if row.stopped else "length") for row in rows]


def _limit(model: PerceptionLM, prefix: Prefix, branch: Branch) -> int:
    room = model.config.decoder.max_positions - prefix.num_tokens - len(branch.token_ids)
    return max(0, min(branch.sampling.max_new_tokens, room))


def _read_branches(model: PerceptionLM, cache: KVCache, branches: Sequence[Branch]) -> Tensor:
    """Read every row's own tokens; return the hidden states (B, D) of the last ones, or of the prefix's last."""
    lengths = [len(branch.token_ids) for branch in branches]
    last = cache.last_hidden()
    if max(lengths) == 0:
        return last
    token_ids = torch.zeros(len(branches), max(lengths), dtype=torch.long)
    for row, branch in enumerate(branches):
        token_ids[row, : lengths[row]] = torch.tensor(branch.token_ids, dtype=torch.long)
    hidden = model.read_on(token_ids.to(model.device), cache)
    cache.advance(lengths)
    return torch.stack([hidden[row, n - 1] if n else last[row] for row, n in enumerate(lengths)])


def continue_batch(
    model: PerceptionLM, batch: Batch, samplings: Sequence[Sampling], stop_ids: Collection[int]
) -> list[Continuation]:
    """Continue every row of `batch`: one prompt per row, padded on the right, one Sampling each."""
    prefixes = read_prefixes(model, batch)
    branches = [Branch(row, (), sampling) for row, sampling in enumerate(samplings)]
    return continue_branches(model, prefixes, branches, stop_ids)


def _lengths(batch: Batch) -> list[int]:
    """Return the number of tokens of each row."""
    is_token = batch.group >= 0
    lengths = is_token.sum(dim=1)
    on_the_left = torch.arange(batch.group.shape[1], device=lengths.device) < lengths[:, None]
    one_group = (batch.group == batch.group[:, :1]) | ~is_token
    if not bool((is_token == on_the_left).all() and one_group.all() and (lengths > 0).all()):
        raise LayoutError("a batch to continue must hold one prompt per row, padded on the right")
    return [int(length) for length in lengths]


def _draw(logits: Tensor, temperature: float, generator: np.random.Generator) -> int:
    weights = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
    drawn = torch.tensor([generator.random()], dtype=torch.float64) * weights[-1]
    return min(int(torch.searchsorted(weights, drawn, right=True)), len(weights) - 1)
