"""Files of RefCOCO, RefCOCO+ and RefCOCOg -> one row per referring expression.

The release is a pickle, `refs(unc).p`, beside `instances.json`. A pickle can run any program when it is read, so it is
not. Four other forms are, as they are passed around (docs/datasets.md says where from, and how to make the first):

    refs as JSON + instances.json   [{ref_id, ann_id, image_id, split, sentences: [{sent, sent_id}]}], [x, y, w, h]
    MDETR's JSON                    {images: [{id, file_name, caption}], annotations: [{image_id, bbox: [x, y, w, h]}]}
    Qwen-VL's JSON Lines            {image, sent, bbox: [x1, y1, x2, y2]}
    rows of the hub                 {question_id, file_name, answer: [expression, ...], bbox: [x, y, w, h]}

All become rows with `key` (None where there is none), `expression`, `image` (a file name), `bbox` ([x, y, w, h]) and
`subset` (val, testA, ...). Knows no Sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from perceptlm.data.converters.image_tables import SUBSET_FIELD
from perceptlm.data.converters.json_members import DerivedTable, has_list, list_of
from perceptlm.data.converters.rows import Row, RowError
from perceptlm.data.converters.tables import Table, open_table
from perceptlm.errors import DataError

HOW_TO_CONVERT = "docs/datasets.md, Image benchmarks, says which JSON forms there are and how to make one"
_PICKLES = (".p", ".pkl", ".pickle")
_PARTS = ("testA", "testB", "test", "val", "train")
_WITH_ANNOTATION = re.compile(r"(COCO_\w+?_\d{12})_\d+(\.\w+)")
"""Names in refs and on the hub: the picture's, and the number of an annotation, which no file has."""

Found = Iterator[Row | RowError]


def open_expressions(paths: Sequence[Path]) -> list[Table]:
    """Return the files' referring expressions; DataError for a pickle, or for refs without instances."""
    for path in paths:
        if path.suffix in _PICKLES or _begins_like_a_pickle(path):
            raise DataError("is a pickle, which could run any program: not read", path=path, hint=HOW_TO_CONVERT)
    objects = {path for path in paths if has_list(path, "annotations")}
    captioned = {path for path in objects if _has_captions(path)}
    instances = [path for path in paths if path in objects - captioned]
    others = [path for path in paths if path not in instances]
    if not others:
        raise DataError("holds boxes, but no expression", path=paths[0], hint=f"give the refs too; {HOW_TO_CONVERT}")
    boxes = _Instances(instances)
    return [
        DerivedTable(path, partial(_captioned, path) if path in captioned else partial(_rows, open_table(path), boxes))
        for path in others
    ]


class _Instances:
    """Boxes by annotation, and file names by image, read when they are first asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._boxes: dict[Any, Any] | None = None
        self._names: dict[Any, Any] = {}

    def find(self, annotation: Any, image: Any) -> tuple[Any, Any]:
        """Return the box of an annotation and the name of an image; RowError if there is no such box."""
        if not self._paths:
            raise RowError("refs without instances.json", "their boxes are in it: give both files")
        if self._boxes is None:
            self._boxes = {}
            for path in self._paths:
                self._boxes |= {row["id"]: row.get("bbox") for row in _numbered(path, "annotations")}
                self._names |= {row["id"]: row.get("file_name") for row in _numbered(path, "images")}
        if not isinstance(annotation, int) or annotation not in self._boxes:
            raise RowError("no box of this annotation", f"ann_id {str(annotation)[:40]}")
        return self._boxes[annotation], self._names.get(image) if isinstance(image, int) else None


def _rows(table: Table, instances: _Instances) -> Found:
    part = _part(table.path)
    for row in table.rows():
        try:
            if isinstance(row, RowError):
                raise row
            if "sentences" in row and "ann_id" in row:
                yield from _of_ref(row, instances, part)
            elif "sent" in row:
                x1, y1, x2, y2 = _four(row.get("bbox"))
                yield _expression(row, None, row["sent"], row.get("image"), [x1, y1, x2 - x1, y2 - y1], part)
            elif isinstance(row.get("answer"), list):
                for number, text in enumerate(row["answer"]):
                    key = f"{row.get('question_id')}.{number}"
                    yield _expression(row, key, text, row.get("file_name"), row.get("bbox"), part)
            else:
                raise RowError("no known form of a referring expression", ", ".join(map(str, row))[:200])
        except RowError as error:
            yield error


def _of_ref(row: Row, instances: _Instances, part: str | None) -> Found:
    box, name = instances.find(row.get("ann_id"), row.get("image_id"))
    sentences = row.get("sentences")
    if not isinstance(sentences, list) or not sentences:
        raise RowError("no expression", f"ref_id {row.get('ref_id')}")
    for sentence in sentences:
        told = sentence if isinstance(sentence, Mapping) else {"sent": sentence}
        key = f"{row.get('ref_id')}.{told.get('sent_id')}"
        yield _expression(row, key, told.get("sent"), name or row.get("file_name"), box, part)


def _captioned(path: Path) -> Found:
    boxes = {row["image_id"]: row.get("bbox") for row in _numbered(path, "annotations", "image_id")}
    for row in list_of(path, "images"):
        if isinstance(row, RowError):
            yield row
        elif not isinstance(row.get("id"), int) or row["id"] not in boxes:
            yield RowError("no box of this expression", f"id {str(row.get('id'))[:40]}")
        else:
            key = str(row["id"])
            yield _expression(row, key, row.get("caption"), row.get("file_name"), boxes[row["id"]], _part(path))


def _expression(row: Row, key: str | None, text: Any, image: Any, box: Any, part: str | None) -> Row:
    name = PurePosixPath(image).name if isinstance(image, str) else None
    if name is not None and (match := _WITH_ANNOTATION.fullmatch(name)) is not None:
        name = match[1] + match[2]
    subset = row.get("split")
    return {
        "key": key,
        "expression": text,
        "image": name,
        "bbox": box,
        SUBSET_FIELD: subset if isinstance(subset, str) else part,
    }


def _numbered(path: Path, name: str, field: str = "id") -> Iterator[Row]:
    return (row for row in list_of(path, name) if not isinstance(row, RowError) and isinstance(row.get(field), int))


def _four(box: Any) -> tuple[float, float, float, float]:
    try:
        x1, y1, x2, y2 = (float(side) for side in box)
    except (TypeError, ValueError) as error:
        raise RowError("no valid box", str(box)[:80]) from error
    return x1, y1, x2, y2


def _has_captions(path: Path) -> bool:
    first = next(list_of(path, "images"), None)
    return isinstance(first, dict) and "caption" in first


def _part(path: Path) -> str | None:
    return next((part for part in _PARTS if part.lower() in path.stem.lower()), None)


def _begins_like_a_pickle(path: Path) -> bool:
    """Whether a file begins as pickles do: protocol 2 and later, or a list in protocol 0."""
    try:
        with open(path, "rb") as file:
            return file.read(4).startswith((b"\x80", b"(lp", b"(dp"))
    except OSError:
        return False  # opening it as a table says why
