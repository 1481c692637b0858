"""What a person hands in at each step, and whether it fits the item: the one gate that every payload passes.

Frames are 0-based ordinals of decoded pictures and intervals are half-open, `[start, end)`; boxes are in source pixels.
Which frame table they refer to stands beside the payload, with the submission. Knows no database and no person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from perceptlm.annotate.fgqa.text_rules import Answer, Code, Note, Rationale, Wording
from perceptlm.config import Config, describe_validation_error
from perceptlm.errors import DataError

Step = Literal[
    "question_check", "blind_answer", "compare", "distractor", "choice", "choice_after", "ceiling", "review", "expert",
]  # fmt: skip
STEPS: tuple[Step, ...] = get_args(Step)
MAX_PAYLOAD_BYTES = 256 * 1024
MAX_BOXES = 2000
QuestionVerdict = Literal["valid", "fixable", "invalid"]
InvalidReason = Literal["not_visible", "ambiguous", "leading", "answerable_without_video", "other"]
DistractorVerdict = Literal["certainly_false", "could_be_true", "nonsense"]
ReviewVerdict = Literal["accept", "rework", "reject"]


class PayloadError(DataError):
    """A payload that cannot be taken. `field` names the part that is wrong, '' for the whole."""

    def __init__(self, message: str, *, field: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class Payload(Config):
    """What all payloads have."""

    schema_version: Literal[1] = 1


class Interval(Config):
    """Frames `start` up to, not including, `end`."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if self.end <= self.start:
            raise ValueError(f"end {self.end} must be greater than start {self.start}")
        return self


class FrameBox(Config):
    """A box (x0, y0, x1, y1) in one frame."""

    frame: int = Field(ge=0)
    box: tuple[float, float, float, float]

    @model_validator(mode="after")
    def _ordered(self) -> FrameBox:
        x0, y0, x1, y1 = self.box
        if not (0 <= x0 < x1 and 0 <= y0 < y1):
            raise ValueError("a box is x0, y0, x1, y1 with 0 <= x0 < x1 and 0 <= y0 < y1")
        return self


class QuestionCheck(Payload):
    """Whether the question can be asked of this clip. `question` is the edited wording of a fixable one."""

    verdict: QuestionVerdict
    question: Wording | None = None
    reason: InvalidReason | None = None
    unsure: bool = False
    note: Note = ""

    @model_validator(mode="after")
    def _fits(self) -> QuestionCheck:
        if (self.verdict == "fixable") != (self.question is not None):
            raise ValueError("'question' is given exactly when the verdict is 'fixable'")
        if self.verdict == "invalid" and self.reason is None:
            raise ValueError("an invalid question needs a 'reason'")
        if self.verdict == "valid" and self.reason is not None:
            raise ValueError("a valid question has no 'reason'")
        if self.reason == "other" and not self.note:
            raise ValueError("the reason 'other' needs a 'note' that says which")
        return self


class BlindAnswer(Payload):
    """A person's own answer, with the frames that show it and, if useful, boxes."""

    answer: Answer
    evidence: Interval
    boxes: tuple[FrameBox, ...] = Field(default=(), max_length=MAX_BOXES)
    unsure: bool = False
    note: Note = ""


class OtherAnswer(Config):
    """Whether another person's answer says the same as one's own."""

    submission_id: int
    same_meaning: bool


class Compare(Payload):
    """One's own answer beside what was revealed: the proposal, and the answers of `others` who answered before.

    `proposal_id` is null where the item has no proposal. `merged` is the final wording; null: one's own answer stands.
    """

    proposal_id: int | None
    same_meaning: bool
    others: tuple[OtherAnswer, ...] = Field(default=(), max_length=64)
    merged: Answer | None = None
    note: Note = ""

    @model_validator(mode="after")
    def _each_once(self) -> Compare:
        ids = [other.submission_id for other in self.others]
        if len(set(ids)) != len(ids):
            raise ValueError("'others' names a submission twice")
        if self.proposal_id is None and self.same_meaning and not any(other.same_meaning for other in self.others):
            raise ValueError("'same_meaning' is true, but nothing was compared that could mean the same")
        return self


