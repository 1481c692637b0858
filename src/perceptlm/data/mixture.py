"""Which Samples each training step sees, as a pure function of (seed, step).

Nothing is remembered between steps: a run resumed at step k asks for step k and gets what an uninterrupted one got.
The place of a group in the whole run is its *slot*: `step * num_groups + i`. Three draws fill a slot.

1. Its task. Slots come in cycles of about 1024; in each, every task has its share of the weights (at least one slot),
   in a shuffled order of that cycle. So how often a task came before any slot is known without looking back.
2. A group that has this task: for the k-th slot of a task with n groups, place k mod n of a permutation drawn for
   epoch k div n. Every group of the task is seen before one comes again. Its Sample of that task changes with the
   epoch.
3. The other branches: for each, a task drawn by weight among those the group still has Samples of, then one of these.

With groups that offer all tasks with Samples to spare, the tasks of all branches come out at the weights. Where a
group runs out of a heavy task's Samples, lighter ones of the same group fill up. Knows no pixels and no tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import ConfigError
from perceptlm.schema import Sample, Task
from perceptlm.seeding import generator

_SLOTS_PER_CYCLE = 1024


def plan_step(
    sample_set: SampleSet,
    weights: Mapping[Task, float],
    *,
    seed: int,
    step: int,
    num_groups: int,
    num_branches: int,
) -> list[tuple[Sample, ...]]:
    """Return the `num_groups` Examples of `step` (from 0), each 1 to `num_branches` Samples of one group.

    `weights` need not sum to 1; tasks without one, or with 0, are never seen. The cost does not grow with `step`.
    Raises ConfigError for weights that name no Samples, or are negative, not finite, or all 0.
    """
    shares = _shares(sample_set, weights)
    tasks = tuple(shares)
    quotas = _quotas(tuple(shares.values()))
    plan = []
    for slot in range(step * num_groups, (step + 1) * num_groups):
        cycle, place = divmod(slot, sum(quotas))
        order = _cycle_order(seed, cycle, quotas)
        number = int(order[place])
        occurrence = cycle * quotas[number] + int((order[:place] == number).sum())
        task = tasks[number]
        groups = sample_set.groups_of[task]
        epoch, turn = divmod(occurrence, len(groups))
        group = groups[int(_permutation(seed, task, epoch, len(groups))[turn])]
        first = _sample_of_epoch(sample_set.groups[group], task, epoch, seed=seed, group_number=group)
        fill = generator(seed, "mixture", "fill", slot)
        plan.append((first, *_fill(sample_set.groups[group], first, shares, num_branches - 1, fill)))
    return plan


def _shares(sample_set: SampleSet, weights: Mapping[Task, float]) -> dict[Task, float]:
    """Return the positive weights as shares of 1, in alphabetical order of tasks."""
    for task, weight in weights.items():
        if not math.isfinite(weight) or weight < 0:
            raise ConfigError(f"the weight of task '{task}' is {weight}; weights are finite and not negative")
        if weight > 0 and task not in sample_set.groups_of:
            raise ConfigError(
                f"task '{task}' has weight {weight} but no samples",
                hint=f"tasks with samples: {', '.join(sorted(sample_set.groups_of))}",
            )
    total = sum(weights[task] for task in sorted(weights))
    if total <= 0:
        raise ConfigError("no task has a weight above 0")
    return {task: weights[task] / total for task in sorted(weights) if weights[task] > 0}


def _quotas(shares: tuple[float, ...]) -> tuple[int, ...]:
    """Return how many slots of a cycle each share gets: at least one."""
    return tuple(max(1, round(share * _SLOTS_PER_CYCLE)) for share in shares)


@lru_cache(maxsize=8)
def _cycle_order(seed: int, cycle: int, quotas: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the task number of every slot of `cycle`."""
    numbers = np.repeat(np.arange(len(quotas)), quotas)
    return generator(seed, "mixture", "cycle", cycle).permutation(numbers)


@lru_cache(maxsize=64)
def _permutation(seed: int, task: Task, epoch: int, length: int) -> NDArray[np.int64]:
    return generator(seed, "mixture", "groups", task, epoch).permutation(length)


def _sample_of_epoch(group: tuple[Sample, ...], task: Task, epoch: int, *, seed: int, group_number: int) -> Sample:
    """Return one of the group's Samples of `task`: all of them come before one comes again."""
    candidates = [sample for sample in group if sample.task == task]
    order = generator(seed, "mixture", "samples", task, group_number).permutation(len(candidates))
    return candidates[int(order[epoch % len(candidates)])]


def _fill(
    group: tuple[Sample, ...],
    first: Sample,
    shares: Mapping[Task, float],
    num_wanted: int,
    draw: np.random.Generator,
) -> list[Sample]:
    """Return up to `num_wanted` other Samples of the group, tasks drawn by share, no Sample twice."""
    left: dict[Task, list[Sample]] = {}
    for sample in group:
        if sample is not first and sample.task in shares:
            left.setdefault(sample.task, []).append(sample)
    chosen: list[Sample] = []
    while left and len(chosen) < num_wanted:
        tasks = sorted(left)
        heights = np.cumsum([shares[task] for task in tasks])
        task = tasks[min(int(np.searchsorted(heights, draw.random() * heights[-1], "right")), len(tasks) - 1)]
        chosen.append(left[task].pop(int(draw.integers(len(left[task])))))
        if not left[task]:
            del left[task]
    return chosen
