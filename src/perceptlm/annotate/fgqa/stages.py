"""The stages of an item: for each, which work is wanted now, whether it is settled, or what an expert must settle.

Every stage is a function of what has been submitted, so that it can be asked again at any time. Nominal stages take
the quality engine's decision where there is one. Knows no life cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from perceptlm.annotate.fgqa.meanings import cluster_answers, final_wording, median_interval
from perceptlm.annotate.fgqa.payloads import BlindAnswer, Choice, Distractor, Expert, Interval, QuestionCheck, Step
from perceptlm.annotate.fgqa.text_only import about
from perceptlm.annotate.fgqa.text_rules import same_text
from perceptlm.annotate.fgqa.view import ItemView, Need, SlotRequest, SubmissionView, decision_key
from perceptlm.annotate.policy import Policy

Outcome = Literal["working", "settled", "expert", "discard"]


@dataclass(frozen=True)
class Stage:
    """How far a stage is. `wanted` is the work that should be open now; `derived` what it adds to the item."""

    outcome: Outcome
    wanted: tuple[SlotRequest, ...] = ()
    needs: tuple[Need, ...] = ()
    derived: dict[str, Any] = field(default_factory=dict)
    adjudicated: bool = False


_OUTSIDE: frozenset[Step] = frozenset(["review", "expert", "ceiling"])
"""Steps for people who had no part in the item."""
_SEEING: frozenset[Step] = frozenset(["compare", "choice_after", "review", "expert"])
"""Steps that show what others or a model answered."""


def barred_from(step: Step, subject: int | None, submissions: Sequence[SubmissionView]) -> frozenset[str]:
    """Return who may not do a piece of work on the item: nobody does one twice, answers after having seen an answer,
    or judges what they had a part in."""
    if step in _OUTSIDE:
        # An expert may settle several splits of one item: that is nobody judging their own work.
        own = "expert" if step == "expert" else None
        return frozenset(item.user for item in submissions if item.step != own)
    blind = step in ("blind_answer", "choice")
    return frozenset(
        item.user
        for item in submissions
        if (item.step == step and item.subject == subject) or (blind and item.step in _SEEING)
    )


def may_take(slot: SlotRequest, user: str, submissions: Sequence[SubmissionView]) -> bool:
    """Whether a person may be given a slot now. `slot.not_users` is as it was when the slot was opened; this looks at
    what has been submitted since. The roles and the credentials are the server's to check."""
    if slot.only_user is not None:
        return user == slot.only_user
    return user not in slot.not_users and user not in barred_from(slot.step, slot.subject, submissions)


@dataclass(frozen=True)
class Record:
    """The submissions of an item, with the questions that the stages ask of them."""

    view: ItemView
    submissions: tuple[SubmissionView, ...]

    def of(self, step: Step, subject: int | None = None, *, every_round: bool = False) -> list[SubmissionView]:
        """Return the submissions of a step, in order, of this round unless `every_round`."""
        return [
            item
            for item in sorted(self.submissions, key=lambda item: item.id)
            if item.step == step and item.subject == subject and (every_round or item.round == self.view.round)
        ]

    def users(self, step: Step | None = None) -> frozenset[str]:
        """Return everybody who submitted anything, or anything of one step, in any round."""
        return frozenset(item.user for item in self.submissions if step is None or item.step == step)

    def ruling(self, about: Step, subject: int | None = None) -> Expert | None:
        """Return the last adjudication of a piece of work; of an answer or a choice in this round only, as people give
        these anew in each."""
        anew = about in ("blind_answer", "choice")
        found = [
            item
            for item in self.submissions
            if item.step == "expert"
            and item.about == about
            and item.subject == subject
            and (not anew or item.round == self.view.round)
        ]
        return cast(Expert, max(found, key=lambda item: item.id).payload) if found else None

    def more(self, step: Step, wanted: int, given: int, subject: int | None = None) -> tuple[SlotRequest, ...]:
        """Return as many slots as are missing; nobody does the same work twice, in whatever round."""
        barred = barred_from(step, subject, self.submissions)
        return (SlotRequest(step, subject=subject, not_users=barred),) * max(wanted - given, 0)

    def expert(self, about: Step, reason: str, subject: int | None = None) -> SlotRequest:
        """Return the expert's slot for a split; the expert has had no part in the item."""
        barred = barred_from("expert", subject, self.submissions)
        return SlotRequest("expert", "expert", subject, about, not_users=barred, reason=reason)


