"""Sample: the one record that every producer writes and every consumer reads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from perceptlm.config import Config
from perceptlm.schema.records import Answer, BoxTrack, MediaRef, Origin, TimeSpan, Turn

Task = Literal[
    "image_caption", "image_qa", "video_caption", "video_qa", "mcq", "text_reading", "counting",
    "fgqa", "sgqa", "rcap", "rtloc", "rdcap",
]  # fmt: skip
Dimension = Literal["what", "where", "when", "how"]
Split = Literal["train", "validation", "benchmark"]

BENCHMARK_TASKS: tuple[Task, ...] = ("fgqa", "sgqa", "rcap", "rtloc", "rdcap")
REGION_TASKS: tuple[Task, ...] = ("rcap", "rtloc", "rdcap")


class Sample(Config):
    """Media, the conversation about it, the regions it points at, the typed answer, and where it came from.

    `turns` ends with the assistant's answer. `regions` are drawn on the pictures as red boxes. `group` ties
    records that score together (the binary questions of one FGQA item). `template` names the wording, so that
    a best constant answer per template can be found. `cluster` names the source recording for intervals.
    """

    id: str = Field(min_length=1)
    task: Task
    split: Split
    media: tuple[MediaRef, ...]
    turns: tuple[Turn, ...] = Field(min_length=2)
    answer: Answer
    origin: Origin
    cluster: str
    template: str
    dimension: Dimension
    group: str | None = None
    regions: tuple[BoxTrack, ...] = ()
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
        return self

    @property
    def question(self) -> str:
        """The last user text."""
        return next(turn.text for turn in reversed(self.turns) if turn.role == "user")

    @property
    def reference(self) -> str:
        """The last assistant text."""
        return self.turns[-1].text
