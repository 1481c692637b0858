"""One row of a released file, read with care: fields of the right type, file names, times.

Whatever a row lacks raises RowError with a reason of few words, by which dropped rows are counted, and a detail. All
text is hostile. Knows no data set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from perceptlm.config import describe_validation_error
from perceptlm.errors import DataError, UsageError
from perceptlm.schema import BoxTrack, MediaRef, Sample, TimeSpan, Turn
from perceptlm.schema.placeholders import holds_placeholder

Row = Mapping[str, Any]
_FIELD = re.compile(r"\{(\w+)(?:\[:([0-9]{1,4})\])?\}")
_MAX_DETAIL = 300
_MAX_SECONDS = 10**7


class RowError(DataError):
    """Why a row becomes no Sample: `reason` is one of few, `detail` says what was found.

    `group` is the group of records that the row was one of, if it said so: without it that group is not whole.
    """

    def __init__(self, reason: str, detail: str = "", *, group: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.group = group
        self.detail = detail[:_MAX_DETAIL]


def text_of(row: Row, name: str) -> str:
    """Return a text without blanks around it; RowError if there is none, or one that could not be told from ours."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"no text in '{name}'", f"found {type(value).__name__}")
    return plain_text(value.strip())


def plain_text(text: str) -> str:
    """Return `text`; RowError if it holds what stands for frames or boxes in our texts, or is no Unicode."""
    if holds_placeholder(text):
        raise RowError("text holds a placeholder", text)
    return unicode_text(text)


def unicode_text(text: str) -> str:
    """Return `text`; RowError if it is no Unicode: JSON may hold half of a surrogate pair, which no file can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError("text is not valid Unicode") from error
    return text


def int_of(row: Row, name: str) -> int:
    """Return a whole number that is not negative."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RowError(f"no number in '{name}'", f"found {str(value)[:40]!r}")
    return value


def seconds_of(row: Row, name: str) -> str | None:
    """Return a time in seconds as a decimal number, to the nanosecond; None where it says nothing."""
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value)) if isinstance(value, int | float | str) else Decimal("NaN")
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= _MAX_SECONDS:
        raise RowError(f"no time in '{name}'", f"found {str(value)[:40]!r}")
    return f"{number:.9f}".rstrip("0").rstrip(".")


def span_of(row: Row, total_frames: int) -> TimeSpan:
    """Return `start_frame` to `end_frame`, both within a video of `total_frames`."""
    start, end = int_of(row, "start_frame"), int_of(row, "end_frame")
    if end < start:
        raise RowError("span is reversed", f"[{start}, {end}]")
    if end >= total_frames:
        raise RowError("span ends after the video", f"[{start}, {end}] of {total_frames} frames")
    return TimeSpan(start_frame=start, end_frame=end)


def fill_path(pattern: str, row: Row) -> str:
    """Return `pattern` with `{field}` filled in from the row, or its first n characters for `{field[:n]}`."""

    def value_of(match: re.Match[str]) -> str:
        value = row.get(match.group(1))
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise RowError(f"no file name in '{match.group(1)}'", f"found {type(value).__name__}")
        return str(value)[: None if match.group(2) is None else int(match.group(2))]

    return _FIELD.sub(value_of, pattern)


def check_pattern(pattern: str) -> None:
    """Raise UsageError for a pattern of file names that `fill_path` cannot fill in."""
    if not pattern or "{" in _FIELD.sub("", pattern) or "}" in _FIELD.sub("", pattern):
        raise UsageError(
            f"'{pattern}' is not a pattern of file names", hint="write {column}, or {column[:7]} for its beginning"
        )


def attributes_of(row: Row, **names: str) -> dict[str, str | int | float | bool]:
    """Return attributes, each named by a keyword, from the fields that say something."""
    found = {attribute: row.get(name) for attribute, name in names.items()}
    return {
        name: unicode_text(value) if isinstance(value, str) else value
        for name, value in found.items()
        if isinstance(value, str | int | float) and value != ""
    }


def dialogue(question: str, reply: str) -> tuple[Turn, ...]:
    """Return a question and its answer as turns."""
    return (Turn(role="user", text=question), Turn(role="assistant", text=reply))


def make_sample(**values: Any) -> Sample:
    """Return a Sample; RowError naming the field if the values do not make one."""
    try:
        return Sample(**values)
    except ValidationError as error:
        raise RowError("makes no valid sample", describe_validation_error(error, Sample)) from error


def make_media(**values: Any) -> MediaRef:
    """Return a MediaRef; RowError if the values do not make one."""
    try:
        return MediaRef(**values)
    except ValidationError as error:
        raise RowError("makes no valid clip", describe_validation_error(error, MediaRef)) from error


def make_boxes(boxes: Mapping[int, Any], *, media: MediaRef, **values: Any) -> BoxTrack:
    """Return a region of `boxes` on frames of `media`; RowError if one is no box, or wholly outside the picture."""
    late = next((frame for frame in boxes if not 0 <= frame < media.num_frames), None)
    if late is not None:
        raise RowError("box beyond the video", f"frame {late} of {media.num_frames}")
    try:
        region = BoxTrack(boxes=dict(boxes), **values)
        region.check_inside(media.width, media.height)
    except ValidationError as error:
        raise RowError("no valid box", describe_validation_error(error, BoxTrack)) from error
    except ValueError as error:
        raise RowError("box outside the picture", str(error)) from error
    return region
