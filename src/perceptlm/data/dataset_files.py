"""The record files of a dataset directory, read one record at a time: `SPLIT/samples.jsonl`, or its shards.

A split is a folder that holds `samples.jsonl` or `samples-*.jsonl`. Records that are no Samples are handed on with what
is wrong with them, so that whoever looks for faults sees all of them. Nothing is kept in memory; no media is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from perceptlm.artifact import translate_os_errors
from perceptlm.data.sample_set import SAMPLES_FILE
from perceptlm.errors import DataError, UsageError
from perceptlm.exchange.jsonl import count_lines, read_numbered_results
from perceptlm.schema import Sample, Split

_SHARDS = "samples-*.jsonl"
_BENCHMARK = "benchmark"


@dataclass(frozen=True)
class Located:
    """One line of a record file. `split` is its folder; `found` the Sample, or what is wrong with the line."""

    split: str
    path: Path
    line: int
    found: Sample | DataError

    @property
    def place(self) -> str:
        """Where it stands, as `SPLIT/FILE:LINE`."""
        return f"{self.split}/{self.path.name}:{self.line}"


def record_files(root: Path) -> dict[str, tuple[Path, ...]]:
    """Return the record files of every split, by its name: the benchmark first, then in alphabetical order.

    Raises DataError for a directory that has none.
    """
    if not root.is_dir():
        raise DataError("there is no such directory", path=root)
    found: dict[str, tuple[Path, ...]] = {}
    for folder in sorted(root.iterdir(), key=lambda path: (path.name != _BENCHMARK, path.name)):
        paths = sorted([*folder.glob(_SHARDS), *folder.glob(SAMPLES_FILE)]) if folder.is_dir() else []
        if paths:
            found[folder.name] = tuple(paths)
    if not found:
        raise DataError(
            f"holds no record files (SPLIT/{SAMPLES_FILE} or SPLIT/{_SHARDS})",
            path=root,
            hint="give the directory that a plm command wrote a dataset to",
        )
    return found


def choose_splits(root: Path, names: Sequence[str] = ()) -> tuple[Split, ...]:
    """Return the splits of these names, or all that there are; UsageError for one that is not there.

    DataError as `record_files`, and for a folder of records that is named as no split.
    """
    files = record_files(root)
    for name in names:
        if name not in files:
            raise UsageError(f"{root} has no split '{name}'", hint=f"it has {', '.join(files)}")
    known: tuple[Split, ...] = get_args(Split)
    chosen = names or tuple(files)
    for name in chosen:
        if name not in known:
            raise DataError(f"is named as no split ({', '.join(known)})", path=root / name)
    return tuple(split for split in known if split in chosen)


def read_located(root: Path, splits: Iterable[str] | None = None) -> Iterator[Located]:
    """Yield every record of the splits (of all, for None), in the order of `record_files`; DataError as there."""
    files = record_files(root)
    for split in files if splits is None else splits:
        for path in files.get(split, ()):
            for line, found in read_numbered_results(path, Sample):
                yield Located(split, path, line, found)


def has_pairs(root: Path, split: str) -> bool:
    """Whether any record of a split has a rejected answer; reads up to the first. DataError as `record_files`."""
    for path in record_files(root).get(split, ()):
        with translate_os_errors(path), open(path, "rb") as file:
            # Within a text the quotes would have backslashes.
            if any(b'"rejected"' in line and _is_pair(line) for line in file):
                return True
    return False


def _is_pair(line: bytes) -> bool:
    try:
        return Sample.model_validate_json(line).rejected is not None
    except ValidationError:  # whoever reads the records will say what is wrong with it
        return False


def count_records(root: Path) -> dict[str, int]:
    """Return how many records each split has, by counting lines; DataError as `record_files`."""
    return {split: sum(map(count_lines, paths)) for split, paths in record_files(root).items()}
