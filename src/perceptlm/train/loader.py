"""Batches as a function of (seed, step), made one step ahead in a thread.

Nothing is remembered between steps, so a resumed run asks for step k and gets what an uninterrupted one got.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch

from perceptlm.batch import Batch
from perceptlm.data.mixture import plan_step
from perceptlm.data.sample_set import SampleSet
from perceptlm.preprocess.processor import Processor
from perceptlm.train.configuration import StageConfig

_STEPS_AHEAD = 2


class StepLoader:
    """Batches for steps in increasing order; decoding overlaps the model's work."""

    def __init__(self, world: Path, processor: Processor, config: StageConfig, seed: int) -> None:
        self._samples = SampleSet.open(world, "train", tuple(config.tasks))
        self._root = world
        self._processor = processor
        self._config = config
        self._seed = seed
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._pending: dict[int, Future[Batch]] = {}

    def make(self, step: int) -> Batch:
        """Return the batch of `step`: plan, decode, preprocess, collate."""
        config = self._config
        plan = plan_step(
            self._samples,
            config.tasks,
            seed=self._seed,
            step=step,
            num_groups=config.num_groups,
            num_branches=config.num_branches,
        )
        examples = [self._processor.example(group, self._root, template=config.template) for group in plan]
        batch = self._processor.collate(examples, max_tokens=config.packed_tokens)
        if config.blind:
            batch.pictures = torch.zeros_like(batch.pictures[:1]).expand(batch.pictures.shape)
        return batch

    def get(self, step: int) -> Batch:
        """Return the batch of `step` and start on the next ones."""
        for ahead in range(step, min(step + 1 + _STEPS_AHEAD, self._config.num_steps)):
            if ahead not in self._pending:
                self._pending[ahead] = self._pool.submit(self.make, ahead)
        return self._pending.pop(step).result()

    def __enter__(self) -> StepLoader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)
