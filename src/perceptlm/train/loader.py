"""Batches as a function of (seed, step), made some steps ahead in a thread.

Nothing that a batch depends on is remembered between steps, so a resumed run asks for step k and gets what an
uninterrupted one got. Where pixels are not needed no file is opened: a blind stage shows grey pictures, and a frozen
vision encoder's output is taken from VisionFeatures once it is there.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from perceptlm.batch import Batch
from perceptlm.data.mixture import plan_step
from perceptlm.data.sample_set import SampleSet
from perceptlm.preprocess.processor import Processor
from perceptlm.schema import Sample
from perceptlm.train.configuration import StageConfig
from perceptlm.train.vision_features import VisionFeatures

_STEPS_AHEAD = 2


@dataclass(frozen=True)
class _Shown:
    """What one group of a batch is shown; `tiles` is None where the features of `key` are known already."""

    key: Hashable
    tiles: NDArray[np.uint8] | None


class StepLoader:
    """Batches for steps in increasing order; decoding overlaps the model's work.

    With `features`, batches hold a frozen encoder's patches instead of pictures. Not with a blind stage.
    """

    def __init__(
        self,
        world: Path,
        processor: Processor,
        config: StageConfig,
        seed: int,
        features: VisionFeatures | None = None,
    ) -> None:
        self._samples = SampleSet.open(world, "train", tuple(config.tasks))
        self._root = world
        self._processor = processor
        self._config = config
        self._seed = seed
        self._features = features
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._pending: dict[int, Future[tuple[Batch, list[_Shown]]]] = {}

    def get(self, step: int) -> Batch:
        """Return the batch of `step` and start on the next ones. Pictures not met before are encoded here."""
        for ahead in range(step, min(step + 1 + _STEPS_AHEAD, self._config.num_steps)):
            if ahead not in self._pending:
                self._pending[ahead] = self._pool.submit(self._make, ahead)
        batch, shown = self._pending.pop(step).result()
        if self._features is not None and batch.num_pictures:
            # Not in the thread: the model's own number of threads is part of what fixes the bytes.
            batch.patches = torch.cat([self._features.get(item.key, item.tiles) for item in shown])
        return batch

    def _make(self, step: int) -> tuple[Batch, list[_Shown]]:
        """Plan, decode, preprocess and collate; also return what each group of the batch is shown, in its order."""
        config = self._config
        plan = plan_step(
            self._samples,
            config.tasks,
            seed=self._seed,
            step=step,
            num_groups=config.num_groups,
            num_branches=config.num_branches,
        )
        blank = config.blind or self._features is not None
        examples = [self._processor.example(group, self._root, template=config.template, blank=blank) for group in plan]
        # First fit leaves the least padding when the longest come first.
        longest_first = sorted(examples, key=lambda example: -example.num_tokens)
        row_length = config.packed_tokens or longest_first[0].num_tokens
        batch = self._processor.collate(longest_first, max_tokens=row_length)
        if self._features is None:
            return batch, []
        # Packing may change the order of groups, and a group may come twice in a step.
        shown = {
            example.ids: self._show(group[0], len(example.pictures))
            for example, group in zip(examples, plan, strict=True)
        }
        return batch, [shown[ids] for ids in batch.ids]

    def _show(self, sample: Sample, num_pictures: int) -> _Shown:
        key = (self._processor.tiles_key(sample, self._root), num_pictures)
        if self._features is not None and key in self._features:
            return _Shown(key, None)
        return _Shown(key, self._processor.tiles(sample, self._root, num_pictures=num_pictures))

    def __enter__(self) -> StepLoader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)