class Distractor(Payload):
    """What a wrong answer is worth, judged against the video."""

    distractor_id: int
    verdict: DistractorVerdict
    unsure: bool = False
    note: Note = ""


class Choice(Payload):
    """One of the item's options, by its place. The step `choice_after` has the same payload."""

    choice: int = Field(ge=0)
    unsure: bool = False
    evidence: Interval | None = None
    note: Note = ""


class Ceiling(Payload):
    """A fresh person's answer to one binary question."""

    choice: int = Field(ge=0, le=1)


class Review(Payload):
    """A verifier's judgement of what others made."""

    verdict: ReviewVerdict
    reasons: tuple[Code, ...] = Field(default=(), max_length=32)
    note: Note = ""
    anchor: Interval | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Review:
        if self.verdict != "accept" and not self.reasons:
            raise ValueError(f"the verdict '{self.verdict}' needs at least one of the 'reasons'")
        return self


class Expert(Payload):
    """An adjudication: what holds, why, and which submissions it rests on."""

    answer: Answer | None = None
    choice: int | None = Field(default=None, ge=0)
    verdict: Code | None = None
    rationale: Rationale
    reason: Code
    cites: tuple[int, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _decides(self) -> Expert:
        if self.answer is None and self.choice is None and self.verdict is None:
            raise ValueError("an adjudication decides something: give 'answer', 'choice' or 'verdict'")
        return self


PAYLOADS: dict[Step, type[Payload]] = {
    "question_check": QuestionCheck, "blind_answer": BlindAnswer, "compare": Compare, "distractor": Distractor,
    "choice": Choice, "choice_after": Choice, "ceiling": Ceiling, "review": Review, "expert": Expert,
}  # fmt: skip

EXPERT_VERDICTS: dict[Step, frozenset[str]] = {
    "question_check": frozenset(get_args(QuestionVerdict)),
    "blind_answer": frozenset(["invalid"]),
    "choice": frozenset(["invalid"]),
    "distractor": frozenset(get_args(DistractorVerdict)),
}
"""What an expert may rule, by the step that is adjudicated."""


@dataclass(frozen=True)
class ItemContext:
    """What the server knows of the item that a payload must fit. `None` for a set means: not checked."""

    num_frames: int
    width: int
    height: int
    options: tuple[str, ...] | None = None
    proposal_ids: frozenset[int] = frozenset()
    """Answer proposals that were revealed to this person."""
    other_answers: frozenset[int] = frozenset()
    """Submissions (blind answers of others) that were revealed to this person."""
    distractor_id: int | None = None
    review_reasons: frozenset[str] | None = None
    expert_reasons: frozenset[str] | None = None
    citable: frozenset[int] | None = None
    expert_about: Step | None = None
    """The step whose split the expert adjudicates; the view's `SlotRequest.about`."""


def validate_payload(step: str, payload: Mapping[str, Any], context: ItemContext) -> Payload:
    """Return the payload of `step` as a record; PayloadError naming the field for anything that does not fit.

    Types are strict: no text for a number, no number for a truth value. `payload.model_dump(mode="json")` of the result
    is what is stored.
    """
    if step not in PAYLOADS:
        raise PayloadError(f"there is no step '{step[:40]}'", field="step", hint=f"one of {', '.join(STEPS)}")
    cls = PAYLOADS[step]
    try:
        text = json.dumps(payload, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"the payload is not plain JSON: {error}") from error
    if len(text) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"the payload has {len(text)} bytes, at most {MAX_PAYLOAD_BYTES} are taken")
    try:
        found = cls.model_validate_json(text, strict=True)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        raise PayloadError(f"{step}: {describe_validation_error(error, cls)}", field=place) from error
    _CHECKS.get(step, _nothing_more)(found, context)
    return found


def _nothing_more(payload: Any, context: ItemContext) -> None:
    del payload, context


