"""RowIndex: any row of a dataset of any size, by its number, without reading the rows before it.

Opening maps three arrays into memory and looks at the shards' sizes and times; no row is read. `index_build` makes the
arrays. Rows are read with `pread` and not mapped, so that memory stays what the index takes. A RowIndex may be used
by several threads. Decodes no media.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from perceptlm.config import describe_validation_error
from perceptlm.data.index_build import INDEX_FOLDER, IndexRecord, build_index, edges_digest, read_index_record
from perceptlm.data.shard_scan import find_shards
from perceptlm.errors import DataError
from perceptlm.schema import Sample, Split, Task

__all__ = ["RowIndex", "build_index"]

_OPEN_SHARDS = 128
_BUILD_AGAIN = "build the index of this split again: plm data index"


class RowIndex:
    """The rows of one split, in the order of its shards, and its units: runs of adjacent rows about the same pictures.

    `record` says what was indexed. `tasks` (num_rows,) uint8 holds each row's task as a place in `record.tasks`.
    """

    def __init__(self, folder: Path, record: IndexRecord, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.folder = folder
        self.record = record
        self.tasks: NDArray[np.uint8] = arrays["tasks"]
        self._starts = arrays["starts"]
        self._units = arrays["units"]
        self._paths = [folder.parent / shard.name for shard in record.shards]
        self._first_rows = [0, *accumulate(shard.num_rows for shard in record.shards)]
        # Shards are closed when they leave the cache and no other thread reads from them any more.
        self._open_shard: Callable[[Path], _OpenShard] = lru_cache(_OPEN_SHARDS)(_OpenShard)

    @classmethod
    def open(cls, root: Path, split: Split) -> RowIndex:
        """Open the index of `split` under `root`.

        Raises DataError if there is none, or naming the shard or array that is missing, was changed or does not belong.
        """
        folder = root / split / INDEX_FOLDER
        record = read_index_record(folder)
        if record.split != split:
            message = f"is the index of split '{record.split}', not '{split}'"
            raise DataError(message, path=folder, hint=_BUILD_AGAIN)
        _check_shards(find_shards(root, split), record)
        lengths = {"starts": record.num_rows, "tasks": record.num_rows, "units": record.num_units + 1}
        arrays = {name: _map(folder / f"{name}.npy", record, name, length) for name, length in lengths.items()}
        return cls(folder, record, arrays)

    @property
    def num_rows(self) -> int:
        """Rows of the split."""
        return self.record.num_rows

    @property
    def num_units(self) -> int:
        """Units of the split; one training Example is made of one unit."""
        return self.record.num_units

    @property
    def task_counts(self) -> Mapping[Task, int]:
        """Rows of every task that has some."""
        return MappingProxyType(self.record.task_counts)

    def task(self, row: int) -> Task:
        """Return the task of a row."""
        code = int(self.tasks[_within(row, self.num_rows, "row")])
        if code >= len(self.record.tasks):
            raise DataError(f"row {row} has no task", path=self.folder, hint=_BUILD_AGAIN)
        return self.record.tasks[code]

    def unit_rows(self, unit: int) -> range:
        """Return the rows of a unit."""
        place = _within(unit, self.num_units, "unit")
        rows = range(int(self._units[place]), int(self._units[place + 1]))
        if not rows or rows.stop > self.num_rows:
            raise DataError(f"unit {unit} is rows {rows.start} to {rows.stop}", path=self.folder, hint=_BUILD_AGAIN)
        return rows

    def unit_of(self, row: int) -> int:
        """Return the unit that holds a row."""
        return int(np.searchsorted(self._units, _within(row, self.num_rows, "row"), "right")) - 1

    def raw(self, row: int) -> bytes:
        """Return the JSON text of a row."""
        shard, begin, end = self._span(_within(row, self.num_rows, "row"))
        return self._open_shard(self._paths[shard]).read(begin, end).strip()

    def sample(self, row: int) -> Sample:
        """Return a row as a checked Sample; DataError names shard, line and field of what is wrong with it."""
        return self._checked(row, self.raw(row))

    def unit_samples(self, unit: int) -> tuple[Sample, ...]:
        """Return the checked Samples of a unit, read at once."""
        rows = self.unit_rows(unit)
        shard, begin, _ = self._span(rows[0])
        spans = [self._span(row) for row in rows]
        text = self._open_shard(self._paths[shard]).read(begin, spans[-1][2])
        return tuple(
            self._checked(row, text[low - begin : high - begin].strip())
            for row, (_, low, high) in zip(rows, spans, strict=True)
        )

    def prefetch(self, units: Iterable[int]) -> None:
        """Ask the system to read these units ahead, all at once, where it can; reading them then need not wait.

        What is wrong with a unit is said when it is read.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        for unit in units:
            with suppress(DataError, OSError):
                rows = self.unit_rows(unit)
                shard, begin, _ = self._span(rows[0])
                self._open_shard(self._paths[shard]).expect(begin, self._span(rows[-1])[2])

    def place(self, row: int) -> tuple[Path, int]:
        """Return the shard of a row and its line there. Reads the shard up to that line: for messages."""
        shard, begin, _ = self._span(_within(row, self.num_rows, "row"))
        line, left = 1, begin
        with open(self._paths[shard], "rb") as file:
            while left and (block := file.read(min(left, 1 << 20))):
                line += block.count(b"\n")
                left -= len(block)
        return self._paths[shard], line

    def _span(self, row: int) -> tuple[int, int, int]:
        """Return the shard of a row, and where in it the row begins and the next one does."""
        shard = bisect_right(self._first_rows, row) - 1
        begin = int(self._starts[row])
        last = row + 1 == self._first_rows[shard + 1]
        end = self.record.shards[shard].num_bytes if last else int(self._starts[row + 1])
        if not begin < end <= self.record.shards[shard].num_bytes:
            raise DataError(f"row {row} begins at byte {begin} and ends at {end}", path=self.folder, hint=_BUILD_AGAIN)
        return shard, begin, end

    def _checked(self, row: int, raw: bytes) -> Sample:
        try:
            sample = Sample.model_validate_json(raw)
        except ValidationError as error:
            path, line = self.place(row)
            raise DataError(describe_validation_error(error, Sample), path=path, line=line) from error
        if sample.split != self.record.split or sample.task != self.task(row):
            path, line = self.place(row)
            message = f"sample {sample.id[:80]} is not what the index says of it"
            raise DataError(message, path=path, line=line, hint=_BUILD_AGAIN)
        return sample


