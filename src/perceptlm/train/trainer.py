"""The training loop of one stage: batch -> loss per supervised token -> AdamW, with a log and resumable state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from perceptlm.artifact import RUN_FOLDER
from perceptlm.batch import Batch
from perceptlm.exchange.jsonl import JsonlAppender
from perceptlm.log import progress
from perceptlm.model.device import best_device
from perceptlm.model.plm import PerceptionLM
from perceptlm.train.checkpoint import cut_log, load_state, remove_states, save_state
from perceptlm.train.configuration import StageConfig
from perceptlm.train.loader import StepLoader
from perceptlm.train.optimiser import make_optimiser, set_learning_rates, take_step
from perceptlm.train.schedule import learning_rate_factor

METRICS = "metrics.jsonl"
THROUGHPUT = "throughput.jsonl"
SNAPSHOT_FOLDER = "snapshots"
"""Holds a model directory for every `snapshot_every` steps, named by the number of steps before it."""


class Trainer:
    """Trains `model` in place. What it writes under `folder` lets the same call go on after a kill.

    `save_model` writes the model as it is into a directory.
    """

    def __init__(
        self,
        model: PerceptionLM,
        loader: StepLoader,
        config: StageConfig,
        folder: Path,
        save_model: Callable[[Path], None],
    ) -> None:
        self.device = best_device()
        self.model = model.to(self.device)
        self.loader = loader
        self.config = config
        self.folder = folder
        self.save_model = save_model
        self.optimiser = make_optimiser(model, config)

    def fit(self) -> None:
        """Run every step that is left, then remove the saved state."""
        config = self.config
        with deterministic(config.num_threads), self.loader, progress("status") as bar:
            start = load_state(self.folder, self.model, self.optimiser)
            (self.folder / RUN_FOLDER).mkdir(exist_ok=True)
            cut_log(self.folder / METRICS, start)
            cut_log(self.folder / RUN_FOLDER / THROUGHPUT, start)
            name = f"{config.name}{' (no pixels)' if config.blind else ''}"
            task = bar.add_task(name, total=config.num_steps, completed=start, status="")
            with (
                JsonlAppender(self.folder / METRICS) as metrics,
                JsonlAppender(self.folder / RUN_FOLDER / THROUGHPUT) as rates,
            ):
                self.model.train()
                if "vision_encoder" not in config.learning_rates:
                    self.model.vision_encoder.eval()  # what is frozen drops no paths
                for step in range(start, config.num_steps):
                    if step > start and step % config.checkpoint_every == 0:
                        save_state(self.folder, step, self.model, self.optimiser)
                    if config.snapshot_every and step and step % config.snapshot_every == 0:
                        self.save_model(self.folder / SNAPSHOT_FOLDER / f"{step:08d}")
                    began = time.perf_counter()
                    batch = self.loader.get(step)
                    waited = time.perf_counter() - began
                    record = self.step(step, batch)
                    seconds = time.perf_counter() - began
                    metrics.write(record)
                    tokens = int((batch.group >= 0).sum())
                    rates.write({"step": step, "seconds": seconds, "data_wait_seconds": waited, "num_tokens": tokens})
                    status = f"loss {record['loss']:.3f}  {tokens / seconds:,.0f} tokens/s"
                    bar.update(task, advance=1, status=status)
        remove_states(self.folder)

    def step(self, step: int, batch: Batch) -> dict[str, Any]:
        """Do one update and return its log record; TrainingError if loss or gradient is not finite."""
        config = self.config
        factor = learning_rate_factor(step, config.num_steps, config.schedule)
        set_learning_rates(self.optimiser, factor)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            loss = self.model.loss(batch.to(self.device))
        mean = loss.total / loss.num_targets
        where = f"stage {config.name}, step {step}"
        value, norm = take_step(self.optimiser, mean, config.optimiser.max_grad_norm, where=where)
        per_task = {
            tag: round(float(total) / int(count), 6)
            for tag, total, count in zip(batch.tags, loss.per_tag, loss.per_tag_count, strict=True)
            if count
        }
        return {
            "step": step,
            "loss": round(value, 6),
            "per_task": per_task,
            "gradient_norm": round(norm, 6),
            "learning_rate_factor": round(factor, 8),
            "num_targets": loss.num_targets,
            "num_pictures": batch.num_pictures,
        }


@contextmanager
def deterministic(num_threads: int) -> Iterator[None]:
    """Fix the thread count and forbid operations whose result depends on timing."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)
