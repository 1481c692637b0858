"""What share of a benchmark can be asked: rows that the conversion dropped, media that are missing, broken groups.

A score over half of a benchmark is not a score of the benchmark. Items are what a row's score is the mean of: groups of
FGQA questions, questions elsewhere. Looks whether media files are there; opens none, and knows no metric.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptlm.config import Config
from perceptlm.data.converters.convert import read_counts
from perceptlm.data.converters.shards import COUNTS_FILE, DroppedRow, read_dropped
from perceptlm.data.media_files import MediaFiles
from perceptlm.errors import DataError, MediaError
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.outcomes import BROKEN_GROUP, MISSING_MEDIA, NOT_ASKED, Row
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import RowName
from perceptlm.schema import Split


class Coverage(Config):
    """Of `num_items` that the release has, `num_askable` could be asked; `num_dropped` were lost in the conversion."""

    num_items: int
    num_askable: int
    num_dropped: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1; of nothing, everything is there."""
        return self.num_askable / self.num_items if self.num_items else 1.0


@dataclass(frozen=True)
class Dropped:
    """What a conversion dropped of one row of the table: `groups` by name, and rows whose group is not known or that
    have none."""

    groups: frozenset[str] = frozenset()
    num_other_rows: int = 0

    @classmethod
    def of(cls, rows: Iterable[DroppedRow]) -> Dropped:
        """Sum up dropped rows."""
        rows = list(rows)
        return cls(frozenset(row.group for row in rows if row.group), sum(row.group is None for row in rows))

    def __or__(self, other: Dropped) -> Dropped:
        return Dropped(self.groups | other.groups, self.num_other_rows + other.num_other_rows)


@dataclass(frozen=True)
class Gaps:
    """What cannot be asked: `unaskable` questions by id, with the reason, and what conversions dropped."""

    unaskable: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[RowName, Dropped] = field(default_factory=dict)

    def askable(self, questions: Sequence[Question]) -> tuple[Question, ...]:
        """Return the questions that can be asked."""
        return tuple(question for question in questions if question.sample.id not in self.unaskable)


def find_gaps(
    data: Sequence[EvalData],
    questions: Sequence[Question],
    split: Split,
    *,
    media_of: Collection[str] | None = None,
) -> Gaps:
    """Return what of `questions`, all of `data`, cannot be asked.

    `media_of` names the questions whose media files must be there; None: all of them. Raises DataError if every file
    is missing: then the folder is wrong, not the files.
    """
    files: dict[Path, MediaFiles] = {}
    unaskable: dict[str, str] = {}
    last: MediaError | None = None
    checked = [item for item in questions if media_of is None or item.sample.id in media_of]
    for question in checked:
        found = files.setdefault(question.root, MediaFiles(question.root))
        for media in question.sample.media:
            try:
                found.check(media.path)
            except MediaError as error:
                unaskable[question.sample.id], last = MISSING_MEDIA, error
    if last is not None and len(unaskable) == len(questions):
        raise DataError(
            f"every media file is missing; the last: {last}", hint="--media names where the media files are"
        )
    dropped = dropped_rows(data, questions, split)
    broken = broken_groups(questions, unaskable, dropped.get("fgqa", Dropped()))
    for question in questions:
        if question.row == "fgqa" and question.unit in broken:
            unaskable.setdefault(question.sample.id, BROKEN_GROUP)
    return Gaps(unaskable, dropped)


def dropped_rows(data: Sequence[EvalData], questions: Sequence[Question], split: Split) -> dict[RowName, Dropped]:
    """Return what the conversions of `data` dropped, by row of the table.

    The rows of a converted file are all of one row of the table: the one that its other questions are of.
    """
    found: dict[RowName, Dropped] = {}
    for item in data:
        converted = conversion_of(item, split)
        if converted is None:
            continue
        prefix = f"{converted.format}."
        rows = {question.row for question in questions if question.sample.id.startswith(prefix)}
        if len(rows) == 1:
            (row,) = rows
            found[row] = found.get(row, Dropped()) | Dropped.of(converted.dropped)
    return found


@dataclass(frozen=True)
class Conversion:
    """The format that a dataset was converted from, and what was dropped."""

    format: str
    dropped: list[DroppedRow]


def conversion_of(item: EvalData, split: Split) -> Conversion | None:
    """Return how a split was converted; None for a world or another split: nothing is dropped there."""
    if not (item.directory / COUNTS_FILE).is_file():
        return None
    counts = read_counts(item.directory)
    if counts.get("split") != split:
        return None
    return Conversion(str(counts["format"]), read_dropped(item.directory))


def broken_groups(questions: Iterable[Question], unaskable: Collection[str], dropped: Dropped) -> frozenset[str]:
    """Return the groups of which a question is missing."""
    broken = (q.unit for q in questions if q.row == "fgqa" and q.sample.id in unaskable)
    return dropped.groups | frozenset(broken)


def coverage_of(own: Iterable[tuple[str, str | None]], dropped: Dropped) -> Coverage:
    """Return the coverage of one row of the table from (unit, reason of its outcome) of its questions."""
    units: dict[str, bool] = defaultdict(lambda: True)
    for unit, reason in own:
        units[unit] = units[unit] and reason not in NOT_ASKED
    lost = len(dropped.groups - units.keys()) + dropped.num_other_rows
    return Coverage(num_items=len(units) + lost, num_askable=sum(units.values()), num_dropped=lost)


def coverage_of_rows(own: Sequence[Row], dropped: Dropped) -> Coverage:
    """Return the coverage of one row of the table from its scored questions."""
    return coverage_of(((row.unit, row.score.reason) for row in own), dropped)
