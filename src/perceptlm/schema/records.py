"""The parts of a Sample: media, turns, spans, facts, answers and where a record came from.

Every producer writes these and every consumer reads them. They hold no pixels, open no file, and know no task's
scoring. Frame numbers are 0-based ordinals of decoded pictures of the *source* file.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from perceptlm.config import Config

_RATIONAL = re.compile(r"[0-9]{1,20}(/[0-9]{1,20}|\.[0-9]{1,20})?")


class Origin(Config):
    """Where a record comes from; the audit resolves it to a program, a person, or a named model revision."""

    kind: Literal["program", "person", "model"]
    name: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    licence: str = Field(min_length=1, description="SPDX expression of the record itself")


class MediaRef(Config):
    """One image or video file, by a path relative to the dataset's directory, or a clip within a video file.

    Size and number of frames are those of the file. A clip goes from the frame shown at `start_seconds` to the one
    shown at `end_seconds`, at the file's average rate; frame numbers stay those of the file. Of what is not said,
    nothing is written.
    """

    kind: Literal["image", "video"]
    path: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    num_frames: int = Field(default=1, gt=0)
    frames_per_second: str | None = Field(default=None, description="a rational such as '8' or '30000/1001'")
    start_seconds: str | None = Field(default=None, description="where a clip begins, a rational such as '12.5'")
    end_seconds: str | None = Field(default=None, description="where it ends; None: with the file")
    frame_step: int = Field(
        default=1, gt=0, description="only every n-th frame counts, as where a 24 fps file was labelled at 6 fps"
    )

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        # Every record read comes by here: pathlib would take as long as all the other checks of a media reference.
        if not value or value.startswith("/") or ".." in value.split("/") or "\\" in value or "\0" in value:
            raise ValueError("must be a relative path inside the dataset")
        return value

    @field_validator("frames_per_second")
    @classmethod
    def _rational(cls, value: str | None) -> str | None:
        if value is not None and _fraction(value) <= 0:
            raise ValueError("must be positive")
        return value

    @field_validator("start_seconds", "end_seconds")
    @classmethod
    def _time(cls, value: str | None) -> str | None:
        if value is not None:
            _fraction(value)
        return value

    @model_validator(mode="after")
    def _clip(self) -> MediaRef:
        is_clip = self.start_seconds is not None or self.end_seconds is not None
        if self.kind == "image" and (is_clip or self.frame_step != 1):
            raise ValueError("an image has no clips and no frame step")
        if is_clip and self.frames_per_second is None:
            raise ValueError("a clip needs the file's frames_per_second")
        if self.end_seconds is not None and Fraction(self.end_seconds) <= Fraction(self.start_seconds or 0):
            raise ValueError(f"the clip ends at {self.end_seconds} s, not after its start")
        if is_clip and not self.frames:
            raise ValueError(f"the clip begins at {self.start_seconds} s, after the last of {self.num_frames} frames")
        return self

    @model_serializer(mode="wrap")
    def _what_is_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        unsaid = {"start_seconds": None, "end_seconds": None, "frame_step": 1}
        return {name: value for name, value in values.items() if name not in unsaid or value != unsaid[name]}

    @property
    def frames(self) -> range:
        """The frames of the file that may be shown, in order."""
        first, last = 0, self.num_frames - 1
        rate = Fraction(self.frames_per_second or 0)
        if self.start_seconds is not None:
            first = math.floor(Fraction(self.start_seconds) * rate)
        if self.end_seconds is not None:
            last = min(math.floor(Fraction(self.end_seconds) * rate), last)
        return range(first, last + 1, self.frame_step)


@lru_cache(maxsize=1024)
def _fraction(value: str) -> Fraction:
    # Few rates are named in many records. Checked first: Fraction("1e999999999") would compute for hours.
    if not _RATIONAL.fullmatch(value):
        raise ValueError(f"'{value[:40]}' is not a rational number")
    try:
        return Fraction(value)
    except ZeroDivisionError as error:
        raise ValueError(f"'{value}' is not a rational number") from error


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
    """Free text, with the facts it must state when a program knows them, and what else people answered.

    `others` are the further references of a benchmark that has several (ten for VQAv2); without any, none is written.
    """

    type: Literal["text"] = "text"
    text: str
    facts: tuple[Fact, ...] = ()
    others: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _what_is_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        if not self.others:
            values.pop("others", None)
        return values

    @property
    def references(self) -> tuple[str, ...]:
        """Every answer counted as right, the one that is shown first."""
        return (self.text, *self.others)


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
