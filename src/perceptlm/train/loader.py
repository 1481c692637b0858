"""Batches as a function of (seed, step), made some steps ahead in a thread; their files are decoded by several.

Nothing that a batch depends on is remembered between steps, so a resumed run asks for step k and gets what an
uninterrupted one got. Rows are packed for all processes together, before any file is opened, and then shared out: which
Samples share a row does not depend on how many processes there are. Where pixels are not needed no file is opened: a
blind stage shows grey pictures, and a frozen vision encoder's output is taken from VisionFeatures once it is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from perceptlm.batch import Batch, Example
from perceptlm.data.blend import split_by_cost, split_in_turns
from perceptlm.data.plan import HeldUnit, Plan
from perceptlm.errors import DataError
from perceptlm.preprocess.packing import pack
from perceptlm.preprocess.processor import Processor
from perceptlm.seeding import generator
from perceptlm.train.configuration import StageConfig
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.vision_features import VisionFeatures

_STEPS_AHEAD = 2
_MOST_DECODERS = 8
Cost = Callable[[int, int], float]
"""(pictures, tokens) of an Example -> what it takes to train on it, in any unit."""


@dataclass(frozen=True)
class Dropped:
    """A unit that could not be used, and why; `ids` are its Samples', or what it is called if they cannot be read."""

    ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class StepData:
    """What a process does in one step: its batches, in order, and the units that it could not use."""

    batches: tuple[Batch, ...]
    dropped: tuple[Dropped, ...]
    num_units: int
    """Of all processes together, the unusable ones included."""
    waited_seconds: float = 0.0
    """That the model stood still for them. What it makes of new pictures itself is work, not waiting."""


@dataclass(frozen=True)
class _Shown:
    """What one Example is shown; `tiles` is None where the features of `key` are known already."""

    key: Hashable
    tiles: NDArray[np.uint8] | None


@dataclass(frozen=True)
class _Prepared:
    """A batch without features, and what each of its groups is shown."""

    batch: Batch
    shown: tuple[_Shown, ...]


@dataclass(frozen=True)
class _Made:
    """What the thread made of a step. `unread` are the units, by place, whose Samples this process could not read."""

    prepared: list[_Prepared]
    dropped: tuple[Dropped, ...]
    num_units: int
    unread: dict[int, Dropped]


