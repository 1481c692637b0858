"""What can become of one question: a value, a reason why there is none, or an error.

A model that answers nonsense gets the value 0 and is counted as a parse failure. A question that cannot be scored is
`unscored`, with the reason; a model that could not be made to answer is an `error`. Neither of these two is ever
turned into a 0 unseen. This module knows no task.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue, model_validator

from perceptlm.config import Config
from perceptlm.schema import Dimension, Task

Outcome = Literal["value", "unscored", "error"]
Variant = Literal["own", "zero", "other", "trained_blind"]
"""What the model saw: the question's own pictures, black ones, another clip's, or nothing since its training began."""

BLIND_VARIANTS: tuple[Variant, ...] = ("zero", "other", "trained_blind")


class Score(Config):
    """The result of one question. `score` lies in [0, 1]; `parsed` is what was read out of the answer."""

    outcome: Outcome
    score: float | None = Field(default=None, ge=0, le=1)
    reason: str | None = None
    parsed: JsonValue = None
    parse_failed: bool = False
    degenerate: bool = False
    """The reference holds an event that starts and ends on the same sampled frame: no answer overlaps it."""

    @model_validator(mode="after")
    def _complete(self) -> Score:
        if (self.outcome == "value") != (self.score is not None):
            raise ValueError("exactly the outcome 'value' has a score")
        if (self.outcome == "value") == (self.reason is not None):
            raise ValueError("exactly the other outcomes have a reason")
        return self


class Row(Config):
    """One line of `rows.jsonl`: a question as it was asked, the answer, and its score."""

    id: str
    row: str
    """The line of the results table: fgqa, sgqa, rcap, rtloc, rdcap, image, or an image benchmark."""
    task: Task
    variant: Variant
    prompt: str
    prediction: str
    finish_reason: Literal["stop", "length", "error"]
    reference: str
    score: Score
    num_frames: int
    """Pictures shown."""
    template: str
    dimension: Dimension | None
    cluster: str
    group: str | None
    attributes: dict[str, str | int | float | bool]

    @property
    def unit(self) -> str:
        """What is scored as one: the group of an FGQA question, otherwise the question itself."""
        return self.group if self.row == "fgqa" and self.group is not None else self.id
