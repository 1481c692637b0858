"""What the doctor examines: datasets of Samples, worlds, or files of a release as they would be converted.

Reads records and rows; what cannot be read is handed on with what is wrong, for that is what the doctor is for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from perceptlm.data.converters.convert import convert_rows
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.data.converters.shards import DroppedRow
from perceptlm.data.dataset_files import choose_splits, read_located
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.coverage import conversion_of
from perceptlm.eval.datasets import EvalData, check_data
from perceptlm.eval.doctor import Examined
from perceptlm.eval.questions import Question, make_question
from perceptlm.eval.settings import ROW_NAMES, RowName, check_names
from perceptlm.schema import BENCHMARK_TASKS, Split

_BENCHMARK_FORMAT = "bench-"


def read_all(
    data: Sequence[Path],
    media: Sequence[Path],
    released: Sequence[str],
    *,
    boxes: Path | None,
    split: str,
    num_frames: int,
    tasks: str | None = None,
) -> list[Examined]:
    """Return what a person named: datasets and files `FORMAT=FILE`, with one media folder for all or one for each.

    `tasks` names the rows of the table that matter, with commas; records of no known row always do. Raises UsageError
    for what does not go together; other errors as `read_dataset` and `read_release`.
    """
    if not data and not released:
        raise UsageError("there is nothing to examine", hint="give --data DIR, or --released bench-fgqa=FILE")
    if len(media) not in (0, 1, len(data)) or (released and len(media) != 1):
        raise UsageError(f"{len(media)} --media for {len(data)} --data and {len(released)} --released")
    if boxes is not None and not released:
        raise UsageError("--boxes goes with --released: a converted benchmark holds its boxes")
    known: dict[str, Split] = {name: name for name in get_args(Split)}
    if split not in known:
        raise UsageError(f"there is no split '{split}'", hint=f"splits: {', '.join(known)}")
    rows = ROW_NAMES if tasks is None else tasks.split(",")
    check_names("row", rows, ROW_NAMES)
    folders: list[Path | None] = [*media] * len(data) if len(media) == 1 else [*media] or [None] * len(data)
    places = [
        read_dataset(EvalData(directory, folder), split=known[split], num_frames=num_frames)
        for directory, folder in zip(data, folders, strict=True)
    ]
    for text in released:
        name, _, path = text.partition("=")
        places.append(read_release(name, Path(path), media=media[0], boxes=boxes, num_frames=num_frames))
    return [_only(place, rows) for place in places]


def _only(place: Examined, rows: Collection[str]) -> Examined:
    questions = [question for question in place.questions if question.row in rows]
    return replace(
        place, questions=questions, dropped={row: lost for row, lost in place.dropped.items() if row in rows}
    )


def read_dataset(item: EvalData, *, split: Split, num_frames: int) -> Examined:
    """Return the questions of a split, asked with `num_frames` pictures, and what its conversion dropped.

    Raises ArtifactError, DataError or UsageError if the directory is no dataset, or has no such split.
    """
    check_data([item])
    choose_splits(item.directory, [split])
    questions: list[Question] = []
    unreadable: list[tuple[str, str]] = []
    for located in read_located(item.directory, [split]):
        try:
            if isinstance(located.found, DataError):
                raise located.found
            question = make_question(located.found, num_frames, root=item.root)
        except DataError as error:
            unreadable.append((located.place, error.message))
            continue
        if question is not None:
            questions.append(question)
    converted = conversion_of(item, split)
    if converted is None:
        return Examined(questions, unreadable=unreadable)
    return _attributed(questions, converted.dropped, unreadable, converted.format)


def read_release(name: str, path: Path, *, media: Path, boxes: Path | None, num_frames: int) -> Examined:
    """Return what the rows of a released file, such as `bench-rtloc`, would become; errors are `plm data convert`'s."""
    if not name.startswith(_BENCHMARK_FORMAT):
        raise UsageError(f"'{name}' is no format of a benchmark", hint="such as bench-fgqa=FILE or bench-rcap=FILE")
    sources = Sources(inputs=(path,), media=media, boxes=boxes if _has_regions(name) else None)
    questions: list[Question] = []
    dropped: list[DroppedRow] = []
    for made in convert_rows(sources, settings_for(name, sources, no_regions=False)):
        if isinstance(made, DroppedRow):
            dropped.append(made)
        elif (question := make_question(made, num_frames, root=media)) is not None:
            questions.append(question)
    return _attributed(questions, dropped, [], name)


def _attributed(
    questions: list[Question], dropped: list[DroppedRow], unreadable: list[tuple[str, str]], name: str
) -> Examined:
    """Give dropped rows to the row of the table that their file is of: its format says it, or its other rows do."""
    rows: set[RowName] = {row for row in ROW_NAMES if name == f"{_BENCHMARK_FORMAT}{row}"}
    rows = rows or {question.row for question in questions}
    by_row: dict[RowName, list[DroppedRow]] = defaultdict(list)
    if len(rows) == 1:
        by_row[rows.pop()] = dropped
        return Examined(questions, dict(by_row), unreadable=unreadable)
    return Examined(questions, unattributed=dropped, unreadable=unreadable)


def _has_regions(name: str) -> bool:
    return name.removeprefix(_BENCHMARK_FORMAT) in BENCHMARK_TASKS[2:]