class StepLoader:
    """Batches for steps in increasing order; decoding overlaps the model's work.

    With `features`, batches hold a frozen encoder's patches instead of pictures. Not with a blind stage. With
    `num_path_draws`, batches say which paths each picture drops, drawn from (seed, step, Example) alone.
    """

    def __init__(
        self,
        plan: Plan,
        processor: Processor,
        config: StageConfig,
        seed: int,
        *,
        num_steps: int | None = None,
        ranks: Ranks = ALONE,
        cost: Cost | None = None,
        num_path_draws: int = 0,
        features: VisionFeatures | None = None,
    ) -> None:
        self._plan = plan
        self._processor = processor
        self._config = config
        self._seed = seed
        self._num_steps = config.num_steps if num_steps is None else num_steps
        self._ranks = ranks
        self._cost = cost or (lambda num_pictures, num_tokens: float(num_tokens))
        self._num_path_draws = num_path_draws
        self._features = features
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._decoders = ThreadPoolExecutor(_num_decoders(), thread_name_prefix="decoders")
        self._pending: dict[int, Future[_Made]] = {}

    def get(self, step: int) -> StepData:
        """Return what there is to do in `step` and start on the next ones. Pictures not met before are encoded here."""
        for ahead in range(step, min(step + 1 + _STEPS_AHEAD, self._num_steps)):
            if ahead not in self._pending:
                self._pending[ahead] = self._pool.submit(self._make, ahead)
        began = time.perf_counter()
        made = self._agreed(step, self._pending.pop(step).result())
        waited = time.perf_counter() - began
        for item in made.prepared:
            if self._features is not None and item.shown:
                # Not in the thread: the model's own number of threads is part of what fixes the bytes.
                item.batch.patches = torch.cat([self._features.get(shown.key, shown.tiles) for shown in item.shown])
        return StepData(tuple(item.batch for item in made.prepared), made.dropped, made.num_units, waited)

    def _agreed(self, step: int, made: _Made) -> _Made:
        """Return the step without the units that any process could not read: all must pack the same rows."""
        if not self._ranks.largest(len(made.unread)):
            return made
        while True:
            everyone = self._ranks.all_of(made.unread)
            if all(found.keys() == made.unread.keys() for found in everyone):
                return made
            unread: dict[int, Dropped] = {}
            for found in everyone:
                unread = found | unread
            made = self._make(step, unread)

    def _make(self, step: int, without: Mapping[int, Dropped] | None = None) -> _Made:
        """Plan, pack, take this process's rows, decode, preprocess and collate; `without` units, by place."""
        units, config = self._plan.units(step), self._config
        unread = dict(without or {})
        laid_out: list[tuple[HeldUnit, Example]] = []
        for place, unit in enumerate(units):
            if place in unread:
                continue
            try:
                samples = unit.read()
                example = self._processor.example(
                    samples, unit.root, template=config.template, blank=True, pairs=config.preference is not None
                )
            except DataError as error:
                unread[place] = Dropped((unit.name,), error.message)
            else:
                laid_out.append((HeldUnit(samples, unit.root), example))
        dropped = [unread[place] for place in sorted(unread)] if self._ranks.is_first else []
        lengths = [example.num_tokens for _, example in laid_out]
        rows = pack(lengths, self._config.packed_tokens or max(lengths, default=1))
        costs = [self._cost(len(example.pictures), example.num_tokens) for _, example in laid_out]
        # Processes wait for each other after every batch, and a batch is as wide as its longest row: like by like.
        split = split_in_turns if self._config.rows_per_batch else split_by_cost
        shares = split([sum(costs[item] for item in row) for row in rows], self._ranks.size)
        mine = [[laid_out[item] for item in rows[number]] for number in shares[self._ranks.rank]]
        at_a_time = self._config.rows_per_batch or max(1, len(mine))
        prepared = []
        for start in range(0, len(mine), at_a_time):
            made = self._prepare(step, mine[start : start + at_a_time], dropped)
            if made is not None:
                prepared.append(made)
        return _Made(prepared, tuple(dropped), len(units), unread)

    def _prepare(
        self, step: int, rows: Sequence[Sequence[tuple[HeldUnit, Example]]], dropped: list[Dropped]
    ) -> _Prepared | None:
        """Return the batch of these rows; None if none of their units can be used."""
        filled: list[list[Example]] = []
        shown: list[_Shown] = []
        decoded = [
            [(example, self._decoders.submit(self._show, unit, len(example.pictures))) for unit, example in row]
            for row in rows
        ]
        for row in decoded:
            filled.append([])
            for example, showing in row:
                try:
                    looked_at = showing.result()
                except DataError as error:
                    dropped.append(Dropped(example.ids, error.message))
                    continue
                if self._features is None and not self._config.blind:
                    assert looked_at.tiles is not None
                    example = replace(example, pictures=looked_at.tiles, blank=False)
                elif len(example.pictures) and not self._config.blind:
                    shown.append(looked_at)
                filled[-1].append(example)
        filled = [row for row in filled if row]
        if not filled:
            return None
        batch = self._processor.collate_rows(filled)
        batch.path_draws = self._path_draws(step, [example for row in filled for example in row])
        return _Prepared(batch, tuple(shown))

    def _show(self, unit: HeldUnit, num_pictures: int) -> _Shown:
        if self._config.blind or not num_pictures:
            return _Shown(None, np.zeros((0, 3, *[self._processor.config.layout.tile_size] * 2), np.uint8))
        sample = unit.samples[0]
        key = (self._processor.tiles_key(sample, unit.root), num_pictures)
        if self._features is not None and key in self._features:
            return _Shown(key, None)
        return _Shown(key, self._processor.tiles(sample, unit.root, num_pictures=num_pictures))

    def _path_draws(self, step: int, examples: Sequence[Example]) -> torch.Tensor | None:
        if not self._num_path_draws:
            return None
        draws = [
            generator(self._seed, "drop path", step, *example.ids).random(
                (len(example.pictures), self._num_path_draws), dtype=np.float32
            )
            for example in examples
        ]
        return torch.from_numpy(np.concatenate(draws))

    def __enter__(self) -> StepLoader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._decoders.shutdown(cancel_futures=True)


def _num_decoders() -> int:
    """Return how many threads decode: this process's share of the machine's processors."""
    return max(1, min(_MOST_DECODERS, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
