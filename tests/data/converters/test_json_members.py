"""Objects with lists in them, read entry by entry, however the pieces fall."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perceptlm.data.converters import json_members
from perceptlm.data.converters.json_members import has_list, list_of, members
from perceptlm.data.converters.rows import RowError
from perceptlm.errors import DataError

CONTENT: dict[str, Any] = {
    "info": {"year": 2017, "list": [1]},
    "version": 12345.5,
    "empty": [],
    "data": [{"text": "ä]},", "list": [[], {}]}, {"b": None}, 7],
    "type": "val",
}


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_members_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, indent: int | None) -> None:
    monkeypatch.setattr(json_members, "_CHUNK_CHARACTERS", size)
    path = tmp_path / "rows.json"
    path.write_text("\ufeff" + json.dumps(CONTENT, indent=indent, ensure_ascii=False), encoding="utf-8")
    expected = []
    for name, value in CONTENT.items():
        expected += [(name, entry) for entry in value] if isinstance(value, list) else [(name, value)]
    assert list(members(path)) == expected
    found = list(list_of(path, "data"))
    assert found[:2] == CONTENT["data"][:2]
    assert isinstance(found[2], RowError)


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"a": [1, 2', '{"a" 1}', '{"a": 1', '{"a": [1 2]}', '{"a": 1,}', '{"a": ' + "[" * 100_000]
)
def test_what_is_no_object(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"rows\.json: is not a whole object in JSON"):
        list(members(path))
    assert not has_list(path, "a")


def test_rows_of_their_own_are_told_from_a_list_in_an_object(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{"a": 1}\n{"data": [{}]}\n')
    assert not has_list(path, "data")
    path.write_text('{"data": [1], "other": [{}]}')
    assert not has_list(path, "data")
    assert has_list(path, "other")
    with pytest.raises(DataError, match="cannot be opened"):
        list(members(tmp_path / "absent"))
