"""Find ids that were used twice among any number of rows, in bounded memory.

Works on the hashes that `shard_scan` wrote in sorted runs: a slice of all hash values is taken from every run at a time
and sorted. Equal hashes are only a suspicion; the rows themselves are read before anybody is accused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from perceptlm.data.shard_scan import RUN_LENGTH, PartRecord
from perceptlm.errors import DataError

_HASHES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class _Run:
    """A sorted run: rows `first` to `first + length` of a shard."""

    shard: int
    first: int
    length: int


@dataclass(frozen=True, order=True)
class _Place:
    shard: int
    row: int


def refuse_repeated_ids(
    shards: Sequence[Path], folders: Sequence[Path], parts: Sequence[PartRecord], advance: Callable[[int], None]
) -> None:
    """Raise DataError naming both places of an id that two rows have. `folders[i]` holds the part of `shards[i]`."""
    runs = [
        _Run(shard, first, min(RUN_LENGTH, part.shard.num_rows - first))
        for shard, part in enumerate(parts)
        for first in range(0, part.shard.num_rows, RUN_LENGTH)
    ]
    num_slices = 1 + sum(run.length for run in runs) // _HASHES_AT_ONCE
    bounds = [number * (1 << 64) // num_slices for number in range(num_slices)]
    ends: list[int | None] = [*bounds[1:], None]
    for low, high in zip(bounds, ends, strict=True):
        pieces = [_between(_hashes(folders, run), low, high) for run in runs]
        found = np.sort(np.concatenate(pieces)) if pieces else np.empty(0, np.uint64)
        for twice in np.unique(found[1:][found[1:] == found[:-1]]):
            _accuse(shards, _places(folders, runs, twice))
        advance(len(found))


def _hashes(folders: Sequence[Path], run: _Run) -> NDArray[np.uint64]:
    mapped = np.memmap(folders[run.shard] / "hashes", np.uint64, mode="r", offset=8 * run.first, shape=(run.length,))
    return np.asarray(mapped)


def _between(run: NDArray[np.uint64], low: int, high: int | None) -> NDArray[np.uint64]:
    begin = np.searchsorted(run, np.uint64(low))
    end = len(run) if high is None else np.searchsorted(run, np.uint64(high))
    return np.array(run[begin:end])


def _places(folders: Sequence[Path], runs: Sequence[_Run], wanted: np.uint64) -> list[_Place]:
    """Return all rows whose id has the hash `wanted`, in order."""
    places = []
    for run in runs:
        hashes = _hashes(folders, run)
        begin, end = np.searchsorted(hashes, wanted), np.searchsorted(hashes, wanted, "right")
        if begin < end:
            rows = np.fromfile(
                folders[run.shard] / "rows", np.uint32, int(end - begin), offset=4 * (run.first + int(begin))
            )
            places += [_Place(run.shard, run.first + int(row)) for row in rows]
    return sorted(places)


def _accuse(shards: Sequence[Path], places: Sequence[_Place]) -> None:
    """Read the rows at `places`; raise DataError if two have the same id."""
    first_of: dict[str, tuple[Path, int]] = {}
    for place in places:
        path = shards[place.shard]
        line, raw = _read_row(path, place.row)
        id = from_json(raw)["id"]
        if id in first_of:
            other, other_line = first_of[id]
            raise DataError(f"id {id[:80]} was already used in {other.name}:{other_line}", path=path, line=line)
        first_of[id] = (path, line)


def _read_row(path: Path, row: int) -> tuple[int, bytes]:
    """Return line number and text of a row; lines before it are passed over, as this is done for few."""
    found = -1
    with open(path, "rb") as file:
        for line, raw in enumerate(file, 1):
            found += not raw.isspace()
            if found == row:
                return line, raw
    raise DataError("changed while its index was built", path=path)
