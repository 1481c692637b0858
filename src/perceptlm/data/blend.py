"""Which units of several datasets each step sees, as a pure function of (seed, step): nothing is remembered.

The place of a unit in the whole run is its *slot*: `step * units_per_step + i`. Slots come in epochs; where an epoch
begins follows from arithmetic on whole numbers, so going on at any slot costs the same as beginning.

In an epoch a source with n units and `repeats` r has r * n slots. Where that is no whole number, the slots that all
sources have had by the end of epoch e are shared out by largest remainder, so a source is never a whole slot away from
e * r * n, and exactly there whenever that is whole. All slots of an epoch are shuffled together. The k-th slot of a
source shows place k mod n of a shuffle drawn for pass k div n: all units come before one comes again. So at the end of
every epoch the numbers of times that two units of a source have come differ by one at most.

Knows numbers of units only: no rows, files or pixels. (`mixture` plans tasks of one small world instead.)
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from perceptlm.config import Config, digest_of
from perceptlm.data.permutation import Permutation
from perceptlm.data.row_index import RowIndex
from perceptlm.errors import ConfigError, UsageError
from perceptlm.schema import Split

_NUM_LIMITS = 12
_EVEN_ENOUGH = 1e-3


class BlendSource(Config):
    """One dataset of a blend. `repeats` is how often each of its units comes per epoch; 0.25 means in one of four."""

    name: str = Field(min_length=1)
    data: Path
    media: Path | None = Field(default=None, description="where its media paths begin; None: in `data`")
    split: Split = "train"
    repeats: float = Field(default=1.0, gt=0)

    @property
    def media_root(self) -> Path:
        """Where the paths of its media begin."""
        return self.data if self.media is None else self.media


class Blend(Config):
    """Datasets that are trained on together."""

    sources: tuple[BlendSource, ...] = Field(min_length=1)

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[BlendSource, ...]) -> tuple[BlendSource, ...]:
        names = [source.name for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called '{name}'")
        return sources

    def open(self) -> list[RowIndex]:
        """Open the index of every source, in order."""
        return [RowIndex.open(source.data, source.split) for source in self.sources]


class PlannedUnit(NamedTuple):
    """A unit to be shown: `source` and `unit` are places in the plan's sources and in that source's index."""

    source: int
    unit: int


class BlendPlan:
    """The order of all units of all sources over all epochs.

    `num_units` and `repeats` are per source; `names` are for reports. Raises ConfigError for a source that would have
    less than one slot an epoch.
    """

    def __init__(self, names: Sequence[str], num_units: Sequence[int], repeats: Sequence[Fraction], seed: int) -> None:
        self.names = tuple(names)
        self.num_units = tuple(num_units)
        self.repeats = tuple(repeats)
        self.seed = seed
        self._per_epoch = tuple(n * r for n, r in zip(self.num_units, self.repeats, strict=True))
        self._total = sum(self._per_epoch, Fraction(0))
        for name, slots in zip(self.names, self._per_epoch, strict=True):
            if slots < 1:
                message = f"source '{name}' would have {float(slots):.3g} slots an epoch"
                raise ConfigError(message, hint="give it more repeats, or a larger share")
        self._counts_before = lru_cache(maxsize=8)(self._share_out)
        self._order = lru_cache(maxsize=4)(self._epoch_order)
        self._pass = lru_cache(maxsize=4 * len(self.names))(self._pass_order)

    @classmethod
    def of_blend(cls, blend: Blend, indexes: Sequence[RowIndex], seed: int) -> BlendPlan:
        """Plan a blend over its opened indexes."""
        names, repeats = [s.name for s in blend.sources], [s.repeats for s in blend.sources]
        return cls.of_repeats(names, [index.num_units for index in indexes], repeats, seed)

    @classmethod
    def of_repeats(
        cls, names: Sequence[str], num_units: Sequence[int], repeats: Sequence[float], seed: int
    ) -> BlendPlan:
        """Plan sources whose `repeats` count as the decimal numbers they are written as."""
        return cls(names, num_units, [Fraction(str(value)) for value in repeats], seed)

    @classmethod
    def of_shares(
        cls, shares: Mapping[str, float], num_units: Mapping[str, int], slots_per_epoch: int, seed: int
    ) -> BlendPlan:
        """Plan epochs of `slots_per_epoch` slots in which each source has its share: exact counts by largest remainder.

        `shares` need not sum to 1. A source's repeats are its slots divided by its units.
        """
        for name, share in shares.items():
            if not math.isfinite(share) or share <= 0:
                raise ConfigError(f"the share of source '{name}' is {share}; shares are finite and above 0")
            if name not in num_units:
                raise ConfigError(f"source '{name}' has a share but no units")
        exact = [Fraction(str(share)) for share in shares.values()]
        counts = largest_remainder([slots_per_epoch * share / sum(exact) for share in exact], slots_per_epoch)
        units = [num_units[name] for name in shares]
        return cls(list(shares), units, [Fraction(c, n) for c, n in zip(counts, units, strict=True)], seed)

    def identity(self) -> str:
        """Return a digest of all that decides the order; a run can only be resumed by a plan of the same."""
        repeats = [str(value) for value in self.repeats]
        return digest_of([list(self.names), list(self.num_units), repeats, self.seed])

    def epoch_start(self, epoch: int) -> int:
        """Return the first slot of an epoch, from 0."""
        return math.floor(epoch * self._total)

    def epoch_of(self, slot: int) -> int:
        """Return the epoch that a slot belongs to."""
        return math.ceil((slot + 1) / self._total) - 1

    def shares(self, epoch: int) -> dict[str, int]:
        """Return how many slots each source has in an epoch, exactly."""
        before, after = self._counts_before(epoch), self._counts_before(epoch + 1)
        return {name: last - first for name, first, last in zip(self.names, before, after, strict=True)}

    def units_of_step(self, step: int, units_per_step: int) -> list[PlannedUnit]:
        """Return the units of `step` (from 0). The cost grows neither with the step nor with the units there are."""
        if step < 0 or units_per_step < 1:
            raise UsageError(f"there is no step {step} of {units_per_step} units")
        slot, end = step * units_per_step, (step + 1) * units_per_step
        found: list[PlannedUnit] = []
        while slot < end:
            epoch = self.epoch_of(slot)
            first, after = self.epoch_start(epoch), self.epoch_start(epoch + 1)
            stop = min(end, after)
            found += self._units(epoch, np.arange(slot - first, stop - first))
            slot = stop
        return found

    def _units(self, epoch: int, places: NDArray[np.int64]) -> list[PlannedUnit]:
        """Return what stands in `places` of the shuffled epoch."""
        before = self._counts_before(epoch)
        bounds = np.cumsum([0, *self.shares(epoch).values()])
        shuffled = self._order(epoch)(places)
        sources = np.searchsorted(bounds, shuffled, "right") - 1
        units = np.empty(len(places), np.int64)
        for source in np.unique(sources).tolist():
            of_source = np.flatnonzero(sources == source)
            turns = shuffled[of_source] - bounds[source] + before[source]
            passes, in_pass = np.divmod(turns, self.num_units[source])
            for number in np.unique(passes).tolist():
                chosen = passes == number
                units[of_source[chosen]] = self._pass(source, number)(in_pass[chosen])
        return [PlannedUnit(source, unit) for source, unit in zip(sources.tolist(), units.tolist(), strict=True)]

    def _share_out(self, epoch: int) -> list[int]:
        """Return how many slots each source has had before an epoch."""
        return largest_remainder([epoch * slots for slots in self._per_epoch], self.epoch_start(epoch))

    def _epoch_order(self, epoch: int) -> Permutation:
        length = self.epoch_start(epoch + 1) - self.epoch_start(epoch)
        return Permutation(length, self.seed, "blend", "epoch", epoch)

    def _pass_order(self, source: int, number: int) -> Permutation:
        # By name: a source added to the blend does not change the order within the others.
        return Permutation(self.num_units[source], self.seed, "blend", "pass", self.names[source], number)


def largest_remainder(exact: Sequence[Fraction], total: int) -> list[int]:
    """Round numbers so that they sum to `total`, which is between the sums of all rounded down and all rounded up.

    Those with the largest remainders are rounded up; of equal ones, the first.
    """
    counts = [math.floor(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda place: (counts[place] - exact[place], place))
    for place in order[: total - sum(counts)]:
        counts[place] += 1
    return counts


def split_by_cost(costs: Sequence[float], num_ranks: int) -> list[list[int]]:
    """Return which of the units with these costs each rank takes: every unit one rank, in ascending order.

    The dearest goes first, to the rank with the least so far (Graham 1969: at most 4/3 of the best possible); of
    equals, the first. Then the smallest limit is looked for under which the units, dearest first, each to the fullest
    rank with room, fit all ranks (after MULTIFIT, Coffman, Garey and Johnson 1978), and taken if that is more even, as
    it is where ranks have few units each. Every rank computes the same from the same costs. Raises UsageError for a
    cost that is negative or not finite.
    """
    dearest_first = _dearest_first(costs, num_ranks)
    taken: list[list[int]] = [[] for _ in range(num_ranks)]
    # Ranks with equal costs differ in how many units they have: units that cost nothing are spread as well.
    loads: list[tuple[float, int, int]] = [(0.0, 0, rank) for rank in range(num_ranks)]
    for place in dearest_first:
        load, number, rank = heapq.heappop(loads)
        taken[rank].append(place)
        heapq.heappush(loads, (load + costs[place], number + 1, rank))
    largest = max(loads)[0]
    least = max([sum(costs) / num_ranks, *(costs[place] for place in dearest_first[:1])])
    for _ in range(_NUM_LIMITS):
        limit = (least + largest) / 2
        if largest <= least * (1 + _EVEN_ENOUGH):
            break
        found = _within_limit(costs, dearest_first, num_ranks, limit)
        if found is None or not all(found):  # nobody stands idle for others to be even
            least = limit
        else:
            taken, largest = found, limit
    return [sorted(places) for places in taken]


def split_in_turns(costs: Sequence[float], num_ranks: int) -> list[list[int]]:
    """Return which units each rank takes, in order, where ranks wait for each other now and then between units.

    The dearest `num_ranks` units are the first turn, and so on, so that what is done at a time costs alike; within a
    turn the dearest goes to the rank with the least so far. Numbers of units differ by one at most. Errors as
    `split_by_cost`.
    """
    dearest_first = _dearest_first(costs, num_ranks)
    taken: list[list[int]] = [[] for _ in range(num_ranks)]
    loads = [0.0] * num_ranks
    for start in range(0, len(dearest_first), num_ranks):
        ranks = sorted(range(num_ranks), key=lambda rank: (loads[rank], rank))
        for place, rank in zip(dearest_first[start : start + num_ranks], ranks, strict=False):
            taken[rank].append(place)
            loads[rank] += costs[place]
    return taken


def _dearest_first(costs: Sequence[float], num_ranks: int) -> list[int]:
    if num_ranks < 1:
        raise UsageError(f"{num_ranks} ranks")
    for place, cost in enumerate(costs):
        if not math.isfinite(cost) or cost < 0:
            raise UsageError(f"the cost of unit {place} is {cost}")
    return sorted(range(len(costs)), key=lambda place: (-costs[place], place))


def _within_limit(costs: Sequence[float], order: Sequence[int], num_ranks: int, limit: float) -> list[list[int]] | None:
    """Give each unit, in this order, to the rank with the least room that has enough; None if one fits nowhere."""
    taken: list[list[int]] = [[] for _ in range(num_ranks)]
    rooms = [(limit, rank) for rank in range(num_ranks)]
    for place in order:
        found = bisect_left(rooms, (costs[place], -1))
        if found == num_ranks:
            return None
        room, rank = rooms.pop(found)
        taken[rank].append(place)
        insort(rooms, (room - costs[place], rank))
    return taken
