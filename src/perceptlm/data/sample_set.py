"""SampleSet: the checked Samples of one split of a dataset directory, grouped by the pictures they are about.

Reads `SPLIT/samples.jsonl` and looks that every file it names is there; decodes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path

from pydantic import ValidationError

from perceptlm.config import describe_validation_error
from perceptlm.errors import DataError, MediaError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.media.pictures import pictures_key, resolve_media_path
from perceptlm.schema import Sample, Task

SAMPLES_FILE = "samples.jsonl"


class SampleSet:
    """Samples in file order. `groups` holds those that share media, regions and system text, in order of first
    appearance; `groups_of[task]` the numbers of the groups that have a Sample of `task`."""

    def __init__(self, samples: tuple[Sample, ...]) -> None:
        self.samples = samples
        by_key: dict[Hashable, list[Sample]] = {}
        for sample in samples:
            system = tuple(turn.text for turn in sample.turns if turn.role == "system")
            by_key.setdefault((pictures_key(sample), system), []).append(sample)
        self.groups: tuple[tuple[Sample, ...], ...] = tuple(tuple(group) for group in by_key.values())
        found: dict[Task, list[int]] = {}
        for number, group in enumerate(self.groups):
            for task in dict.fromkeys(sample.task for sample in group):
                found.setdefault(task, []).append(number)
        self.groups_of: Mapping[Task, tuple[int, ...]] = {task: tuple(numbers) for task, numbers in found.items()}

    @classmethod
    def open(cls, root: Path, split: str, tasks: Collection[Task] | None = None) -> SampleSet:
        """Read the Samples of `split` under `root`, those of `tasks` only if given.

        Every record is checked, wanted or not. Raises DataError naming file and line for one that is not a Sample,
        belongs to another split, repeats an id, or names a file that is missing or outside `root`.
        """
        path = root / split / SAMPLES_FILE
        samples = []
        lines_of_ids: dict[str, int] = {}
        checked_paths: set[str] = set()
        for line, values in read_lines(path):
            try:
                sample = Sample.model_validate(values)
            except ValidationError as error:
                raise DataError(describe_validation_error(error, Sample), path=path, line=line) from error
            if sample.split != split:
                raise DataError(f"sample {sample.id} belongs to split '{sample.split}'", path=path, line=line)
            if sample.id in lines_of_ids:
                message = f"id {sample.id} was already used in line {lines_of_ids[sample.id]}"
                raise DataError(message, path=path, line=line)
            lines_of_ids[sample.id] = line
            for item in sample.media:
                if item.path not in checked_paths:
                    _check_media(root, item.path, path, line)
                    checked_paths.add(item.path)
            if tasks is None or sample.task in tasks:
                samples.append(sample)
        if not samples:
            wanted = "" if tasks is None else f" of the tasks {', '.join(sorted(tasks))}"
            raise DataError(f"holds no samples{wanted}", path=path)
        return cls(tuple(samples))


def _check_media(root: Path, relative: str, samples_path: Path, line: int) -> None:
    try:
        resolve_media_path(root, relative)
    except MediaError as error:
        raise DataError(error.message, path=samples_path, line=line, hint=error.hint) from error
