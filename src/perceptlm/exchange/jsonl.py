"""JSON Lines: reading with errors that name file and line, writing whole, appending so that a kill loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.config import describe_validation_error
from perceptlm.errors import DataError

M = TypeVar("M", bound=BaseModel)


def encode_line(record: BaseModel | dict[str, Any]) -> bytes:
    """Return one record as a JSON line; every field is written, key order is kept."""
    values = record.model_dump(mode="json") if isinstance(record, BaseModel) else record
    return (json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n").encode()


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object). Blank lines are skipped; anything else that is wrong raises DataError."""
    for number, raw in _raw_lines(path):
        yield number, _parse_object(raw, path, number)


def read_whole_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield as `read_lines` does, but not what follows the last newline: another process may be writing it."""
    for number, raw in _raw_lines(path):
        if raw.endswith(b"\n"):
            yield number, _parse_object(raw, path, number)


def read_records(path: Path, cls: type[M]) -> Iterator[M]:
    """Yield validated records; an invalid one raises DataError naming file, line and field."""
    for _, record in read_numbered_records(path, cls):
        yield record


def read_numbered_records(path: Path, cls: type[M]) -> Iterator[tuple[int, M]]:
    """Yield (line number from 1, validated record); an invalid one raises DataError naming file, line and field."""
    for number, found in read_numbered_results(path, cls):
        if isinstance(found, DataError):
            raise found
        yield number, found


def read_numbered_results(path: Path, cls: type[M]) -> Iterator[tuple[int, M | DataError]]:
    """Yield (line number from 1, validated record, or what is wrong with it): reading goes on after an invalid one.

    Raises DataError for a file that cannot be opened.
    """
    for number, raw in _raw_lines(path):
        try:
            # Parsing and checking at once takes a fraction of the time of one after the other.
            yield number, cls.model_validate_json(raw)
        except ValidationError as error:
            yield number, _problem(raw, path, number, error, cls)


def count_lines(path: Path) -> int:
    """Return how many lines of a file are not blank, without parsing them; DataError if it cannot be opened."""
    return sum(1 for _ in _raw_lines(path))


def _problem(raw: bytes, path: Path, number: int, error: ValidationError, cls: type[BaseModel]) -> DataError:
    try:
        _parse_object(raw, path, number)  # says it better where the line is no JSON object at all
    except DataError as worse:
        return worse
    found = DataError(describe_validation_error(error, cls), path=path, line=number)
    found.__cause__ = error
    return found


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        file = open(path, "rb")
    except OSError as error:
        raise DataError(f"cannot be opened: {os.strerror(error.errno or 0)}", path=path) from error
    with file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                yield number, raw


def _parse_object(raw: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not a JSON line: {error}", path=path, line=number) from error
    if not isinstance(value, dict):
        raise DataError(f"expected an object, found {type(value).__name__}", path=path, line=number)
    return value


def write_records(path: Path, records: Iterable[BaseModel | dict[str, Any]]) -> None:
    """Write a whole file, atomically."""
    write_atomic(path, b"".join(encode_line(record) for record in records))


class JsonlAppender:
    """Append records to a file that may end in the torn line of a killed process; that line is cut off first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with translate_os_errors(path):
            cut_torn_line(path)
            self._file = open(path, "ab")

    def write(self, record: BaseModel | dict[str, Any]) -> None:
        """Append one record and hand it to the operating system."""
        with translate_os_errors(self.path):
            self._file.write(encode_line(record))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with translate_os_errors(self.path):
            self._file.close()

    def __enter__(self) -> JsonlAppender:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last newline of `path`, if the file exists."""
    if not path.exists():
        return
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        with open(path, "r+b") as file:
            file.truncate(end)
