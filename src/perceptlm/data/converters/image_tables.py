"""Files of image benchmarks -> rows: lists within objects, questions with their answers, images with their captions.

Each function takes the files of one conversion and returns the tables they are read as. What must be joined to a row is
kept in memory: of VQAv2 its answers, of COCO its captions. Knows no Sample; RefCOCO's files are in
`referring_tables`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from perceptlm.data.converters.json_members import DerivedTable, has_list, list_of, members
from perceptlm.data.converters.rows import Row, RowError
from perceptlm.data.converters.tables import Table, open_table
from perceptlm.errors import DataError

SUBSET_FIELD = "subset"
"""The field in which a row says the part of its benchmark, where the file's name does."""
COCO_NUMBER = "coco_number"
"""The field with an image's number in the 12 digits of COCO's file names."""
_POPE_PARTS = ("random", "popular", "adversarial")
_CHART_PARTS = ("human", "augmented")

OpenTables = Callable[[Sequence[Path]], list[Table]]


def open_rows(paths: Sequence[Path]) -> list[Table]:
    """Return each file as a table of its own: Parquet, JSON Lines or one list."""
    return [open_table(path) for path in paths]


def open_data(paths: Sequence[Path]) -> list[Table]:
    """Return files of `{"data": [row, ...]}` (DocVQA, TextVQA), or of rows."""
    return [
        DerivedTable(path, partial(list_of, path, "data")) if has_list(path, "data") else open_table(path)
        for path in paths
    ]


def open_charts(paths: Sequence[Path]) -> list[Table]:
    """Return ChartQA's files; names such as test_human.json say which questions they hold."""
    return [_with_subset(open_table(path), _CHART_PARTS) for path in paths]


def open_pope(paths: Sequence[Path]) -> list[Table]:
    """Return POPE's files; names such as coco_pope_random.json say how their objects were chosen."""
    return [_with_subset(open_table(path), _POPE_PARTS) for path in paths]


def open_vqav2(paths: Sequence[Path]) -> list[Table]:
    """Return VQAv2's questions, each with its answers; DataError unless there are files of both."""
    questions = [path for path in paths if has_list(path, "questions")]
    annotations = [path for path in paths if has_list(path, "annotations")]
    if not questions or not annotations or len(questions) + len(annotations) != len(paths):
        raise DataError(
            "VQAv2 comes as files of questions and files of annotations, both of which are needed",
            path=paths[0],
            hint="give v2_OpenEnded_mscoco_val2014_questions.json and v2_mscoco_val2014_annotations.json",
        )
    answers = _Once(lambda: _answers(annotations))
    return [DerivedTable(path, partial(_with_answers, path, answers)) for path in questions]


def open_coco_captions(paths: Sequence[Path]) -> list[Table]:
    """Return images with their captions: COCO's annotations, or rows that hold `sentences` (Karpathy's splits)."""
    return [
        DerivedTable(path, partial(_captioned_images, path)) if has_list(path, "annotations") else open_table(path)
        for path in paths
    ]


class _Once:
    """What is made when it is first asked for, and kept."""

    def __init__(self, make: Callable[[], dict[Any, dict[str, Any]]]) -> None:
        self._make = make
        self._found: dict[Any, dict[str, Any]] | None = None

    def __call__(self) -> dict[Any, dict[str, Any]]:
        if self._found is None:
            self._found = self._make()
        return self._found


def coco_number(image_id: Any) -> str | None:
    """Return an image's number in 12 digits; None if it is none."""
    is_number = isinstance(image_id, int) and not isinstance(image_id, bool) and image_id >= 0
    return f"{image_id:012d}" if is_number else None


def _with_subset(table: Table, parts: Sequence[str]) -> Table:
    found = [part for part in parts if part in table.path.stem.lower()]
    if len(found) != 1:
        return table

    def make() -> Iterator[Row | RowError]:
        for row in table.rows():
            yield row if isinstance(row, RowError) else {SUBSET_FIELD: found[0], **row}

    return DerivedTable(table.path, make)


def _answers(paths: Sequence[Path]) -> dict[Any, dict[str, Any]]:
    """Return what the annotations say of every question, by its id; equal texts are kept once."""
    kept: dict[str, str] = {}
    found: dict[Any, dict[str, Any]] = {}
    for path in paths:
        part = _scalar(path, "data_subtype")
        for row in list_of(path, "annotations"):
            if isinstance(row, RowError) or not isinstance(row.get("question_id"), int):
                continue  # its question has no answers then, and is dropped
            entries = row.get("answers")
            texts = [
                entry.get("answer") if isinstance(entry, dict) else entry
                for entry in (entries if isinstance(entries, list) else ())
            ]
            found[row["question_id"]] = {
                "answers": tuple(kept.setdefault(text, text) if isinstance(text, str) else text for text in texts),
                "answer_type": row.get("answer_type"),
                "data_subtype": part,
            }
    return found


def _with_answers(path: Path, answers: _Once) -> Iterator[Row | RowError]:
    part = _scalar(path, "data_subtype")
    for row in list_of(path, "questions"):
        if isinstance(row, RowError):
            yield row
            continue
        number = coco_number(row.get("image_id"))
        key = row.get("question_id")
        known = answers().get(key, {}) if isinstance(key, int) else {}
        found = {**row, **known, COCO_NUMBER: number}
        folder = part or found.get("data_subtype")
        if number is not None and folder is not None:
            found["image"] = f"COCO_{folder}_{number}.jpg"
        yield found


def _captioned_images(path: Path) -> Iterator[Row | RowError]:
    captions: dict[Any, list[Any]] = defaultdict(list)
    for row in list_of(path, "annotations"):
        if not isinstance(row, RowError) and isinstance(row.get("image_id"), int):
            captions[row["image_id"]].append(row.get("caption"))
    for row in list_of(path, "images"):
        if isinstance(row, RowError):
            yield row
        else:
            number = row.get("id")
            told = captions.get(number, []) if isinstance(number, int) else []
            yield {**row, COCO_NUMBER: coco_number(number), "sentences": told}


def _scalar(path: Path, name: str) -> str | None:
    """Return a text beside the lists of a file, wherever it stands; None if there is none."""
    return next((value for found, value in members(path) if found == name and isinstance(value, str)), None)
