"""Source: the units of one dataset that a run learns from or looks at, and keeping some back by recording.

In which order they are shown is `blend`'s matter. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perceptlm.data.row_index import RowIndex
from perceptlm.errors import ConfigError
from perceptlm.log import progress
from perceptlm.schema import Sample, Split
from perceptlm.seeding import derive_seed

_SEEDS = 2**63


@dataclass(frozen=True)
class IndexedUnit:
    """One unit of an index, read when it is asked for."""

    index: RowIndex
    number: int
    root: Path
    source: str

    @property
    def name(self) -> str:
        """The source and the number of its unit."""
        return f"{self.source}, unit {self.number}"

    def read(self) -> tuple[Sample, ...]:
        """Return its Samples; DataError if they cannot be read."""
        return self.index.unit_samples(self.number)


@dataclass(frozen=True)
class Source:
    """Units of an index: all, or those that `chosen` numbers, ascending. `media` is where paths of media begin."""

    name: str
    index: RowIndex
    media: Path
    chosen: NDArray[np.int64] | None = None

    @classmethod
    def open(cls, name: str, root: Path, split: Split, media: Path | None = None) -> Source:
        """Open the index of a split; DataError if there is none."""
        return cls(name, RowIndex.open(root, split), root if media is None else media)

    def __len__(self) -> int:
        return self.index.num_units if self.chosen is None else len(self.chosen)

    def unit(self, number: int) -> IndexedUnit:
        """Return one of the units."""
        return IndexedUnit(self.index, self._place(number), self.media, self.name)

    def first(self, num_units: int) -> tuple[IndexedUnit, ...]:
        """Return the first units."""
        return tuple(self.unit(number) for number in range(min(num_units, len(self))))

    def prefetch(self, numbers: Iterable[int]) -> None:
        """Ask the system to read these units ahead."""
        self.index.prefetch(self._place(number) for number in numbers)

    def _place(self, number: int) -> int:
        return number if self.chosen is None else int(self.chosen[number])


def keep_back(source: Source, share: float, seed: int) -> tuple[Source, Source]:
    """Return two sources: what is left, and the units of about `share` of the recordings (`cluster`).

    Which ones are kept back follows from their names and the seed, so that no recording is in both and more data change
    nothing for those there were. Reads every unit once. ConfigError if nothing is left or nothing kept.
    """
    kept = np.zeros(len(source), bool)
    with progress() as bar:
        task = bar.add_task(f"{source.name}: keeping some back", total=len(source))
        for number in range(len(source)):
            cluster = source.unit(number).read()[0].cluster
            kept[number] = derive_seed(seed, "held out", cluster) < share * _SEEDS
            bar.advance(task)
    places = np.arange(len(source)) if source.chosen is None else source.chosen
    if kept.all() or not kept.any():
        raise ConfigError(
            f"source '{source.name}': keeping back {share:g} of its recordings leaves "
            f"{'none to learn from' if kept.all() else 'none to look at'} ({len(source)} units)",
            hint="change the share, or convert a validation split",
        )
    return replace(source, chosen=places[~kept]), replace(source, chosen=places[kept])


def spread(sources: Sequence[Source], num_units: int) -> tuple[IndexedUnit, ...]:
    """Return about `num_units` units: the first of every source, of each as many."""
    each = -(-num_units // max(1, len(sources)))
    return tuple(unit for source in sources for unit in source.first(each))
