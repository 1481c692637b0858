"""Continuing prompts token by token: a static batch whose finished rows drop out.

A row's tokens do not depend on its neighbours: it attends to its own slots only, and draws from a stream of its own.
Knows ids and logits; text, requests and the order of work are the callers' (`pretrained`, `inference`).
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
from perceptlm.model.kv_cache import KVCache
from perceptlm.model.plm import PerceptionLM


@dataclass(frozen=True)
class Sampling:
    """How one row is continued. At temperature 0 the likeliest token is taken; `stream` names the row's draws."""

    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stream: str = ""


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

    def take(self, logits: Tensor, stop_ids: Collection[int]) -> int:
        """Choose the next token from (vocabulary,) logits."""
        chosen = _choose(logits, self.sampling.temperature, self.generator)
        if chosen in stop_ids:
            self.stopped = True
        else:
            self.token_ids.append(chosen)
        return chosen


@torch.no_grad()
def continue_batch(
    model: PerceptionLM,
    batch: Batch,
    samplings: Sequence[Sampling],
    stop_ids: Collection[int],
    *,
    vision_tokens: Tensor | None = None,
) -> list[Continuation]:
    """Continue every row of `batch`: one prompt per row, padded on the right, one Sampling each.

    A row ends at a stop token, after `max_new_tokens`, or at the model's last position. `vision_tokens`
    (N, tokens, D) stand in for encoding the pictures. Raises LayoutError when a row is empty or holds more than one
    prompt.
    """
    lengths = _prompt_lengths(batch)
    most = model.config.decoder.max_positions
    rows = [
        _Row(sampling, max(0, min(sampling.max_new_tokens, most - length)))
        for sampling, length in zip(samplings, lengths, strict=True)
    ]
    cache = KVCache(model.config.decoder.num_layers)
    hidden = model.hidden(batch, vision_tokens=vision_tokens, cache=cache)
    cache.set_lengths(lengths)
    hidden = hidden[cache.rows, cache.slots - 1]
    live = rows
    while going := [i for i, row in enumerate(live) if not row.finished]:
        if len(going) < len(live):
            cache.keep(going)
            hidden, live = hidden[going], [live[i] for i in going]
        logits = model.decoder.logits(hidden).float().cpu()
        chosen = [row.take(logits[i], stop_ids) for i, row in enumerate(live)]
        if not all(row.finished for row in live):
            hidden = model.step(torch.tensor(chosen, device=model.device), cache)
    return [Continuation(tuple(row.token_ids), "stop" if row.stopped else "length") for row in rows]


def _prompt_lengths(batch: Batch) -> list[int]:
    """Return the number of tokens of each row."""
    is_token = batch.group >= 0
    lengths = is_token.sum(dim=1)
    on_the_left = torch.arange(batch.group.shape[1], device=lengths.device) < lengths[:, None]
    one_prompt = (batch.group == batch.group[:, :1]) | ~is_token
    if not bool((is_token == on_the_left).all() and one_prompt.all() and (lengths > 0).all()):
        raise LayoutError("a batch to continue must hold one prompt per row, padded on the right")
    return [int(length) for length in lengths]


def _choose(logits: Tensor, temperature: float, generator: np.random.Generator) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    weights = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
    drawn = torch.tensor([generator.random()], dtype=torch.float64) * weights[-1]
    return min(int(torch.searchsorted(weights, drawn, right=True)), len(weights) - 1)
