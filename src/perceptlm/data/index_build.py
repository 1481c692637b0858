"""Build the index of a split: one pass over every shard, then arrays that `row_index` maps into memory.

Memory does not grow with the number of rows. A killed build goes on with the shards it had not finished, and an index
is there whole or not at all. docs/data-at-scale.md says what the arrays mean; reading them is `row_index`'s matter.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from perceptlm.artifact import CACHE_TAG, CACHE_TAG_TEXT, translate_os_errors, write_atomic
from perceptlm.config import Config, file_digest
from perceptlm.data.id_check import refuse_repeated_ids
from perceptlm.data.shard_scan import PART_RECORD, TASKS, PartRecord, ShardRecord, find_shards, scan_shard
from perceptlm.errors import DataError, UsageError
from perceptlm.locks import locked
from perceptlm.log import progress
from perceptlm.schema import Split, Task
from perceptlm.workers import worker_pool

INDEX_FOLDER = "index"
INDEX_RECORD = "index.json"
FORMAT_VERSION: Final = 1
_EDGE_BYTES = 1 << 16
_BLOCK = 1 << 20
Progress = Callable[[int], None]


class ArrayRecord(Config):
    """One array file. `edges` is the sha256 of its first and last 64 KiB: enough to see that it is another one."""

    num_bytes: int
    edges: str


class IndexRecord(Config):
    """`index.json`: what was indexed, and how large everything is. Codes of tasks are places in `tasks`."""

    format_version: Literal[1] = FORMAT_VERSION
    split: Split
    max_branches: int = Field(ge=1)
    num_rows: int = Field(ge=1)
    num_units: int = Field(ge=1)
    tasks: tuple[Task, ...]
    task_counts: dict[Task, int]
    shards: tuple[ShardRecord, ...]
    arrays: dict[str, ArrayRecord]


def build_index(root: Path, split: Split, *, max_branches: int = 8, num_workers: int = 1) -> IndexRecord:
    """Index the shards of `split` under `root` in `root/SPLIT/index/`, and return its record.

    A unit is a run of at most `max_branches` adjacent rows of one shard about the same pictures. If the index is there
    and its shards are as they were, nothing is done; if only their times changed (a copy), they are compared by their
    digests. With `num_workers` above 1, that many processes share the shards. Raises DataError naming file and line for
    a row that cannot be indexed or repeats an id.
    """
    if max_branches < 1 or num_workers < 1:
        raise UsageError(f"max_branches {max_branches} and num_workers {num_workers} must be at least 1")
    shards = find_shards(root, split)
    folder = root / split / INDEX_FOLDER
    with _alone(root / split), translate_os_errors(folder):
        record = _still_valid(folder, shards, split, max_branches)
        if record is None:
            partial = folder.with_name(INDEX_FOLDER + ".partial")
            parts_folder = partial / "parts"
            parts_folder.mkdir(parents=True, exist_ok=True)
            write_atomic(partial / CACHE_TAG, CACHE_TAG_TEXT)
            parts = _scan_all(shards, parts_folder, split, max_branches, num_workers)
            with _bar("looking for repeated ids", sum(part.shard.num_rows for part in parts)) as advance:
                refuse_repeated_ids(shards, _part_folders(parts_folder, shards), parts, advance)
            record = _join(parts_folder, shards, parts, partial, split, max_branches)
            shutil.rmtree(parts_folder)
            _publish(partial, folder)
    return record


def read_index_record(folder: Path) -> IndexRecord:
    """Read `index.json`; DataError if there is none or it is not one of this version."""
    path = folder / INDEX_RECORD
    hint = "build the index of this split again"
    try:
        return IndexRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {os.strerror(error.errno or 0)}", path=path, hint=hint) from error
    except ValidationError as error:
        raise DataError("is damaged or of another version", path=path, hint=hint) from error


def edges_digest(path: Path) -> str:
    """Return the sha256 (hex) of a file's first and last 64 KiB."""
    with open(path, "rb") as file:
        head = file.read(_EDGE_BYTES)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _EDGE_BYTES))
        return hashlib.sha256(head + file.read(_EDGE_BYTES)).hexdigest()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other builds of the same split out; the lock ends with the process, however that ends."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder, wait=False))
        except BlockingIOError as error:
            hint = "wait until it is done"
            raise DataError("another process builds the index of this split", path=folder, hint=hint) from error
        yield


def _still_valid(folder: Path, shards: Sequence[Path], split: Split, max_branches: int) -> IndexRecord | None:
    """Return the record of an index that need not be built again, with the shards' times as they are now."""
    if not (folder / INDEX_RECORD).exists():
        return None
    try:
        record = read_index_record(folder)
    except DataError:
        return None  # what cannot be read is built again
    if (record.split, record.max_branches) != (split, max_branches):
        return None
    if [shard.name for shard in record.shards] != [path.name for path in shards]:
        return None
    for name, array in record.arrays.items():
        path = folder / f"{name}.npy"
        if not path.is_file() or path.stat().st_size != array.num_bytes or edges_digest(path) != array.edges:
            return None
    states = [path.stat() for path in shards]
    if all(shard.is_as(status) for shard, status in zip(record.shards, states, strict=True)):
        return record
    if any(shard.num_bytes != status.st_size for shard, status in zip(record.shards, states, strict=True)):
        return None
    with _bar("comparing shards with the index", sum(status.st_size for status in states)) as advance:
        for path, shard, status in zip(shards, record.shards, states, strict=True):
            if file_digest(path) != shard.sha256:
                return None
            advance(status.st_size)
    renewed = tuple(
        shard.model_copy(update={"mtime_ns": status.st_mtime_ns})
        for shard, status in zip(record.shards, states, strict=True)
    )
    record = record.model_copy(update={"shards": renewed})
    _write_record(folder, record)
    return record