class _OpenShard:
    """One shard, open for reading until nobody holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self._descriptor = -1
            raise DataError(f"cannot be opened: {os.strerror(error.errno or 0)}", path=path) from error
        if hasattr(os, "posix_fadvise"):
            # Rows are read in no order: what the system reads ahead by itself would be thrown away.
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes from `begin` up to `end`; DataError if the file ends before, or cannot be read."""
        try:
            text = os.pread(self._descriptor, end - begin, begin)
        except OSError as error:
            raise DataError(f"cannot be read: {os.strerror(error.errno or 0)}", path=self._path) from error
        if len(text) != end - begin:
            raise DataError("is shorter than when it was indexed", path=self._path, hint=_BUILD_AGAIN)
        return text

    def expect(self, begin: int, end: int) -> None:
        """Ask the system to read these bytes ahead."""
        os.posix_fadvise(self._descriptor, begin, end - begin, os.POSIX_FADV_WILLNEED)


def _within(number: int, length: int, what: str) -> int:
    if not 0 <= number < length:
        raise IndexError(f"{what} {number} of {length}")
    return int(number)


def _check_shards(paths: list[Path], record: IndexRecord) -> None:
    names = [shard.name for shard in record.shards]
    for path in paths:
        if path.name not in names:
            raise DataError("is not in the index", path=path, hint=_BUILD_AGAIN)
    for shard in record.shards[len(paths) :]:
        raise DataError("is in the index, but not there", path=paths[0].parent / shard.name, hint="fetch it again")
    for path, shard in zip(paths, record.shards, strict=True):
        if not shard.is_as(path.stat()):
            raise DataError("was changed after it was indexed", path=path, hint=_BUILD_AGAIN)


def _map(path: Path, record: IndexRecord, name: str, length: int) -> NDArray[Any]:
    """Map one array of the index; DataError if it is missing, cut or of another index."""
    try:
        expected = record.arrays[name]
        if path.stat().st_size != expected.num_bytes or edges_digest(path) != expected.edges:
            raise DataError("does not belong to the index beside it", path=path, hint=_BUILD_AGAIN)
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise DataError(f"cannot be read: {reason}", path=path, hint=_BUILD_AGAIN) from error
    if mapped.ndim != 1 or len(mapped) != length or mapped.dtype.kind != "u":
        raise DataError("does not belong to the index beside it", path=path, hint=_BUILD_AGAIN)
    # A plain view: a memmap's own indexing takes several times as long.
    return np.asarray(mapped)
