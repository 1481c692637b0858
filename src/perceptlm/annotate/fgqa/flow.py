"""What comes next for an item, after each submission: one function, called by the server and by the tests.

`advance` reads the whole record and compares the work that should be open with what is, so that calling it twice, or
after a crash, changes nothing. The life cycle's moves come from one table. Knows no database, no clock and no person's
skill: that is the quality engine's, whose decisions arrive in the view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, cast

from perceptlm.annotate.fgqa.groups import binary_group
from perceptlm.annotate.fgqa.payloads import Review
from perceptlm.annotate.fgqa.stages import (
    Record,
    Stage,
    answer_stage,
    barred_from,
    choice_stage,
    distractor_stage,
    question_stage,
)
from perceptlm.annotate.fgqa.view import Advance, Event, ItemView, SlotRequest, SubmissionView
from perceptlm.annotate.life_cycle import FINISHED
from perceptlm.annotate.policy import Policy

Status = Literal["working", "expert", "reviewing", "accepted", "discarded", "rework"]
Entry = tuple[Event, ...]
_MOVES: dict[str, dict[Status, Entry]] = {
    "open": {
        "working": (),
        "expert": ("contest", "escalate"),
        "reviewing": ("agree",),
        "accepted": ("agree", "accept"),
        "discarded": ("discard",),
    },
    "agreed": {
        "working": ("open",),
        "expert": ("escalate",),
        "reviewing": (),
        "accepted": ("verify", "accept"),
        "discarded": ("discard",),
        "rework": ("rework", "open"),
    },
    "contested": {"expert": ("escalate",)},
    "escalated": {
        "working": ("adjudicate", "open"),
        "expert": (),
        "reviewing": ("adjudicate", "open", "agree"),
        "accepted": ("adjudicate", "accept"),
        "discarded": ("adjudicate", "discard"),
    },
    "rework": {"working": ("open",)},
    "accepted": {
        "working": ("reconsider",),
        "expert": ("reconsider", "contest", "escalate"),
        "accepted": (),
    },
}
"""(state, where the item is) -> moves of the life cycle. From states that are not here the flow moves nothing."""


def advance(view: ItemView, submissions: Sequence[SubmissionView], policy: Policy) -> Advance:
    """Return the work to open and to close, the moves of the life cycle, and what the submissions add up to.

    Submissions are all of the item's, of every round. After `next_round` the server counts the round up and asks again.
    """
    record = Record(view, tuple(submissions))
    # An accepted choice is not beyond doubt before it is released: whoever gave it may turn out worse than it seemed.
    if view.state in FINISHED and (view.kind == "fgqa" or view.state != "accepted"):
        return _finished(record, policy)
    if view.state not in _MOVES:
        return Advance()
    status, stage = _place(record, policy)
    if view.state == "escalated" and status != "expert" and any(slot.step == "expert" for slot in view.open_slots):
        # The engine has changed its mind; what was given to an expert is the expert's to decide.
        return Advance(derived=stage.derived)
    events = _MOVES[view.state].get(status)
    if events is None:
        # As where an expert's slot is closed without one: wait for the state that the table knows.
        return Advance(derived=stage.derived)
    if status == "rework":
        return Advance(events=events, closed=view.open_slots, next_round=True, derived=stage.derived)
    new, closed = _difference(stage.wanted, view.open_slots)
    return Advance(new, events, stage.needs, closed, derived=stage.derived)


def _place(record: Record, policy: Policy) -> tuple[Status, Stage]:
    """Walk through the stages up to the first one that is not settled."""
    derived: dict[str, Any] = {"num_people": len(record.users())}
    stages = _choice_stages if record.view.kind == "choice" else _fgqa_stages
    stage, last_word = stages(record, policy, derived)
    derived.update(stage.derived)
    derived["adjudicated"] = any(item.step == "expert" for item in record.submissions)
    placed = Stage(stage.outcome, stage.wanted, stage.needs, derived, stage.adjudicated)
    if stage.outcome == "working":
        return "working", placed
    if stage.outcome == "expert":
        return "expert", placed
    if stage.outcome == "discard":
        return "discarded", placed
    needs_review = record.view.kind == "fgqa" or policy.review_choices
    if last_word or not needs_review:
        return _accepted(record, placed)
    return _review(record, policy, placed)


def _choice_stages(record: Record, policy: Policy, derived: dict[str, Any]) -> tuple[Stage, bool]:
    checked = question_stage(record, policy) if record.of("question_check", every_round=True) else None
    if checked is not None and checked.outcome != "settled":
        return checked, False
    stage = choice_stage(record, policy)
    return stage, stage.adjudicated


def _fgqa_stages(record: Record, policy: Policy, derived: dict[str, Any]) -> tuple[Stage, bool]:
    stage = question_stage(record, policy)
    if stage.outcome != "settled":
        return stage, False
    derived.update(stage.derived)
    answer = answer_stage(record, policy)
    if answer.outcome != "settled":
        return answer, False
    derived.update(answer.derived)
    question, text = str(stage.derived["question"]), str(answer.derived["answer"])
    return distractor_stage(record, policy, question, text), answer.adjudicated


def _review(record: Record, policy: Policy, stage: Stage) -> tuple[Status, Stage]:
    """Another person looks at what was agreed; sent back too often, it goes to an expert, who has the last word."""
    about = "choice" if record.view.kind == "choice" else "blind_answer"
    reviews = record.of("review")
    if not reviews:
        slot = SlotRequest("review", "verifier", not_users=barred_from("review", None, record.submissions))
        return "reviewing", Stage("settled", (slot,), derived=stage.derived)
    review = cast(Review, reviews[-1].payload)
    derived = {**stage.derived, "review_reasons": list(review.reasons)}
    placed = Stage("settled", derived=derived)
    if review.verdict == "accept":
        return _accepted(record, placed)
    if review.verdict == "reject":
        return "discarded", Stage("discard", derived={**derived, "discarded": review.reasons[0]})
    if record.view.round + 1 < policy.most_rounds:
        return "rework", placed
    slot = record.expert("choice" if about == "choice" else "blind_answer", "rework_limit")
    return "expert", Stage("expert", (slot,), derived={**derived, "escalated": "rework_limit"})


def _accepted(record: Record, stage: Stage) -> tuple[Status, Stage]:
    derived = dict(stage.derived)
    if record.view.kind == "fgqa":
        texts = {str(item.id): item.text for item in record.view.of_kind("distractor")}
        confirmed = [texts[number] for number, status in derived["distractors"].items() if status == "certainly_false"]
        group = binary_group(record.view.key, str(derived["question"]), str(derived["answer"]), confirmed)
        derived["groups"] = [pair.to_dict() for pair in group]
    return "accepted", Stage("settled", derived=derived)


def _finished(record: Record, policy: Policy) -> Advance:
    """Of a finished item only the ceiling is open: one fresh person per pair, for who sees two pairs of a group
    knows the answer from what they share."""
    if not record.view.in_ceiling_sample or record.view.kind != "fgqa":
        return Advance()
    settled = Record(record.view, tuple(item for item in record.submissions if item.step != "ceiling"))
    status, stage = _place(settled, policy)
    if status != "accepted":
        # The policy, the proposals or the people are others by now: it stays as it was accepted.
        return Advance()
    # Whatever was answered of it before it was reopened was answered of something else.
    done = {item.subject for item in record.submissions if item.step == "ceiling" and item.round == record.view.round}
    wanted = tuple(
        SlotRequest("ceiling", subject=number, not_users=barred_from("ceiling", number, record.submissions))
        for number in range(len(stage.derived["groups"]))
        if number not in done
    )
    new, closed = _difference(wanted, record.view.open_slots)
    return Advance(new, closed=closed, derived=stage.derived)


def _difference(
    wanted: Sequence[SlotRequest], there: Sequence[SlotRequest]
) -> tuple[tuple[SlotRequest, ...], tuple[SlotRequest, ...]]:
    """Return what is wanted and not there, and what is there and not wanted, each as often as it is."""
    return _left_over(wanted, there), _left_over(there, wanted)


def _left_over(these: Sequence[SlotRequest], others: Sequence[SlotRequest]) -> tuple[SlotRequest, ...]:
    counts = Counter(slot.work for slot in others)
    left = []
    for slot in these:
        if counts[slot.work]:
            counts[slot.work] -= 1
        else:
            left.append(slot)
    return tuple(left)
