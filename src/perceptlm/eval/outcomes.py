"""What can become of one question: a value, a reason why there is none, or an error.

A model that answers nonsense gets the value 0 and is counted as a parse failure. A question that cannot be scored is
`unscored`, with the reason; a model that could not be made to answer is an `error`. Neither of these two is ever
turned into a 0 unseen. This module knows no task.
"""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue, model_validator

from perceptlm.config import Config
from perceptlm.schema import Dimension, Task

Outcome = Literal["value", "unscored", "error"]
Variant = Literal[
    "own", "zero", "other", "text_only", "trained_blind", "single_frame", "shuffled_frames", "no_box"
]  # fmt: skip
"""What the model saw: the question's own pictures; black ones, another clip's, none at all, or nothing since training
began; its own pictures with something taken away: all frames but the middle one, their order, the regions drawn."""

BLIND_VARIANTS: tuple[Variant, ...] = ("zero", "other", "text_only", "trained_blind")
"""Those without any of the right pictures."""
PARTIAL_VARIANTS: tuple[Variant, ...] = ("single_frame", "shuffled_frames", "no_box")
"""Those with the right pictures less something. They are asked only where that makes a difference."""

MISSING_MEDIA = "its media file is missing"
BAD_MEDIA = "its media file cannot be decoded, or is not the one its record speaks of"
BROKEN_GROUP = "another question of its group cannot be asked"
NOT_ASKED: frozenset[str] = frozenset({MISSING_MEDIA, BAD_MEDIA, BROKEN_GROUP})
"""Why a question was never put to the model: reasons of the outcome `unscored`. They lower the coverage."""


class Score(Config):
    """The result of one question. `score` lies in [0, 1]; `parsed` is what was read out of the answer."""

    outcome: Outcome
    score: float | None = None
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    """The least and the most it could be where a judge failed. None: the score itself, or 0 and 1 where there is none.
    A dense caption judged in part has narrower bounds; so has a 0 that lmms-eval gives to an unreadable reply."""
    off_scale: bool = False
    """The score lies outside [0, 1]: the profile lmms-eval-0.7.2 takes a judge's 12 out of 10 as it is."""
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
        if not self.bounds[0] <= (self.bounds[0] if self.score is None else self.score) <= self.bounds[1]:
            raise ValueError("the bounds do not hold the score")
        if self.score is not None and not 0 <= self.score <= 1 and not self.off_scale:
            raise ValueError(f"the score {self.score:g} lies outside 0 to 1")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most the score can be, had the judge not failed."""
        low, high = (0.0, 1.0) if self.score is None else (self.score, self.score)
        return (low if self.low is None else self.low), (high if self.high is None else self.high)


class Judgement(Config):
    """One verdict of a judge, as a row keeps it: so that a person can see why a score is what it is.

    `id` is the question's, or `ID/G/P` for a dense caption: reference segment G beside predicted segment P, from 0.
    """

    id: str
    value: float | None
    """1 or 0 for an answer, score / 10 for a caption; None where the judge failed."""
    reply: str | None = None
    """The judge's words, cut to `MAX_REPLY_CHARACTERS`; None where no model was asked or none answered."""
    reason: str | None = None
    """How the judge failed."""
    by_fallback: bool = False
    num_tries: int = 1


MAX_REPLY_CHARACTERS = 400


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
    judgements: tuple[Judgement, ...] = ()
    """What the judge said, in the order asked; empty where no judge is needed."""

    @property
    def unit(self) -> str:
        """What is scored as one: the group of an FGQA question, otherwise the question itself."""
        return self.group if self.row == "fgqa" and self.group is not None else self.id
