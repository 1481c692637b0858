"""exchange.jsonl: what is written comes back; what is wrong names file, line and field; a kill tears nothing."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.config import Config
from perceptlm.errors import DataError, StorageError
from perceptlm.exchange.jsonl import (
    JsonlAppender,
    count_lines,
    cut_torn_line,
    encode_line,
    read_lines,
    read_numbered_results,
    read_records,
    write_records,
)


class Point(Config):
    x: int
    label: str = ""


POINTS = [Point(x=1, label="é\u2028\n{}"), Point(x=2)]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_records_come_back(tmp_path):
    path = tmp_path / "a.jsonl"
    write_records(path, POINTS)
    assert list(read_records(path, Point)) == POINTS
    assert [number for number, _ in read_lines(path)] == [1, 2]


@given(st.integers(), TEXT)
def test_one_record_is_one_line(x, label):
    line = encode_line(Point(x=x, label=label))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


def test_blank_lines_are_skipped_but_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\n{"x": 1}\n  \r\n{"x": 2}')
    assert [(number, value["x"]) for number, value in read_lines(path)] == [(2, 1), (4, 2)]


BAD_LINES = [b"{", b"nonsense", b"[1]", b"3", b'{"x": \xff}', b"[" * 100_000, b'{"x": ' + b"9" * 5000 + b"}"]


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_names_file_and_line(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"x": 1}\n' + line + b"\n")
    with pytest.raises(DataError) as caught:
        list(read_lines(path))
    assert caught.value.message.startswith(f"{path}:2: ")
    assert (caught.value.path, caught.value.line) == (path, 2)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [(b'{"x": "a"}', "'x'"), (b"{}", "'x'"), (b'{"x": 1, "lable": "b"}', "did you mean 'label'")],
)
def test_an_invalid_record_names_the_field(tmp_path, line, complaint):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line)
    with pytest.raises(DataError) as caught:
        list(read_records(path, Point))
    assert f"{path}:1: " in caught.value.message
    assert complaint in caught.value.message


def test_reading_goes_on_after_what_is_wrong(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"x": 1}\nnonsense\n\n{"x": "a"}\n{"x": 2}\n')
    found = list(read_numbered_results(path, Point))
    assert [number for number, _ in found] == [1, 2, 4, 5]
    assert [record for _, record in found if isinstance(record, Point)] == [Point(x=1), Point(x=2)]
    assert [record.message for _, record in found if isinstance(record, DataError)] == [
        f"{path}:2: not a JSON line: Expecting value: line 1 column 1 (char 0)",
        f"{path}:4: 'x': Input should be a valid integer, unable to parse string as an integer",
    ]
    assert count_lines(path) == 4


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be opened: No such file"):
        list(read_lines(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("torn", [b"", b'{"x"', b'{"x": 3}', b"\xff" * 10])
def test_appending_goes_on_after_a_torn_line(tmp_path, torn):
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode_line(POINTS[0]) + torn)
    with JsonlAppender(path) as appender:
        appender.write(POINTS[1])
    assert list(read_records(path, Point)) == POINTS


def test_a_file_of_one_torn_line_becomes_empty_and_a_missing_one_stays_missing(tmp_path):
    path = tmp_path / "a.jsonl"
    cut_torn_line(path)
    assert not path.exists()
    path.write_bytes(b'{"x":')
    cut_torn_line(path)
    assert path.read_bytes() == b""


def test_what_was_appended_is_in_the_file_before_the_next_record(tmp_path):
    path = tmp_path / "a.jsonl"
    with JsonlAppender(path) as appender:
        appender.write(POINTS[0])
        assert list(read_records(path, Point)) == POINTS[:1]


def test_numbers_that_json_lacks_are_not_written():
    with pytest.raises(ValueError):
        encode_line({"x": float("nan")})


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(tmp_path):
    appender = JsonlAppender(tmp_path / "a.jsonl")
    appender.close()
    appender._file = open("/dev/full", "ab")
    with pytest.raises(StorageError, match="disk is full"):
        appender.write(POINTS[0])
    with pytest.raises(StorageError, match="disk is full"):
        appender.close()


def test_a_failed_whole_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    write_records(path, POINTS)

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StorageError):
        write_records(path, POINTS[:1])
    assert list(read_records(path, Point)) == POINTS
