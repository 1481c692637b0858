"""JSON files that hold one object with lists in it, entry by entry: `{"info": {...}, "data": [row, row, ...]}`.

Image benchmarks come as such files, some of hundreds of megabytes: no list of theirs is ever held whole. Knows no data
set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from perceptlm.data.converters.rows import Row, RowError
from perceptlm.data.converters.tables import Table
from perceptlm.errors import DataError

_CHUNK_CHARACTERS = 1 << 20
_MAX_VALUE_CHARACTERS = 1 << 28


def members(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the members of the object that a file begins with, as (name, value), a list as (name, entry) per entry.

    What follows the object is not looked at. DataError for a file that is none.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            yield from _Reader(file).members()
    except OSError as error:
        raise DataError(f"cannot be opened: {os.strerror(error.errno or 0)}", path=path) from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(f"is not a whole object in JSON: {error}", path=path) from error


def has_list(path: Path, name: str) -> bool:
    """Whether a file begins with an object that has a list `name` with an object in it."""
    try:
        return any(found == name and isinstance(value, dict) for found, value in members(path))
    except DataError:
        return False  # reading it as another kind of file says what is wrong


class DerivedTable(Table):
    """Rows that are made of one file's or several files' contents; `make` starts from the first one each time."""

    _num_rows: int | None = None

    def __init__(self, path: Path, make: Callable[[], Iterator[Row | RowError]]) -> None:
        super().__init__(path)
        self._make = make

    @property
    def num_rows(self) -> int:
        """How many rows there are; counted once, by making them all."""
        if self._num_rows is None:
            self._num_rows = sum(1 for _ in self._make())
        return self._num_rows

    def rows(self, start: int = 0) -> Iterator[Row | RowError]:
        """Yield the rows from number `start` on."""
        return islice(self._make(), start, None)


def list_of(path: Path, name: str) -> Iterator[Row | RowError]:
    """Yield the entries of the list `name`; one that is no object as a RowError."""
    for found, value in members(path):
        if found == name:
            yield value if isinstance(value, dict) else RowError("not a JSON object", f"found {type(value).__name__}")


class _Reader:
    """A text read piece by piece, as far as its next value needs."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._place = 0
        self._decoder = json.JSONDecoder()

    def members(self) -> Iterator[tuple[str, Any]]:
        self._take("{")
        if self._peek() == "}":
            return
        while True:
            name = self._value()
            self._take(":")
            if self._peek() == "[":
                yield from ((str(name), entry) for entry in self._entries())
            else:
                yield str(name), self._value()
            if self._peek() == "}":
                return
            self._take(",")

    def _entries(self) -> Iterator[Any]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            yield self._value()
            if self._peek() == "]":
                self._take("]")
                return
            self._take(",")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except ValueError:
                # Perhaps only cut off: read on, ever more at a time.
                if len(self._text) - self._place > _MAX_VALUE_CHARACTERS or not self._read_more():
                    raise
                continue
            may_go_on = end == len(self._text) or self._text[end] in ".eE"
            if isinstance(value, int | float) and may_go_on and self._read_more():
                continue  # what was read is the beginning of a number
            self._place = end
            return value

    def _peek(self) -> str:
        """Return the next character that is no blank, "" at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in " \t\r\n":
                self._place += 1
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read_more():
                return ""

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise ValueError(f"'{wanted}' is missing")
        self._place += 1

    def _read_more(self) -> bool:
        added = self._file.read(max(_CHUNK_CHARACTERS, len(self._text) - self._place))
        self._text = self._text[self._place :] + added
        self._place = 0
        return bool(added)
