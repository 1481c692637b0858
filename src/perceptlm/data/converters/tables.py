"""Rows of Parquet, JSON Lines and JSON files, a batch at a time: no file is ever held whole.

What a file is, is decided by how it begins, not by its name. A line that is no object is given as a RowError, so that
it can be counted; a file that cannot be read on raises DataError. Knows no data set.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perceptlm.config import digest_of, file_digest
from perceptlm.data.converters.rows import Row, RowError
from perceptlm.errors import DataError, UsageError

_BATCH_ROWS = 1024
_CHUNK_CHARACTERS = 1 << 20
_MAX_ENTRY_CHARACTERS = 1 << 28
_BETWEEN = ", \t\r\n"


class Table(ABC):
    """A file of rows. `columns` are None where every row names its own fields."""

    columns: tuple[str, ...] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def num_rows(self) -> int:
        """How many rows there are, those that cannot be read included."""

    @abstractmethod
    def rows(self, start: int = 0) -> Iterator[Row | RowError]:
        """Yield the rows from number `start` (from 0) on."""

    def require(self, wanted: tuple[str, ...], hint: str = "") -> None:
        """Raise DataError naming the columns there are unless all `wanted` are among them."""
        if self.columns is not None and not set(wanted) <= set(self.columns):
            missing = ", ".join(name for name in wanted if name not in self.columns)
            raise DataError(
                f"has no column {missing}; its columns are {', '.join(self.columns)}",
                path=self.path,
                hint=hint or "is this a file of the format that was named?",
            )


def file_identity(path: Path) -> dict[str, str | int]:
    """Return name, size and sha256 of a file; DataError if it cannot be read."""
    try:
        return {"name": path.name, "num_bytes": path.stat().st_size, "sha256": file_digest(path)}
    except OSError as error:
        raise _cannot_open(path, error) from error


def folder_identity(directory: Path) -> dict[str, str | int]:
    """Return how many JSON files a folder holds, and a digest of their names and sizes."""
    found = sorted((path.relative_to(directory).as_posix(), path.stat().st_size) for path in directory.rglob("*.json"))
    return {"num_files": len(found), "names_and_sizes": digest_of(found)}


def open_table(path: Path) -> Table:
    """Return the rows of a file; DataError if it is none that can be read, UsageError without pyarrow."""
    try:
        with open(path, "rb") as file:
            head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise _cannot_open(path, error) from error
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    if head.startswith(b"["):
        return JsonTable(path)
    if head.startswith(b"{"):
        return LinesTable(path)
    raise DataError("is neither Parquet nor JSON", path=path)


class ParquetTable(Table):
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise UsageError(
                f"{path}: reading Parquet needs pyarrow", hint="install it with: pip install 'perceptlm[parquet]'"
            ) from error
        with _parquet_errors(path):
            self._file = pyarrow.parquet.ParquetFile(path)
            self.columns = tuple(self._file.schema_arrow.names)

    @property
    def num_rows(self) -> int:
        """How many rows the file announces."""
        return int(self._file.metadata.num_rows)

    def rows(self, start: int = 0) -> Iterator[Row | RowError]:
        """Yield the rows from number `start` on, a batch of columns in memory at a time."""
        first = 0
        for group in range(self._file.num_row_groups):
            stop = first + self._file.metadata.row_group(group).num_rows
            if stop > start:
                for batch in self._batches(group):
                    skipped = min(max(start - first, 0), batch.num_rows)
                    first += batch.num_rows
                    yield from batch.slice(skipped).to_pylist()
            first = stop

    def _batches(self, group: int) -> Iterator[Any]:
        # Nothing of the caller's may run within the translation of errors.
        batches = self._file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group])
        while True:
            with _parquet_errors(self.path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


class LinesTable(Table):
    """A JSON Lines file; rows are its lines, but for blank ones."""

    _num_rows: int | None = None

    @property
    def num_rows(self) -> int:
        """How many lines there are; counted once."""
        if self._num_rows is None:
            self._num_rows = sum(1 for _ in self._lines())
        return self._num_rows

    def rows(self, start: int = 0) -> Iterator[Row | RowError]:
        """Yield the lines from number `start` on."""
        for number, line in enumerate(self._lines()):
            if number >= start:
                yield _parse_line(line)

    def _lines(self) -> Iterator[bytes]:
        try:
            with open(self.path, "rb") as file:
                yield from (line for line in file if line.strip())
        except OSError as error:
            raise _cannot_open(self.path, error) from error


class JsonTable(Table):
    """A JSON file that holds one list of objects."""

    _num_rows: int | None = None

    @property
    def num_rows(self) -> int:
        """How many entries the list has; counted once."""
        if self._num_rows is None:
            self._num_rows = sum(1 for _ in self._entries())
        return self._num_rows

    def rows(self, start: int = 0) -> Iterator[Row | RowError]:
        """Yield the entries from number `start` on."""
        for number, entry in enumerate(self._entries()):
            if number >= start:
                yield _as_row(entry)

    def _entries(self) -> Iterator[Any]:
        decoder = json.JSONDecoder()
        try:
            with open(self.path, encoding="utf-8-sig") as file:
                text, place = file.read(_CHUNK_CHARACTERS).lstrip().removeprefix("["), 0
                while True:
                    while place < len(text) and text[place] in _BETWEEN:
                        place += 1
                    if text.startswith("]", place):
                        return
                    try:
                        entry, place = decoder.raw_decode(text, place)
                    except ValueError as error:
                        # Perhaps only cut off: read on, ever more at a time.
                        added = file.read(max(_CHUNK_CHARACTERS, len(text) - place))
                        if not added or len(text) - place > _MAX_ENTRY_CHARACTERS:
                            raise DataError(f"is not a whole list in JSON: {error}", path=self.path) from error
                        text, place = text[place:] + added, 0
                    else:
                        yield entry
        except OSError as error:
            raise _cannot_open(self.path, error) from error
        except (UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"cannot be read as JSON: {error}", path=self.path) from error


def _parse_line(line: bytes) -> Row | RowError:
    try:
        return _as_row(json.loads(line.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        return RowError("not a JSON line", str(error))


def _as_row(value: Any) -> Row | RowError:
    return value if isinstance(value, dict) else RowError("not a JSON object", f"found {type(value).__name__}")


def _cannot_open(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot be opened: {os.strerror(error.errno or 0)}", path=path)


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"is not a Parquet file that can be read: {' '.join(str(error).split())}", path=path) from error