def question_stage(record: Record, policy: Policy) -> Stage:
    """Valid, fixed, or not to be asked."""
    view = record.view
    if view.question_checked:
        return Stage("settled", derived={"question": view.question})
    ruling = record.ruling("question_check")
    if ruling is not None:
        if ruling.verdict == "invalid":
            return _discard(ruling.reason, adjudicated=True)
        return Stage("settled", derived={"question": ruling.answer or view.question}, adjudicated=True)
    verdict = _weigh(record, "question_check", policy.question_checks)
    if isinstance(verdict, Stage):
        return verdict
    given = [cast(QuestionCheck, item.payload) for item in record.of("question_check", every_round=True)]
    holding = [item for item in given if item.verdict == verdict]
    if verdict == "invalid":
        return _discard(Counter(item.reason for item in holding).most_common(1)[0][0] or "other")
    if verdict == "valid":
        return Stage("settled", derived={"question": view.question})
    first = str(holding[0].question)
    if all(same_text(str(item.question), first) for item in holding):
        return Stage("settled", derived={"question": first})
    return _to_expert(record, "question_check", "wording")


def plain_verdict(step: Step, verdicts: Sequence[str], *, is_unsure: bool) -> str | None:
    """Return the verdict of people who are all sure and say the same: there is nothing to weigh. None for any other.

    Two different reasons against a distractor are one verdict: it is left out either way.
    """
    found = set(verdicts)
    if is_unsure or not found:
        return None
    if len(found) == 1:
        return verdicts[0]
    return "could_be_true" if step == "distractor" and "certainly_false" not in found else None


def _weigh(record: Record, step: Step, needed: int, subject: int | None = None) -> str | Stage:
    """Return the verdict on a piece of work, or the stage while there is none.

    Where people are clear it is settled at once. Where they are split or unsure the quality engine says who is asked
    next, and until it has said so nothing is wanted.
    """
    given = record.of(step, subject, every_round=True)
    payloads = [cast("QuestionCheck | Distractor", item.payload) for item in given]
    decision = record.view.decisions.get(decision_key(step, subject))
    if decision is not None and decision.action == "accept" and decision.value in [item.verdict for item in payloads]:
        return decision.value
    if decision is not None and decision.action != "another_label":
        return _to_expert(record, step, decision.reason or "disagreement", subject)
    if decision is not None and decision.num_given is not None:
        needed = max(needed, decision.num_given + decision.num_labels)
    missing = record.more(step, needed, len(given), subject)
    if missing:
        return Stage("working", missing)
    is_unsure = any(item.unsure for item in payloads)
    verdict = plain_verdict(step, [item.verdict for item in payloads], is_unsure=is_unsure)
    if verdict is not None:
        return verdict
    if len({item.round for item in given}) > 1:
        # The engine weighs the step of each round by itself: it may see no split.
        return _to_expert(record, step, "unsure" if is_unsure else "disagreement", subject)
    return Stage("working")


def _discard(reason: str, *, adjudicated: bool = False) -> Stage:
    return Stage("discard", derived={"discarded": reason}, adjudicated=adjudicated)


def _to_expert(record: Record, about: Step, reason: str, subject: int | None = None) -> Stage:
    return Stage("expert", (record.expert(about, reason, subject),), derived={"escalated": reason})


