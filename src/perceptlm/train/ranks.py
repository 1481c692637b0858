"""The processes that train together: which one this is, and the few numbers that they tell each other.

`torchrun` starts them; without it there is one, and nothing here does anything. Knows no model and no data.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh

from perceptlm.errors import UsageError
from perceptlm.model.device import best_device

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

T = TypeVar("T")
_PATIENCE = datetime.timedelta(hours=1)
"""How long a process waits for the others, who may be writing a large model to a slow disk."""


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank` of `size`. `mesh` says who holds which share of a model: (copies, shares)."""

    rank: int = 0
    size: int = 1
    mesh: DeviceMesh | None = None

    @property
    def is_first(self) -> bool:
        """Whether this one writes what is written once."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sums over all processes, element by element, in fp64."""
        if self.size == 1:
            return [float(value) for value in values]
        total = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(total)
        return [float(value) for value in total]

    def largest(self, value: int) -> int:
        """Return the largest of all processes' values."""
        if self.size == 1:
            return value
        largest = torch.tensor(value)
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
        return int(largest)

    def all_of(self, value: T) -> list[T]:
        """Return every process's value, in order."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def of_first(self, value: T) -> T:
        """Return the first process's value, in every process."""
        if self.size == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held)
        return held[0]

    def wait(self) -> None:
        """Return when all have come here."""
        if self.size > 1:
            distributed.barrier()


ALONE = Ranks()


@contextmanager
def joined_ranks(num_copies: int = 1) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started, if it did; a model is held `num_copies` times, shared out in each.

    Raises UsageError if there are not as many processes as that needs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if num_copies < 1 or size % num_copies:
        raise UsageError(
            f"{size} processes cannot hold {num_copies} copies of a model", hint="choose a number that divides"
        )
    if size == 1:
        yield ALONE
        return
    device = best_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # The numbers told each other are on the CPU, whatever the model is on.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        shape = (num_copies, size // num_copies)
        mesh = init_device_mesh(device.type, shape, mesh_dim_names=("copies", "shares"))
        yield Ranks(distributed.get_rank(), size, mesh)
    finally:
        distributed.destroy_process_group()
