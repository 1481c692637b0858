"""Checking a whole dataset directory: every record, every media file it names, every id; all problems, not the first.

What is a Sample, the schema says; this module adds what only a whole directory can tell. It judges no licence (`audit`)
and counts nothing else (`profile`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from perceptlm.data.dataset_files import Located, read_located, record_files
from perceptlm.data.media_files import MediaFiles
from perceptlm.errors import DataError, MediaError
from perceptlm.media.pictures import check_media
from perceptlm.schema import MediaRef, Sample, Split


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the file relative to the directory, its line, and a sentence."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass
class Validation:
    """What was found: records by split, the first problems in order, and how many there are in all."""

    root: Path
    limit: int
    num_records: dict[str, int] = field(default_factory=dict)
    num_pairs: int = 0
    """Records with a rejected answer."""
    num_media: int = 0
    """Media files; with decoding, as described: one file under two sizes counts twice."""
    num_decoded: int = 0
    num_problems: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, record: Located, message: str) -> None:
        """Count a problem, and keep it if there is room."""
        self.num_problems += 1
        if len(self.problems) < self.limit:
            file = record.path.relative_to(self.root).as_posix()
            self.problems.append(Problem(file, record.line, message))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "directory": str(self.root),
            "num_records": self.num_records,
            "num_pairs": self.num_pairs,
            "num_media": self.num_media,
            "num_decoded": self.num_decoded,
            "num_problems": self.num_problems,
            "problems": [vars(problem) for problem in self.problems],
        }


def validate(
    root: Path,
    *,
    media_root: Path | None = None,
    decode: bool = False,
    limit: int = 100,
    each: Callable[[], object] = lambda: None,
) -> Validation:
    """Check every record under `root` and the presence of its media; with `decode`, open every media file once.

    Media lie under `media_root` (`root` for None). `limit` bounds the problems kept, not those counted; `each` is
    called after every record. Raises DataError for a directory without record files.
    """
    found = Validation(root, limit)
    found.num_records = dict.fromkeys(record_files(root), 0)
    media = _Media(root if media_root is None else media_root, decode)
    for split in found.num_records:
        ids = _Ids()  # an id is unique within its split
        for record in read_located(root, [split]):
            found.num_records[split] += 1
            if isinstance(record.found, DataError):
                found.add(record, record.found.message.removeprefix(f"{record.path}:{record.line}: "))
            else:
                found.num_pairs += record.found.rejected is not None
                _check(record, record.found, found, media, ids)
            each()
    found.num_media, found.num_decoded = media.num_files, media.num_decoded
    return found


class _Ids:
    """The ids of a split and where each came first; in one number each, for there may be millions."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._places: dict[str, int] = {}

    def first_use(self, id: str, record: Located) -> str | None:
        """Return where `id` was used before, as `FILE:LINE`; None if it was not, and remember it."""
        if record.path.name not in self._files[-1:]:
            self._files.append(record.path.name)
        place = (len(self._files) - 1 << 40) + record.line
        file, line = divmod(self._places.setdefault(id, place), 1 << 40)
        return None if (file << 40) + line == place else f"{self._files[file]}:{line}"


class _Media:
    """Looks at each media file once, and remembers what is wrong with it."""

    def __init__(self, root: Path, decode: bool) -> None:
        self._root = root
        self._files = MediaFiles(root)
        self._decode = decode
        self._good: set[MediaRef | str] = set()
        self._bad: dict[MediaRef, str] = {}
        self.num_decoded = 0

    @property
    def num_files(self) -> int:
        return len(self._good) + len(self._bad)

    def problem_of(self, item: MediaRef) -> str | None:
        """Return what is wrong with a file as the record describes it; None if nothing."""
        # Without decoding the path is all that matters; a record's size is compared with the file otherwise.
        known = item if self._decode else item.path
        if known in self._good:
            return None
        if item not in self._bad:
            try:
                self._files.check(item.path)
                if self._decode:
                    self.num_decoded += 1
                    check_media(item, self._root)
            except MediaError as error:
                self._bad[item] = error.message.removeprefix(f"{error.path}: ")
            else:
                self._good.add(known)
                return None
        return self._bad[item]


def _check(record: Located, sample: Sample, found: Validation, media: _Media, ids: _Ids) -> None:
    """Add what is wrong with one Sample among its fellows."""
    if record.split not in get_args(Split):
        found.add(record, f"there is no split '{record.split}' ({', '.join(get_args(Split))})")
    elif sample.split != record.split:
        found.add(record, f"sample {sample.id} belongs to split '{sample.split}'")
    first = ids.first_use(sample.id, record)
    if first is not None:
        found.add(record, f"id {sample.id} was already used in {first}")
    for item in sample.media:
        message = media.problem_of(item)
        if message is not None:
            found.add(record, f"{item.path}: {message}")
