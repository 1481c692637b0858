"""SampleSet: the checked Samples of one split of a dataset directory, grouped by the pictures they are about.

Reads `SPLIT/samples.jsonl` and looks that every file it names is there; decodes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from perceptlm.data.grouping import group_key
from perceptlm.data.media_files import MediaFiles
from perceptlm.errors import DataError, MediaError
from perceptlm.exchange.jsonl import read_numbered_records
from perceptlm.schema import Sample, Task

SAMPLES_FILE = "samples.jsonl"


class SampleSet:
    """Samples in file order. `groups` holds those that share media, regions and system text, in order of first
    appearance; `groups_of[task]` the numbers of the groups that have a Sample of `task`."""

    def __init__(self, samples: tuple[Sample, ...]) -> None:
        self.samples = samples
        by_key: dict[Hashable, list[Sample]] = {}
        for sample in samples:
            by_key.setdefault(group_key(sample), []).append(sample)
        self.groups: tuple[tuple[Sample, ...], ...] = tuple(tuple(group) for group in by_key.values())
        found: dict[Task, list[int]] = {}
        for number, group in enumerate(self.groups):
            for task in dict.fromkeys(sample.task for sample in group):
                found.setdefault(task, []).append(number)
        self.groups_of: Mapping[Task, tuple[int, ...]] = {task: tuple(numbers) for task, numbers in found.items()}

    @classmethod
    def open(cls, root: Path, split: str, tasks: Collection[Task] | None = None) -> SampleSet:
        """Read the Samples of `split` under `root`, those of `tasks` only if given.

        Every record is checked, wanted or not; a file that did not change since is not read again. Raises DataError
        naming file and line for one that is not a Sample, belongs to another split, repeats an id, or names a file
        that is missing or outside `root`.
        """
        path = root / split / SAMPLES_FILE
        numbered = _read_samples(path, split, _signature(path))
        _check_media(root, path, numbered)
        samples = tuple(sample for _, sample in numbered if tasks is None or sample.task in tasks)
        if not samples:
            wanted = "" if tasks is None else f" of the tasks {', '.join(sorted(tasks))}"
            raise DataError(f"holds no samples{wanted}", path=path)
        return cls(samples)


def _signature(path: Path) -> Hashable:
    """Return what tells one state of a file from another; None if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=3)
def _read_samples(path: Path, split: str, signature: Hashable) -> tuple[tuple[int, Sample], ...]:
    """Return every Sample with its line number. Stages of one process read the same file: it is checked once."""
    found = []
    lines_of_ids: dict[str, int] = {}
    for line, sample in read_numbered_records(path, Sample):
        if sample.split != split:
            raise DataError(f"sample {sample.id} belongs to split '{sample.split}'", path=path, line=line)
        if sample.id in lines_of_ids:
            message = f"id {sample.id} was already used in line {lines_of_ids[sample.id]}"
            raise DataError(message, path=path, line=line)
        lines_of_ids[sample.id] = line
        found.append((line, sample))
    return tuple(found)


def _check_media(root: Path, samples_path: Path, numbered: Iterable[tuple[int, Sample]]) -> None:
    """Look that every file named is there and inside `root`."""
    checked: set[str] = set()
    files = MediaFiles(root)
    for line, sample in numbered:
        for item in sample.media:
            if item.path in checked:
                continue
            try:
                files.check(item.path)
            except MediaError as error:
                raise DataError(error.message, path=samples_path, line=line, hint=error.hint) from error
            checked.add(item.path)
