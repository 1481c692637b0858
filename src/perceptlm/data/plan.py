"""Plan: which Samples every step of a run sees, whatever it is made of. Knows no pixels, no tokens and no processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from perceptlm.data.mixture import plan_step
from perceptlm.data.sample_set import SampleSet
from perceptlm.schema import Sample, Task


@dataclass(frozen=True)
class Unit:
    """What one Example is made of: Samples about the same pictures, and the folder that their media lie in."""

    samples: tuple[Sample, ...]
    root: Path


class Plan(Protocol):
    """A pure function from a step to its units: nothing is remembered, so a run goes on from anywhere."""

    def units(self, step: int) -> Sequence[Unit]:
        """Return the units of `step` (from 0), in a fixed order, for all processes together."""


@dataclass(frozen=True)
class TaskPlan:
    """The tasks of one dataset, by weight (`mixture`)."""

    sample_set: SampleSet
    root: Path
    weights: Mapping[Task, float]
    seed: int
    num_groups: int
    num_branches: int

    def units(self, step: int) -> Sequence[Unit]:
        """Return the groups of `step`."""
        plan = plan_step(
            self.sample_set,
            self.weights,
            seed=self.seed,
            step=step,
            num_groups=self.num_groups,
            num_branches=self.num_branches,
        )
        return [Unit(samples, self.root) for samples in plan]


@dataclass(frozen=True)
class HeldOutPlan:
    """The first `num_units` groups of a set, each with its first Samples, in as many steps as they need.

    The same ones every time, so that losses can be compared from one look to the next.
    """

    sample_set: SampleSet
    root: Path
    num_units: int
    units_per_step: int
    num_branches: int

    @property
    def num_steps(self) -> int:
        """After how many steps all have been seen."""
        return -(-min(self.num_units, len(self.sample_set.groups)) // self.units_per_step)

    def units(self, step: int) -> Sequence[Unit]:
        """Return the groups of `step`."""
        first = step * self.units_per_step
        groups = self.sample_set.groups[: self.num_units][first : first + self.units_per_step]
        return [Unit(group[: self.num_branches], self.root) for group in groups]
