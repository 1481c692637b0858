"""The loop that pretrains a part: chunks of batches made ahead in a worker process, AdamW, a log, resumable state.

A chunk is a pure function of its number, so a run that was killed goes on from its last saved state to the same bytes.
It knows neither pictures nor lessons: `Course` brings them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perceptlm.artifact import RUN_FOLDER
from perceptlm.exchange.jsonl import JsonlAppender
from perceptlm.log import progress
from perceptlm.train.checkpoint import STATE_FOLDER, SavedStates, cut_log
from perceptlm.train.optimiser import set_learning_rates, state_tensors, take_step
from perceptlm.train.parts.configuration import PartRecipe
from perceptlm.train.schedule import learning_rate_factor
from perceptlm.train.trainer import deterministic
from perceptlm.train.training_log import METRICS, THROUGHPUT
from perceptlm.workers import worker_pool

_CHUNKS_AHEAD = 2
Figures = dict[str, tuple[float, float]]
"""Name -> (sum, weight): what to show is their quotient over a chunk."""


@dataclass(frozen=True)
class Course:
    """What a part is taught. `make` must be picklable; batches are whatever `loss` takes."""

    name: str
    module: nn.Module
    """All that trains: the part and what is thrown away afterwards."""
    make: Callable[[int], Sequence[Any]]
    """Chunk number -> batches."""
    loss: Callable[[Any], tuple[Tensor, Figures]]
    """Batch -> loss to minimise, and what to log."""
    validate: Callable[[], Iterable[Figures]]
    """Figures of scenes that are not taught."""


def teach(course: Course, recipe: PartRecipe, folder: Path) -> None:
    """Run every chunk that is left; writes `metrics.jsonl`, one line per chunk, under `folder`."""
    optimiser = _make_optimiser(course.module, recipe)
    (folder / RUN_FOLDER).mkdir(exist_ok=True)
    with (
        deterministic(recipe.num_threads),
        _chunks(course.make, recipe.num_chunks) as chunk_of,
        SavedStates(folder / STATE_FOLDER) as states,
        progress("status") as bar,
    ):
        start = states.load(state_tensors(course.module, optimiser))
        cut_log(folder / METRICS, start)
        cut_log(folder / RUN_FOLDER / THROUGHPUT, start, "chunk")
        task = bar.add_task(course.name, total=recipe.num_chunks, completed=start, status="")
        with JsonlAppender(folder / METRICS) as metrics, JsonlAppender(folder / RUN_FOLDER / THROUGHPUT) as rates:
            for number in range(start, recipe.num_chunks):
                if number > start and number % recipe.checkpoint_every == 0:
                    states.save(number, state_tensors(course.module, optimiser))
                began = time.perf_counter()
                batches = chunk_of(number)
                waited = time.perf_counter() - began
                record = _learn(course, recipe, optimiser, number, batches)
                if (number + 1) % recipe.validate_every == 0 or number + 1 == recipe.num_chunks:
                    course.module.eval()
                    record["validation"] = mean_figures(course.validate())
                    course.module.train()
                metrics.write(record)
                seconds = time.perf_counter() - began
                rates.write({"chunk": number, "seconds": seconds, "data_wait_seconds": waited})
                bar.update(task, advance=1, status=f"loss {record['loss']:.3f}")
        states.remove()


def _learn(
    course: Course, recipe: PartRecipe, optimiser: torch.optim.Optimizer, number: int, batches: Sequence[Any]
) -> dict[str, Any]:
    """Take one step per batch; return the chunk's log record."""
    figures: list[Figures] = []
    total = 0.0
    for place, batch in enumerate(batches):
        # The schedule counts chunks; within one it moves with every batch.
        when = number + place / len(batches)
        set_learning_rates(optimiser, learning_rate_factor(when, recipe.num_chunks, recipe.schedule))
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss, shown = course.loss(batch)
        where = f"{course.name}, chunk {number}, batch {place}"
        value, _ = take_step(optimiser, loss, recipe.optimiser.max_grad_norm, where=where)
        total += value
        figures.append(shown)
    mean = round(total / len(batches), 6)
    return {"step": number, "loss": mean, "num_batches": len(batches), "figures": mean_figures(figures)}


def mean_figures(figures: Iterable[Figures]) -> dict[str, float]:
    """Return the quotient of summed amount and weight of every name; names without weight are left out."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for shown in figures:
        for name, (amount, weight) in shown.items():
            sums[name][0] += amount
            sums[name][1] += weight
    return {name: round(amount / weight, 5) for name, (amount, weight) in sorted(sums.items()) if weight}


def _make_optimiser(module: nn.Module, recipe: PartRecipe) -> torch.optim.AdamW:
    """Return AdamW over everything; vectors are not decayed."""
    settings = recipe.optimiser
    groups: list[dict[str, Any]] = []
    for decayed in (True, False):
        named = [(name, p) for name, p in module.named_parameters() if (p.ndim >= 2) == decayed]
        groups.append(
            {
                "params": [parameter for _, parameter in named],
                "names": [name for name, _ in named],
                "peak_lr": recipe.learning_rate,
                "weight_decay": settings.weight_decay if decayed else 0.0,
            }
        )
    return torch.optim.AdamW(groups, lr=0.0, betas=settings.betas, eps=settings.eps, fused=True)


@contextmanager
def _chunks(make: Callable[[int], Sequence[Any]], num_chunks: int) -> Iterator[Callable[[int], Sequence[Any]]]:
    """Yield a function that returns chunks in increasing order; a worker process makes the next ones meanwhile."""
    with worker_pool(1) as pool:
        pending: dict[int, Future[Sequence[Any]]] = {}

        def get(number: int) -> Sequence[Any]:
            for ahead in range(number, min(number + 1 + _CHUNKS_AHEAD, num_chunks)):
                if ahead not in pending:
                    pending[ahead] = pool.submit(make, ahead)
            return pending.pop(number).result()

        yield get