def _check_interval(interval: Interval | None, name: str, context: ItemContext) -> None:
    if interval is not None and interval.end > context.num_frames:
        raise PayloadError(
            f"'{name}' ends at frame {interval.end}, but the clip has {context.num_frames} frames",
            field=f"{name}.end",
            hint="frames count from 0, and the end itself is not part of the interval",
        )


def _check_answer(payload: BlindAnswer, context: ItemContext) -> None:
    _check_interval(payload.evidence, "evidence", context)
    for number, item in enumerate(payload.boxes):
        if item.frame >= context.num_frames:
            raise PayloadError(
                f"box {number} is in frame {item.frame}, but the clip has {context.num_frames} frames",
                field=f"boxes.{number}.frame",
            )
        if item.box[2] > context.width or item.box[3] > context.height:
            raise PayloadError(
                f"box {number} leaves the picture of {context.width} x {context.height} pixels",
                field=f"boxes.{number}.box",
                hint="boxes are x0, y0, x1, y1 in pixels of the source",
            )


def _check_compare(payload: Compare, context: ItemContext) -> None:
    if payload.proposal_id is None:
        if context.proposal_ids:
            raise PayloadError("the item has a proposal to compare with", field="proposal_id")
    elif payload.proposal_id not in context.proposal_ids:
        raise PayloadError(f"proposal {payload.proposal_id} was not shown with this item", field="proposal_id")
    named = {other.submission_id for other in payload.others}
    if named - context.other_answers:
        raise PayloadError("'others' names an answer that was not shown", field="others")


def _check_distractor(payload: Distractor, context: ItemContext) -> None:
    if payload.distractor_id != context.distractor_id:
        raise PayloadError(
            f"the assignment is about distractor {context.distractor_id}, not {payload.distractor_id}",
            field="distractor_id",
        )


def _check_choice(payload: Choice, context: ItemContext) -> None:
    _check_option(payload.choice, context)
    _check_interval(payload.evidence, "evidence", context)


def _check_option(choice: int | None, context: ItemContext) -> None:
    num_options = len(context.options or ())
    if choice is not None and choice >= num_options:
        raise PayloadError(f"choice {choice}, but the item has {num_options} options", field="choice")


def _check_review(payload: Review, context: ItemContext) -> None:
    _check_interval(payload.anchor, "anchor", context)
    _check_codes(payload.reasons, context.review_reasons, "reasons")


def _check_expert(payload: Expert, context: ItemContext) -> None:
    _check_option(payload.choice, context)
    _check_codes((payload.reason,), context.expert_reasons, "reason")
    if context.expert_about is not None:
        _check_adjudication(payload, context.expert_about)
    if context.citable is not None and set(payload.cites) - context.citable:
        raise PayloadError("'cites' names a submission that is not of this item", field="cites")


def _check_adjudication(payload: Expert, about: Step) -> None:
    """An expert decides what was asked: an answer, a choice or a verdict; any question may be called invalid."""
    allowed = EXPERT_VERDICTS.get(about, frozenset())
    if payload.verdict is not None:
        _check_codes((payload.verdict,), allowed, "verdict")
    wanted = {"blind_answer": "answer", "choice": "choice"}.get(about, "verdict")
    if about == "question_check" and payload.verdict == "fixable" and payload.answer is None:
        raise PayloadError("a fixable question needs its new wording as 'answer'", field="answer")
    if payload.verdict != "invalid" and getattr(payload, wanted) is None:
        raise PayloadError(f"the expert is asked for '{wanted}'", field=wanted)


def _check_codes(codes: tuple[str, ...], known: frozenset[str] | None, name: str) -> None:
    for code in codes:
        if known is not None and code not in known:
            raise PayloadError(f"'{code}' is no {name} of this item", field=name, hint=f"one of {sorted(known)}")


_CHECKS: dict[str, Any] = {
    "blind_answer": _check_answer, "compare": _check_compare, "distractor": _check_distractor,
    "choice": _check_choice, "choice_after": _check_choice, "review": _check_review, "expert": _check_expert,
}  # fmt: skip
