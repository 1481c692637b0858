"""Plan: which Samples every step of a run sees, whatever it is made of. Knows no pixels, no tokens and no processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from perceptlm.data.blend import BlendPlan
from perceptlm.data.mixture import plan_step
from perceptlm.data.sample_set import SampleSet
from perceptlm.data.source import Source
from perceptlm.schema import Sample, Task


class Unit(Protocol):
    """What one Example is made of: Samples about the same pictures, and the folder that their media lie in."""

    @property
    def root(self) -> Path:
        """The folder that paths of media begin in."""

    @property
    def name(self) -> str:
        """What to call it where its Samples cannot be read."""

    def read(self) -> tuple[Sample, ...]:
        """Return its Samples; DataError if they cannot be read."""


class Plan(Protocol):
    """A pure function from a step to its units: nothing is remembered, so a run goes on from anywhere."""

    def units(self, step: int) -> Sequence[Unit]:
        """Return the units of `step` (from 0), in a fixed order, for all processes together."""


@dataclass(frozen=True)
class HeldUnit:
    """Samples that are in memory."""

    samples: tuple[Sample, ...]
    root: Path

    @property
    def name(self) -> str:
        """The first one's id."""
        return self.samples[0].id

    def read(self) -> tuple[Sample, ...]:
        """Return the Samples."""
        return self.samples


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
        return [HeldUnit(samples, self.root) for samples in plan]


class SourcePlan:
    """Several datasets; in an epoch every unit of a source comes as often as that repeats."""

    def __init__(self, sources: Sequence[Source], repeats: Sequence[float], *, seed: int, num_units: int) -> None:
        self._sources = tuple(sources)
        self._num_units = num_units
        self.blend = BlendPlan.of_repeats(
            [source.name for source in sources], [len(source) for source in sources], repeats, seed
        )

    def units(self, step: int) -> Sequence[Unit]:
        """Return the units of `step`, which the system is asked to read ahead."""
        planned = self.blend.units_of_step(step, self._num_units)
        for number, source in enumerate(self._sources):
            source.prefetch(unit for place, unit in planned if place == number)
        return [self._sources[place].unit(unit) for place, unit in planned]


@dataclass(frozen=True)
class HeldOutPlan:
    """Some units, in as many steps as they need: the same ones every time, so that losses can be compared."""

    held: tuple[Unit, ...]
    units_per_step: int

    @property
    def num_steps(self) -> int:
        """After how many steps all have been seen."""
        return -(-len(self.held) // self.units_per_step)

    def units(self, step: int) -> Sequence[Unit]:
        """Return the units of `step`."""
        first = step * self.units_per_step
        return self.held[first : first + self.units_per_step]


def first_groups(sample_set: SampleSet, root: Path, *, num_groups: int, num_branches: int) -> tuple[Unit, ...]:
    """Return the first groups of a set, each with its first Samples."""
    return tuple(HeldUnit(group[:num_branches], root) for group in sample_set.groups[:num_groups])
