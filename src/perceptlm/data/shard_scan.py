"""One pass over one shard of Samples: where its rows start, their tasks and units, and its ids as hashes.

What the pass finds lies in a folder of raw arrays, a *part*, which `index_build` joins to an index. Memory does not
grow with the shard. A row is checked as far as the index depends on it (a JSON object; id, split, task, media, regions
and turns); the whole Sample is checked when it is read. Knows nothing of other shards.
"""

from __future__ import annotations

import hashlib
import os
import re
from array import array
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import Field, ValidationError
from pydantic_core import from_json

from perceptlm.artifact import write_atomic
from perceptlm.config import Config, describe_validation_error
from perceptlm.data.grouping import SharedFields, group_key
from perceptlm.errors import DataError
from perceptlm.schema import Sample, Split, Task

TASKS: tuple[Task, ...] = get_args(Task)
RUN_LENGTH = 1 << 20
"""Rows whose ids are sorted together: as many as a pass holds in memory."""
PART_RECORD = "part.json"
_SINGLE = "samples.jsonl"
_SHARD = re.compile(r"samples-([0-9]{5,})\.jsonl")
_BLOCK_BYTES = 1 << 20


class ShardRecord(Config):
    """One shard as it was when it was read. `mtime_ns` tells cheaply, `sha256` surely, that it is still the same."""

    name: str
    num_bytes: int = Field(ge=0)
    mtime_ns: int
    sha256: str
    num_rows: int = Field(ge=0)

    def is_as(self, status: os.stat_result) -> bool:
        """Whether a file of this status passes for the one that was read."""
        return (self.num_bytes, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


class PartRecord(Config):
    """What the arrays of a part were made from, and how."""

    format_version: int
    max_branches: int
    split: Split
    shard: ShardRecord
    num_units: int
    task_counts: dict[Task, int]


def find_shards(root: Path, split: str) -> list[Path]:
    """Return `samples.jsonl`, or `samples-00000.jsonl` and so on in their order, of `split` under `root`.

    Raises DataError if there is none, both forms are there, or a number is left out.
    """
    folder = root / split
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise DataError(f"cannot be read: {os.strerror(error.errno or 0)}", path=folder) from error
    numbered = sorted((int(match[1]), name) for name in names if (match := _SHARD.fullmatch(name)))
    if _SINGLE in names:
        if numbered:
            hint = "keep the one file or the shards"
            raise DataError(f"holds both {_SINGLE} and shards such as {numbered[0][1]}", path=folder, hint=hint)
        return [folder / _SINGLE]
    if not numbered:
        raise DataError(f"holds neither {_SINGLE} nor samples-00000.jsonl", path=folder)
    for place, (number, name) in enumerate(numbered):
        if number != place:
            raise DataError(f"shard {place} is missing or doubled: {name} comes in its place", path=folder)
    return [folder / name for _, name in numbered]


def id_hash(id: str) -> int:
    """Return 64 bits of an id, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")


def scan_shard(
    path: Path, part: Path, split: Split, max_branches: int, format_version: int, advance: Callable[[int], None]
) -> PartRecord:
    """Read the shard `path` once and write its arrays to the existing folder `part`; `advance` is told bytes read.

    Arrays, in the machine's byte order: `starts` (uint64, byte where a row begins), `tasks` (uint8, places in TASKS),
    `units` (uint64, first row of each unit), `hashes` and `rows` (uint64 and uint32: the ids' hashes, sorted in runs of
    RUN_LENGTH rows, and where in the run each stands). Raises DataError naming file and line.
    """
    scan = _Scan(path, split, max_branches)
    counts = np.zeros(len(TASKS), np.int64)
    with (
        open(path, "rb") as shard,
        open(part / "starts", "wb") as starts,
        open(part / "tasks", "wb") as tasks,
        open(part / "units", "wb") as units,
        open(part / "hashes", "wb") as hashes,
        open(part / "rows", "wb") as rows,
    ):
        status = os.fstat(shard.fileno())
        for run in scan.runs(shard, advance):
            run.starts.tofile(starts)
            run.tasks.tofile(tasks)
            run.units.tofile(units)
            counts += np.bincount(np.frombuffer(run.tasks, np.uint8), minlength=len(TASKS))
            found = np.frombuffer(run.hashes, np.uint64)
            order = np.argsort(found, kind="stable")
            found[order].tofile(hashes)
            order.astype(np.uint32).tofile(rows)
        if os.fstat(shard.fileno()).st_mtime_ns != status.st_mtime_ns or scan.num_bytes != status.st_size:
            raise DataError("was written to while it was read", path=path, hint="build the index when it is whole")
    shard_record = ShardRecord(
        name=path.name,
        num_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        sha256=scan.digest.hexdigest(),
        num_rows=scan.num_rows,
    )
    record = PartRecord(
        format_version=format_version,
        max_branches=max_branches,
        split=split,
        shard=shard_record,
        num_units=scan.num_units,
        task_counts={task: int(count) for task, count in zip(TASKS, counts, strict=True) if count},
    )
    write_atomic(part / PART_RECORD, record.model_dump_json().encode())
    return record


class _Run:
    """Up to RUN_LENGTH rows, not yet written."""

    def __init__(self) -> None:
        self.starts = array("Q")
        self.tasks = array("B")
        self.units = array("Q")
        self.hashes = array("Q")


class _Scan:
    """The state of one pass: place, and what decides whether the next row goes on with the unit of the last."""

    def __init__(self, path: Path, split: Split, max_branches: int) -> None:
        self.digest = hashlib.sha256()
        self.num_bytes = 0
        self.num_rows = 0
        self.num_units = 0
        self._path = path
        self._split = split
        self._max_branches = max_branches
        self._codes: dict[Any, int] = {task: code for code, task in enumerate(TASKS)}
        self._num_in_unit = 0
        self._shown: Any = None
        self._key: Hashable = None

    def runs(self, shard: Any, advance: Callable[[int], None]) -> Iterator[_Run]:
        """Yield the rows of an open shard, run by run."""
        run, line = _Run(), 0
        while block := shard.readlines(_BLOCK_BYTES):
            for raw in block:
                line += 1
                if not raw.isspace():
                    self._add(run, raw, line)
                    if len(run.starts) == RUN_LENGTH:
                        yield run
                        run = _Run()
                self.num_bytes += len(raw)
            text = b"".join(block)
            self.digest.update(text)
            advance(len(text))
        yield run

    def _add(self, run: _Run, raw: bytes, line: int) -> None:
        try:
            record = from_json(raw, cache_strings="keys")  # of values, next to none comes twice
        except ValueError as error:
            raise DataError(f"not a JSON line: {error}", path=self._path, line=line) from error
        if not isinstance(record, dict):
            message = f"expected an object, found {type(record).__name__}"
            raise DataError(message, path=self._path, line=line)
        id, task = record.get("id"), record.get("task")
        code = self._codes.get(task) if isinstance(task, str) else None
        if not isinstance(id, str) or not id or record.get("split") != self._split or code is None:
            raise DataError(_complaint(id, task, record.get("split"), self._split), path=self._path, line=line)
        if not self._goes_on(record, line) or self._num_in_unit == self._max_branches:
            run.units.append(self.num_rows)
            self.num_units += 1
            self._num_in_unit = 0
        self._num_in_unit += 1
        run.starts.append(self.num_bytes)
        run.tasks.append(code)
        run.hashes.append(id_hash(id))
        self.num_rows += 1

    def _goes_on(self, record: dict[str, Any], line: int) -> bool:
        """Whether a row is about the same pictures as the row before."""
        shown = _shown(record)
        if shown is not None and shown == self._shown:
            return True  # the same text says the same: checked with the row before
        try:
            key = group_key(SharedFields.model_validate(record))
        except ValidationError as error:
            raise DataError(describe_validation_error(error, Sample), path=self._path, line=line) from error
        goes_on = self.num_rows > 0 and key == self._key
        self._key, self._shown = key, shown
        return goes_on


def _shown(record: dict[str, Any]) -> Any:
    """Return the raw values that `group_key` looks at, or None where it looks at more than can be told quickly."""
    media, turns = record.get("media"), record.get("turns")
    if not isinstance(media, list) or len(media) > 1 or not isinstance(turns, list):
        return None
    system = []
    for turn in turns:
        if not isinstance(turn, dict):
            return None
        if turn.get("role") == "system":
            system.append(turn.get("text"))
    return (media, record.get("regions"), system)


def _complaint(id: Any, task: Any, found_split: Any, split: str) -> str:
    if not isinstance(id, str) or not id:
        return "'id': must be text that is not empty"
    if found_split != split:
        return f"sample {id[:80]} belongs to split {str(found_split)[:40]!r}, not '{split}'"
    return f"'task': {str(task)[:40]!r} is none of {', '.join(TASKS)}"
