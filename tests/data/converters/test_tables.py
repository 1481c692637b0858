"""Reading rows: from any number on, in pieces, and one clear sentence for every file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perceptlm.data.converters import tables
from perceptlm.data.converters.rows import RowError
from perceptlm.data.converters.tables import open_table
from perceptlm.errors import DataError

ROWS = [{"number": number, "text": "ä" * number, "inner": {"list": [number, "[]{},"]}} for number in range(20)]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl", "rows.json"])
@pytest.mark.parametrize("start", [0, 1, 5, 6, 7, 19, 20, 99])
def test_rows_from_any_number_on(write_rows: Any, monkeypatch: pytest.MonkeyPatch, name: str, start: int) -> None:
    """Batches, row groups and pieces of text end in the middle of everything."""
    monkeypatch.setattr(tables, "_BATCH_ROWS", 4)
    monkeypatch.setattr(tables, "_CHUNK_CHARACTERS", 7)
    rows = ROWS if name != "rows.parquet" else [{**row, "inner": {"list": ["[]{},"]}} for row in ROWS]
    table = open_table(write_rows(rows, name, row_group_size=6))
    assert table.num_rows == 20
    assert list(table.rows(start)) == rows[start:]


def test_parquet_names_its_columns(write_rows: Any) -> None:
    table = open_table(write_rows([{"a": 1, "b": 2}]))
    assert table.columns == ("a", "b")
    table.require(("b",))
    with pytest.raises(DataError, match=r"rows\.parquet: has no column c, d; its columns are a, b"):
        table.require(("a", "c", "d"))


def test_an_entry_of_a_list_that_is_no_object(write_rows: Any) -> None:
    found = list(open_table(write_rows([{"a": 1}, 7, [2]], "rows.json")).rows())
    assert found[0] == {"a": 1}
    assert [error.reason for error in found[1:] if isinstance(error, RowError)] == ["not a JSON object"] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is neither Parquet nor JSON"),
        (b"PK\x03\x04", "is neither Parquet nor JSON"),
        (b"PAR1 and no more", "is not a Parquet file that can be read"),
        (b'[{"a": 1}, {"b"', "is not a whole list in JSON"),
        (b'[{"a": 1}', "is not a whole list in JSON"),
        (b'[{"a": "\xff"}]', "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON|is not a whole list"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rows"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"rows: ({message})"):
        list(open_table(path).rows())


def test_a_damaged_parquet_file(write_rows: Any) -> None:
    path = write_rows([{"text": "x" * 1000} for _ in range(50)], row_group_size=50)
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\xff" * 60 + content[68:])
    with pytest.raises(DataError, match=r"rows\.parquet: is not a Parquet file that can be read"):
        list(open_table(path).rows())


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: cannot be opened: No such file"):
        open_table(tmp_path / "absent")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    for content in (json.dumps({"a": 1}), json.dumps([{"a": 1}])):
        (tmp_path / "rows").write_text("\ufeff" + content, encoding="utf-8")
        assert list(open_table(tmp_path / "rows").rows()) == [{"a": 1}]
