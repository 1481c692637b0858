"""Sample: the one record that every producer writes and every consumer reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from perceptlm.config import Config
from perceptlm.errors import DataError
from perceptlm.schema.placeholders import marks_images, texts_around_images
from perceptlm.schema.records import Answer, MediaRef, Origin, TimeSpan, Turn
from perceptlm.schema.regions import Region, box_texts

Task = Literal[
    "image_caption", "image_qa", "grounding", "video_caption", "video_qa", "mcq", "text_reading", "counting", "text_qa",
    "fgqa", "sgqa", "rcap", "rtloc", "rdcap",
]  # fmt: skip
Dimension = Literal["what", "where", "when", "how"]
Split = Literal["train", "validation", "benchmark"]

BENCHMARK_TASKS: tuple[Task, ...] = ("fgqa", "sgqa", "rcap", "rtloc", "rdcap")
REGION_TASKS: tuple[Task, ...] = ("rcap", "rtloc", "rdcap")


class Sample(Config):
    """Media, the conversation about it, the regions it points at, the typed answer, and where it came from.

    `turns` ends with the assistant's answer. `regions` are shown on the pictures as each of them says. `group` ties
    records that score together (the binary questions of one FGQA item). `template` names the wording, so that
    a best constant answer per template can be found. `cluster` names the source recording for intervals. `rejected` is
    written only where there is one.
    """

    id: str = Field(min_length=1)
    task: Task
    split: Split
    media: tuple[MediaRef, ...]
    turns: tuple[Turn, ...] = Field(min_length=2)
    answer: Answer
    rejected: str | None = Field(
        default=None, description="another answer to the last question, judged worse than the one given"
    )
    origin: Origin
    cluster: str
    template: str
    dimension: Dimension | None = Field(default=None, description="what a question asks for, if its data set says so")
    group: str | None = None
    regions: tuple[Region, ...] = ()
    span: TimeSpan | None = Field(default=None, description="the span an RCap question asks about")
    attributes: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="what scores are broken down by: num_things, speed, size, occlusion, ...",
    )

    @model_validator(mode="after")
    def _conversation(self) -> Sample:
        roles = [turn.role for turn in self.turns if turn.role != "system"]
        if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
            raise ValueError("turns must alternate user and assistant and end with the assistant")
        try:
            texts_around_images(self.turns, [item.kind for item in self.media])
        except DataError as error:
            raise ValueError(f"{error.message}; {error.hint}") from error
        return self

    @model_validator(mode="after")
    def _judged(self) -> Sample:
        if self.rejected is not None and not self.rejected.strip():
            raise ValueError("rejected is empty")
        if self.rejected is not None and self.rejected.strip() == self.reference.strip():
            raise ValueError("rejected is the same answer as the last turn's")
        return self

    @model_validator(mode="after")
    def _regions(self) -> Sample:
        if len(self.media) == 1:
            media = self.media[0]
            for number, region in enumerate(self.regions):
                try:
                    region.check_inside(media.width, media.height)
                except ValueError as error:
                    raise ValueError(f"region {number}: {error}") from error
        for number, (region, text) in enumerate(zip(self.regions, self.box_texts, strict=True)):
            if region.shown_as == "text" and text is None:
                raise ValueError(f"region {number} is shown as text, but is not a box of a single image")
        return self

    @model_serializer(mode="wrap")
    def _what_is_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        if self.rejected is None:  # so that records without a judgement stay the bytes that they were
            values.pop("rejected", None)
        return values

    @property
    def frames(self) -> range:
        """The source frames that may be shown: of a video those of its clip, of images one, without media none."""
        return self.media[0].frames if self.media else range(0)

    @property
    def images_in_text(self) -> bool:
        """Whether images stand within the text; such a Sample shares its pictures with no other."""
        return marks_images(self.turns, [item.kind for item in self.media])

    @property
    def box_texts(self) -> tuple[str | None, ...]:
        """Each region's box as text; None where there is no single image with a box."""
        if len(self.media) != 1 or self.media[0].kind != "image":
            return (None,) * len(self.regions)
        return box_texts(self.regions, self.media[0].width, self.media[0].height)

    @property
    def question(self) -> str:
        """The last user text."""
        return next(turn.text for turn in reversed(self.turns) if turn.role == "user")

    @property
    def reference(self) -> str:
        """The last assistant text."""
        return self.turns[-1].text

    @property
    def rejected_turns(self) -> tuple[Turn, ...]:
        """The same conversation with `rejected` for its last answer; only where there is one."""
        assert self.rejected is not None
        return (*self.turns[:-1], Turn(role="assistant", text=self.rejected))
