"""What the flow sees of an item, and what it answers: plain records, without a database and without secrets.

The server fills an ItemView from its tables; the tests and the offline simulator fill it by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from perceptlm.annotate.fgqa.payloads import Payload, Step

Kind = Literal["fgqa", "choice"]
Mode = Literal["blind_first", "verify"]
Role = Literal["annotator", "verifier", "expert"]
Event = Literal[
    "agree", "contest", "escalate", "adjudicate", "verify", "accept", "rework", "open", "discard", "reconsider"
]
Need = Literal["answer_proposals", "distractor_proposals", "text_only"]
"""What an item waits for, or could do with, from a model. Never two at a time."""
Action = Literal["accept", "another_label", "escalate"]


@dataclass(frozen=True)
class Proposal:
    """An answer or a distractor that a model proposed."""

    id: int
    kind: Literal["answer", "distractor", "choice"]
    text: str


@dataclass(frozen=True)
class SubmissionView:
    """One submission. `subject` is the distractor's id, or the number of the pair in a ceiling step.

    For an expert's, `about` says what was adjudicated: the step, and `subject` the distractor.
    """

    id: int
    user: str
    step: Step
    payload: Payload
    round: int = 0
    subject: int | None = None
    about: Step | None = None


@dataclass(frozen=True)
class Decision:
    """What the quality engine says of a nominal piece of work; without one the flow's own rule holds.

    `num_labels` more are asked for beside the `num_given` that it knew of (not said: those that are there).
    """

    action: Action
    value: str = ""
    reason: str | None = None
    num_labels: int = 1
    num_given: int | None = None


@dataclass(frozen=True)
class TextOnlyCheck:
    """One time that a model without the video was asked: about which question and answer (`text_only.about`), about
    which distractors (ids) as a set, and which of them it told from the answer.
    """

    about: str
    asked: frozenset[int]
    told: frozenset[int]


@dataclass(frozen=True)
class ItemView:
    """An item as it stands. `state` is that of the life cycle; `round` counts reworks."""

    key: str
    kind: Kind
    mode: Mode
    state: str
    question: str
    options: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    open_slots: tuple[SlotRequest, ...] = ()
    """Slots that exist and have no submission yet, leased or not."""
    round: int = 0
    expert_reason: str | None = None
    """Why an expert must see it whatever is agreed: 'credential', 'audit', 'paused_worker', 'model_conflict'."""
    question_checked: bool = False
    """True where the question came checked, as in gold."""
    text_only: tuple[TextOnlyCheck, ...] = ()
    in_ceiling_sample: bool = False
    gone: frozenset[str] = frozenset()
    """People who answered and will not come back: their comparison is waited for no longer."""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """By `decision_key`."""

    def of_kind(self, kind: str) -> tuple[Proposal, ...]:
        """Return the proposals of one kind."""
        return tuple(item for item in self.proposals if item.kind == kind)


@dataclass(frozen=True)
class SlotRequest:
    """One piece of work to hand out to one person. `about` is what an expert adjudicates."""

    step: Step
    role: Role = "annotator"
    subject: int | None = None
    about: Step | None = None
    only_user: str | None = None
    not_users: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def work(self) -> tuple[Step, int | None, Step | None, str | None]:
        """What makes two slots ask for the same work."""
        return (self.step, self.subject, self.about, self.only_user)


@dataclass(frozen=True)
class Advance:
    """What the server does next. `new_steps` are slots to open; `events` moves of the life cycle, in order.

    `closed` names open work that is no longer wanted; `derived` is what the submissions add up to so far, rebuildable
    at any time from them.
    """

    new_steps: tuple[SlotRequest, ...] = ()
    events: tuple[Event, ...] = ()
    needs: tuple[Need, ...] = ()
    closed: tuple[SlotRequest, ...] = ()
    next_round: bool = False
    derived: Mapping[str, Any] = field(default_factory=dict)


def decision_key(step: Step, subject: int | None = None) -> str:
    """Return the name of a nominal piece of work, as `choice` or `distractor:7`."""
    return step if subject is None else f"{step}:{subject}"
