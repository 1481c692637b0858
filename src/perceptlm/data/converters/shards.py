"""Samples written to shards of a fixed number, dropped rows to a side file, with a mark up to where all is safe.

A killed run leaves files longer than the mark says; `ShardWriter` cuts them back to it, and the same rows then give the
same bytes. Knows no format.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.config import Config
from perceptlm.data.converters.rows import RowError
from perceptlm.exchange.jsonl import encode_line, read_lines, read_records
from perceptlm.schema import Sample

DROPPED_FILE = "dropped.jsonl"
COUNTS_FILE = "counts.json"
_MARK = ".mark.json"


class DroppedRow(Config):
    """A line of `dropped.jsonl`: a row of a released file that makes no Sample; `group` as in `RowError`."""

    file: str
    row: int
    reason: str
    detail: str
    group: str | None = None


def read_dropped(directory: Path) -> list[DroppedRow]:
    """Return the rows that a conversion dropped; none of a directory that no conversion wrote."""
    path = directory / DROPPED_FILE
    return list(read_records(path, DroppedRow)) if path.is_file() else []


def shard_name(number: int) -> str:
    """Return the name of a shard within its split."""
    return f"samples-{number:05d}.jsonl"


class ShardWriter:
    """Writes below `directory`. `next_row` is the number of rows done, counted over all inputs."""

    def __init__(self, directory: Path, split: str, samples_per_shard: int) -> None:
        self._directory = directory
        self._folder = directory / split
        self._samples_per_shard = samples_per_shard
        mark = self._read_mark()
        self.next_row: int = mark["next_row"]
        self.num_samples: int = mark["num_samples"]
        self.reasons: Counter[str] = Counter(mark["reasons"])
        self.tasks: Counter[str] = Counter(mark["tasks"])
        self.flags: Counter[str] = Counter(mark["flags"])
        with translate_os_errors(directory):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._shard_number = max(self.num_samples - 1, 0) // samples_per_shard
            for path in self._folder.glob("samples-*.jsonl"):
                if path.name > shard_name(self._shard_number):
                    path.unlink()
            self._shard = _open_at(self._folder / shard_name(self._shard_number), mark["shard_bytes"])
            self._dropped = _open_at(directory / DROPPED_FILE, mark["dropped_bytes"])

    @property
    def num_dropped(self) -> int:
        """Rows dropped so far."""
        return sum(self.reasons.values())

    def ids(self) -> set[str]:
        """Return the ids of all Samples written so far."""
        numbers = range(self._shard_number + 1)
        return {str(values["id"]) for n in numbers for _, values in read_lines(self._folder / shard_name(n))}

    def keep(self, sample: Sample) -> None:
        """Write the Sample of the next row."""
        number = self.num_samples // self._samples_per_shard
        with translate_os_errors(self._folder):
            if number != self._shard_number:
                _close(self._shard)
                self._shard_number = number
                self._shard = _open_at(self._folder / shard_name(number), 0)
            self._shard.write(encode_line(sample))
        self.num_samples += 1
        self.next_row += 1
        self.tasks[sample.task] += 1
        self.flags.update(f"{name}={value}" for name, value in sample.attributes.items() if isinstance(value, bool))

    def drop(self, error: RowError, *, file: str, row: int) -> None:
        """Write why the next row is dropped; `row` is its number in its file, from 0."""
        entry = {"file": file, "row": row, "reason": error.reason, "detail": error.detail}
        if error.group is not None:
            entry["group"] = error.group
        with translate_os_errors(self._directory):
            self._dropped.write(encode_line(_writable(entry)))
        self.reasons[error.reason] += 1
        self.next_row += 1

    def mark(self) -> None:
        """Make safe what is written so far: a run that is killed later goes on from here."""
        with translate_os_errors(self._directory):
            for file in (self._shard, self._dropped):
                file.flush()
                os.fsync(file.fileno())
        mark = self.counts() | {
            "next_row": self.next_row,
            "shard_bytes": self._shard.tell(),
            "dropped_bytes": self._dropped.tell(),
        }
        write_atomic(self._directory / _MARK, json.dumps(mark).encode())

    def counts(self) -> dict[str, Any]:
        """Return what was done, by reason, task and true or false attribute, names in order."""
        return {
            "num_rows": self.next_row,
            "num_samples": self.num_samples,
            "num_dropped": self.num_dropped,
            "reasons": dict(sorted(self.reasons.items())),
            "tasks": dict(sorted(self.tasks.items())),
            "flags": dict(sorted(self.flags.items())),
        }

    def finish(self, counts: dict[str, Any]) -> None:
        """Write `counts.json`, after which nothing is left to do, and remove the mark."""
        write_atomic(self._directory / COUNTS_FILE, (json.dumps(counts, indent=1) + "\n").encode())
        forget_mark(self._directory)

    def close(self) -> None:
        """Close the files."""
        _close(self._shard)
        _close(self._dropped)

    def _read_mark(self) -> dict[str, Any]:
        path = self._directory / _MARK
        if path.is_file():
            values: dict[str, Any] = json.loads(path.read_bytes())
            return values
        nothing: dict[str, Any] = {"reasons": {}, "tasks": {}, "flags": {}}
        return nothing | dict.fromkeys(("next_row", "num_samples", "shard_bytes", "dropped_bytes"), 0)


def forget_mark(directory: Path) -> None:
    """Remove the mark of a finished conversion."""
    (directory / _MARK).unlink(missing_ok=True)


def _open_at(path: Path, num_bytes: int) -> BinaryIO:
    """Open a file to write on from `num_bytes`, dropping what follows."""
    file = open(path, "ab")
    file.truncate(num_bytes)
    file.seek(num_bytes)
    return file


def _close(file: BinaryIO) -> None:
    with translate_os_errors(Path(file.name)):
        file.close()


def _writable(entry: dict[str, Any]) -> dict[str, Any]:
    # A row may hold half of a surrogate pair, which no file can.
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in entry.items()
    }
