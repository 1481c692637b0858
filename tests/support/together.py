"""Processes that are threads of this one: Ranks that meet at a barrier, for what would take many real ones too long."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from perceptlm.train.ranks import Ranks

T = TypeVar("T")


@dataclass
class Board:
    """Where `size` threads write what they tell each other."""

    size: int
    values: list[Any] = field(init=False)
    barrier: threading.Barrier = field(init=False)

    def __post_init__(self) -> None:
        self.values = [None] * self.size
        self.barrier = threading.Barrier(self.size)


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    """Number `rank` of the threads that share `board`."""

    board: Board = field(default_factory=lambda: Board(1))

    def all_of(self, value: T) -> list[T]:
        """Return every thread's value, in order."""
        self.board.values[self.rank] = value
        self.board.barrier.wait()
        found = list(self.board.values)
        self.board.barrier.wait()
        return found

    def largest(self, value: int) -> int:
        """Return the largest of all threads' values."""
        return max(self.all_of(value))

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sums over all threads, element by element."""
        return [float(sum(column)) for column in zip(*self.all_of(list(values)), strict=True)]