def answer_stage(record: Record, policy: Policy) -> Stage:
    """Answer blind, compare, agree in meaning: else one more person, else an expert. Texts are never voted."""
    view = record.view
    answers, compares = record.of("blind_answer"), record.of("compare")
    ruling = record.ruling("blind_answer")
    if ruling is not None:
        if ruling.answer is None:
            return _discard(ruling.reason, adjudicated=True)
        cited = [item for item in answers if item.id in ruling.cites] or answers
        return Stage("settled", derived={"answer": ruling.answer, **_evidence(cited)}, adjudicated=True)
    comparing = tuple(
        SlotRequest("compare", only_user=item.user)
        for item in answers
        if item.user not in {done.user for done in compares} | view.gone and targets_of(view, item, answers)
    )
    missing = record.more("blind_answer", policy.first_labels, len(answers))
    needs: tuple[Need, ...] = () if view.of_kind("answer") else ("answer_proposals",)
    if comparing or missing:
        return Stage("working", (*missing, *comparing), needs)
    found = cluster_answers(answers, compares, view.of_kind("answer"))
    sure = {item.id for item in answers if not cast(BlindAnswer, item.payload).unsure}
    best = next((cluster for cluster in found.clusters if len(sure & set(cluster)) >= policy.first_labels), None)
    if best is not None and not found.contradicted:
        text, source = final_wording(best, answers, compares)
        members = [item for item in answers if item.id in best]
        dissent = len(answers) - len(best)
        derived = {"answer": text, "answer_from": source, "dissenting": dissent, **_evidence(members)}
        if view.expert_reason is not None:
            slot = record.expert("blind_answer", view.expert_reason)
            return Stage("expert", (slot,), derived={**derived, "escalated": view.expert_reason})
        return Stage("settled", derived=derived)
    if len(answers) < policy.most_answers and not found.contradicted:
        return Stage("working", record.more("blind_answer", len(answers) + 1, len(answers)), needs)
    return _to_expert(record, "blind_answer", "unsure" if len(sure) < len(answers) else "disagreement")