def _scan_all(
    shards: Sequence[Path], parts_folder: Path, split: Split, max_branches: int, num_workers: int
) -> list[PartRecord]:
    """Return the part of every shard: those that are there and still true, the others anew."""
    folders = _part_folders(parts_folder, shards)
    parts: dict[int, PartRecord] = {}
    for number, (path, folder) in enumerate(zip(shards, folders, strict=True)):
        found = _finished_part(path, folder, split, max_branches)
        if found is not None:
            parts[number] = found
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
    missing = [number for number in range(len(shards)) if number not in parts]
    scan = functools.partial(scan_shard, split=split, max_branches=max_branches, format_version=FORMAT_VERSION)
    with _bar("reading shards", sum(shards[number].stat().st_size for number in missing)) as advance:
        if num_workers == 1 or len(missing) <= 1:
            for number in missing:
                parts[number] = scan(shards[number], folders[number], advance=advance)
        else:
            with worker_pool(min(num_workers, len(missing))) as pool:
                futures = {pool.submit(scan, shards[n], folders[n], advance=_untold): n for n in missing}
                for future in as_completed(futures):
                    parts[futures[future]] = future.result()
                    advance(parts[futures[future]].shard.num_bytes)
    return [parts[number] for number in range(len(shards))]


def _untold(num_bytes: int) -> None:
    """In a worker nobody watches the bytes; its shard is counted when it is done."""


def _part_folders(parts_folder: Path, shards: Sequence[Path]) -> list[Path]:
    return [parts_folder / f"{number:05d}" for number in range(len(shards))]


def _finished_part(path: Path, folder: Path, split: Split, max_branches: int) -> PartRecord | None:
    try:
        part = PartRecord.model_validate_json((folder / PART_RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
    fits = (part.format_version, part.split, part.max_branches) == (FORMAT_VERSION, split, max_branches)
    return part if fits and part.shard.name == path.name and part.shard.is_as(path.stat()) else None


def _join(
    parts_folder: Path,
    shards: Sequence[Path],
    parts: Sequence[PartRecord],
    partial: Path,
    split: Split,
    max_branches: int,
) -> IndexRecord:
    """Write the arrays of all parts one after the other, and the record."""
    folders = _part_folders(parts_folder, shards)
    num_rows = sum(part.shard.num_rows for part in parts)
    num_units = sum(part.num_units for part in parts)
    if not num_rows:
        raise DataError("holds no samples", path=shards[0].parent)
    # Half the memory for the usual case: no shard of 4 GiB, no 4 thousand million rows.
    byte_type = _smallest(max(part.shard.num_bytes for part in parts))
    row_type = _smallest(num_rows)
    with _npy(partial / "starts.npy", byte_type, num_rows) as file:
        for folder in folders:
            _copy(folder / "starts", np.uint64, file, byte_type)
    with _npy(partial / "tasks.npy", np.uint8, num_rows) as file:
        for folder in folders:
            _copy(folder / "tasks", np.uint8, file, np.uint8)
    with _npy(partial / "units.npy", row_type, num_units + 1) as file:
        first_row = 0
        for folder, part in zip(folders, parts, strict=True):
            _copy(folder / "units", np.uint64, file, row_type, add=first_row)
            first_row += part.shard.num_rows
        np.array([num_rows], row_type).tofile(file)
    counts: Counter[Task] = Counter()
    for part in parts:
        counts.update(part.task_counts)
    arrays = {}
    for name in ("starts", "tasks", "units"):
        path = partial / f"{name}.npy"
        arrays[name] = ArrayRecord(num_bytes=path.stat().st_size, edges=edges_digest(path))
    record = IndexRecord(
        split=split,
        max_branches=max_branches,
        num_rows=num_rows,
        num_units=num_units,
        tasks=TASKS,
        task_counts={task: counts[task] for task in TASKS if counts[task]},
        shards=tuple(part.shard for part in parts),
        arrays=arrays,
    )
    _write_record(partial, record)
    return record


def _write_record(folder: Path, record: IndexRecord) -> None:
    write_atomic(folder / INDEX_RECORD, (record.model_dump_json(indent=1) + "\n").encode())


def _smallest(largest: int) -> type[np.unsignedinteger[Any]]:
    return np.uint32 if largest < 1 << 32 else np.uint64


@contextlib.contextmanager
def _npy(path: Path, dtype: type[np.generic], length: int) -> Iterator[IO[bytes]]:
    """Open a .npy file of one dimension for its values to be appended."""
    with open(path, "wb") as file:
        header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (length,)}
        npy.write_array_header_1_0(file, header)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _copy(
    source: Path, source_type: type[np.generic], file: IO[bytes], dtype: type[np.generic], *, add: int = 0
) -> None:
    """Append the raw values of a part's array, each `add` larger."""
    with open(source, "rb") as values:
        while len(block := np.fromfile(values, source_type, _BLOCK)):
            shifted: NDArray[Any] = block + np.asarray(add, source_type) if add else block
            shifted.astype(dtype).tofile(file)


def _publish(partial: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    os.rename(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _bar(what: str, total: int) -> Iterator[Progress]:
    with progress() as bar:
        task = bar.add_task(what, total=total)
        yield lambda amount: bar.advance(task, amount)
