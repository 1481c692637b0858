"""An item that waits for a model, as the service tells of it; and what came of asking. Knows no HTTP and no prompts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from perceptlm.clients import ModelIdentity
from perceptlm.clients.openai_messages import one_line
from perceptlm.config import Config

_MAX_LINE = 200
Need = Literal["answer_proposals", "distractor_proposals", "text_only"]


class NeedyAsset(Config):
    """What an item is about."""

    id: int
    kind: Literal["image", "video"]
    num_frames: int


class Distractor(Config):
    """A wrong answer that the item has; `is_confirmed` where people judged it certainly false."""

    id: int
    text: str
    is_confirmed: bool


class Refusal(Config):
    """That a model was asked before, and its reply was of no use."""

    model: dict[str, Any]
    prompt_sha256: str
    reason: str


class NeedyItem(Config):
    """An item and what a model may be told of it; `answer` and `about` where people have agreed on an answer."""

    id: int
    key: str
    question: str
    answer: str | None
    about: str | None
    asset: NeedyAsset
    distractors: tuple[Distractor, ...]
    refusals: tuple[Refusal, ...]

    def was_refused(self, model: ModelIdentity, prompt_sha256: str) -> bool:
        """Whether this state of a model was asked the same before, in vain."""
        asked = model_of(model)
        return any(found.model == asked and found.prompt_sha256 == prompt_sha256 for found in self.refusals)


class NeedsPage(Config):
    """A page of the list; `next` is the id to go on after."""

    items: tuple[NeedyItem, ...]
    next: int | None


def model_of(identity: ModelIdentity) -> dict[str, str]:
    """Return a model's identity as the service takes it; a server may have said anything of it."""
    return {name: line_of(getattr(identity, name)) for name in ("name", "revision", "licence")}


def line_of(text: str) -> str:
    """Return hostile text as one line that the service takes."""
    return one_line(text)[:_MAX_LINE] or "?"


class AskSettings(Config):
    """How models are asked. `limit`: no more items of each need than that; `again`: also who was refused before."""

    num_frames: int = 32
    max_side: int = 768
    num_distractors: int = 4
    limit: int | None = None
    again: bool = False


@dataclass
class Tally:
    """What came of one need, in items; `num_given` counts proposals, or distractors that were told."""

    num_needed: int = 0
    num_asked: int = 0
    num_asked_before: int = 0
    num_met: int = 0
    num_given: int = 0
    num_refused: int = 0
    num_not_needed: int = 0
    num_failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts for `--json`."""
        return {**vars(self), "reasons": dict(sorted(self.reasons.items()))}

    def lines(self, need: Need) -> list[str]:
        """Return the counts for a terminal."""
        given = "distractors told without the video" if need == "text_only" else "proposals"
        first = (
            f"{need.replace('_', ' ')}: {self.num_needed} items, {self.num_asked} asked, {self.num_met} met "
            f"({self.num_given} {given})"
        )
        others = {
            "asked before in vain": self.num_asked_before,
            "replies of no use": self.num_refused,
            "no longer needed": self.num_not_needed,
            "failed": self.num_failed,
        }
        more = ", ".join(f"{count} {name}" for name, count in others.items() if count)
        reasons = [f"  {count} x {reason}" for reason, count in self.reasons.most_common(10)]
        return [first + (f"; {more}" if more else ""), *reasons]