def targets_of(
    view: ItemView, answer: SubmissionView, answers: Sequence[SubmissionView]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the proposals and the earlier answers (ids) that the author of `answer` has to compare with it.

    In blind_first the proposal is always revealed then. In verify mode it was shown from the start, so only another
    person's differing answer needs comparing. None if there is nothing to compare.
    """
    own = cast(BlindAnswer, answer.payload).answer
    others = tuple(item.id for item in answers if item.id < answer.id)
    if view.mode == "verify":
        texts = {item.id: cast(BlindAnswer, item.payload).answer for item in answers}
        if all(same_text(own, texts[number]) for number in others):
            return None
    proposals = tuple(item.id for item in view.of_kind("answer"))
    return (proposals, others) if proposals or others else None


def _evidence(answers: Sequence[SubmissionView]) -> dict[str, Any]:
    if not answers:
        return {"evidence": None, "evidence_spread": 0, "boxes": []}
    payloads = [cast(BlindAnswer, item.payload) for item in answers]
    interval, spread = median_interval([item.evidence for item in payloads])
    boxes = max(payloads, key=lambda item: len(item.boxes)).boxes
    return {"evidence": interval.to_dict(), "evidence_spread": spread, "boxes": [box.to_dict() for box in boxes]}


def distractor_stage(record: Record, policy: Policy, question: str, answer: str) -> Stage:
    """Each distractor against the video, by two people at least. Then the text-only filter.

    Where a model tells so many that too few are left, others are wanted; after `most_text_only` such sets the item is
    discarded, as one that is answerable without the video.
    """
    view, adjudicated = record.view, False
    checks = [check for check in view.text_only if check.about == about(question, answer)]
    told = frozenset(number for check in checks for number in check.told)
    asked = frozenset(number for check in checks for number in check.asked)
    statuses: dict[int, str] = {}
    wanted: list[SlotRequest] = []
    seen: list[str] = [answer]
    for proposal in view.of_kind("distractor"):
        if any(same_text(proposal.text, text) for text in seen):
            statuses[proposal.id] = "same_as_answer" if same_text(proposal.text, answer) else "repeated"
            continue
        seen.append(proposal.text)
        if proposal.id in told:
            statuses[proposal.id] = "told_without_video"
            continue
        statuses[proposal.id], slots = _judge(record, policy, proposal.id)
        wanted += slots
        adjudicated |= record.ruling("distractor", proposal.id) is not None
    confirmed = [number for number, status in statuses.items() if status == "certainly_false"]
    derived: dict[str, Any] = {"distractors": {str(number): status for number, status in statuses.items()}}
    if "open" in statuses.values():
        reasons = [slot.reason for slot in wanted if slot.step == "expert"]
        derived = {**derived, "escalated": reasons[0]} if reasons else derived
        return Stage("expert" if reasons else "working", tuple(wanted), derived=derived, adjudicated=adjudicated)
    if len(confirmed) < policy.min_distractors:
        if sum(bool(check.told) for check in checks) >= policy.most_text_only:
            discarded = {**derived, "discarded": "answerable_without_video"}
            return Stage("discard", derived=discarded, adjudicated=adjudicated)
        return Stage("working", needs=("distractor_proposals",), derived=derived, adjudicated=adjudicated)
    if policy.use_text_only and not asked.issuperset(confirmed):
        return Stage("working", needs=("text_only",), derived=derived, adjudicated=adjudicated)
    return Stage("settled", derived=derived, adjudicated=adjudicated)


def _judge(record: Record, policy: Policy, number: int) -> tuple[str, tuple[SlotRequest, ...]]:
    """Return a distractor's status and the work that is wanted on it."""
    ruling = record.ruling("distractor", number)
    if ruling is not None:
        return str(ruling.verdict), ()
    verdict = _weigh(record, "distractor", policy.distractor_judges, number)
    return (verdict, ()) if isinstance(verdict, str) else ("open", verdict.wanted)


def choice_stage(record: Record, policy: Policy) -> Stage:
    """Pick an option: `first_labels` sure people agree, or the engine says so; a dissent goes to an expert."""
    view = record.view
    ruling = record.ruling("choice")
    if ruling is not None:
        if ruling.choice is None:
            return _discard(ruling.reason, adjudicated=True)
        return Stage("settled", derived={"choice": ruling.choice}, adjudicated=True)
    given = record.of("choice")
    payloads = [cast(Choice, item.payload) for item in given]
    sure = [str(item.choice) for item in payloads if not item.unsure]
    decision = view.decisions.get(decision_key("choice"))
    missing = record.more("choice", policy.first_labels, len(given))
    if missing and decision is None:
        return Stage("working", missing)
    agreed: str | None
    if decision is not None:
        agreed = decision.value if decision.action == "accept" else None
    else:
        agreed = sure[0] if len(sure) >= policy.first_labels and len(set(sure)) == 1 else None
    if agreed is not None:
        shown = [item.evidence for item in payloads if item.evidence is not None and str(item.choice) == agreed]
        derived: dict[str, Any] = {"choice": int(agreed), **_interval(shown)}
        if view.expert_reason is not None:
            slot = record.expert("choice", view.expert_reason)
            return Stage("expert", (slot,), derived={**derived, "escalated": view.expert_reason})
        return Stage("settled", derived=derived)
    if decision is not None and decision.action == "another_label":
        # The engine that counts labels keeps to `most_labels` itself: those of paused people may be replaced.
        known = len(given) if decision.num_given is None else decision.num_given
        if decision.num_given is not None or len(given) < policy.most_labels:
            return Stage("working", record.more("choice", known + decision.num_labels, len(given)))
    if decision is None and len(set(sure)) <= 1 and len(given) <= policy.first_labels:
        return Stage("working", record.more("choice", len(given) + 1, len(given)))
    reason = "unsure" if len(sure) < len(given) else "disagreement"
    return _to_expert(record, "choice", (decision.reason if decision is not None else None) or reason)


def _interval(shown: Sequence[Interval]) -> dict[str, Any]:
    return {"evidence": median_interval(shown)[0].to_dict()} if shown else {}
