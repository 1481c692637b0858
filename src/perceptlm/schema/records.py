"""The parts of a Sample: media, turns, spans, facts, answers and where a record came from.

Every producer writes these and every consumer reads them. They hold no pixels, open no file, and know no task's
scoring. Frame numbers are 0-based ordinals of decoded pictures of the *source* file.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from perceptlm.config import Config

_RATIONAL = re.compile(r"[0-9]{1,20}(/[0-9]{1,20}|\.[0-9]{1,20})?")


class Origin(Config):
    """Where a record comes from; the audit resolves it to a program, a person, or a named model revision."""

    kind: Literal["program", "person", "model"]
    name: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    licence: str = Field(min_length=1, description="SPDX expression of the record itself")


class MediaRef(Config):
    """One image or video file, by a path relative to the dataset's directory."""

    kind: Literal["image", "video"]
    path: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    num_frames: int = Field(default=1, gt=0)
    frames_per_second: str | None = Field(default=None, description="a rational such as '8' or '30000/1001'")

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if not value or path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value:
            raise ValueError("must be a relative path inside the dataset")
        return value

    @field_validator("frames_per_second")
    @classmethod
    def _rational(cls, value: str | None) -> str | None:
        if value is not None:
            # Checked first: Fraction("1e999999999") would compute for hours.
            if not _RATIONAL.fullmatch(value):
                raise ValueError(f"'{value[:40]}' is not a rational number")
            try:
                positive = Fraction(value) > 0
            except ZeroDivisionError as error:
                raise ValueError(f"'{value}' is not a rational number") from error
            if not positive:
                raise ValueError("must be positive")
        return value


class Turn(Config):
    """One message. Text may hold the placeholders of `schema.placeholders`; it holds no special tokens."""

    role: Literal["system", "user", "assistant"]
    text: str


class TimeSpan(Config):
    """Source frames from `start_frame` to `end_frame`, as in the released PLM data (end at or after start)."""

    start_frame: int = Field(ge=0)
    end_frame: int = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> TimeSpan:
        if self.end_frame < self.start_frame:
            raise ValueError(f"end_frame {self.end_frame} is before start_frame {self.start_frame}")
        return self


class Fact(Config):
    """One checkable claim of an answer: in the `event`-th event told, `slot` has `value`.

    Slots: kind, colour, pattern, size (of the subject), action, direction, count, object (kind of the second
    thing), object_colour, value (new colour or state), place, text, order (the part of the video).
    """

    slot: str
    value: str
    event: int = Field(default=0, ge=0)


class TextAnswer(Config):
    """Free text, with the facts it must state when a program knows them."""

    type: Literal["text"] = "text"
    text: str
    facts: tuple[Fact, ...] = ()


class ChoiceAnswer(Config):
    """One of several options; `index` is the right one."""

    type: Literal["choice"] = "choice"
    options: tuple[str, ...] = Field(min_length=2)
    index: int = Field(ge=0)

    @model_validator(mode="after")
    def _in_range(self) -> ChoiceAnswer:
        if self.index >= len(self.options):
            raise ValueError(f"index {self.index} but only {len(self.options)} options")
        return self


class SpanAnswer(Config):
    """When something happens, in source frames."""

    type: Literal["span"] = "span"
    span: TimeSpan


class Segment(Config):
    """One line of a dense caption."""

    span: TimeSpan
    caption: str
    facts: tuple[Fact, ...] = ()


class DenseAnswer(Config):
    """Segments that together cover the video, in order of start."""

    type: Literal["dense"] = "dense"
    segments: tuple[Segment, ...] = Field(min_length=1)


Answer = Annotated[TextAnswer | ChoiceAnswer | SpanAnswer | DenseAnswer, Field(discriminator="type")]
