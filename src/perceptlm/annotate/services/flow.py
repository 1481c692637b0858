"""Asks the flow what comes next for an item, and does it: slots opened and closed, moves made, results kept.

What comes next is decided by `fgqa.flow` from the record alone; here the record is read and the answer written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.flow import advance
from perceptlm.annotate.fgqa.payloads import PAYLOADS
from perceptlm.annotate.fgqa.payloads import Step as StepKind
from perceptlm.annotate.fgqa.view import Decision, ItemView, SlotRequest, SubmissionView, TextOnlyCheck
from perceptlm.annotate.fgqa.view import Proposal as ProposalView
from perceptlm.annotate.life_cycle import Actor as Mover
from perceptlm.annotate.life_cycle import Event
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.routing import draw_audit
from perceptlm.annotate.services.item_states import move
from perceptlm.annotate.services.projects import policy_of, project_of
from perceptlm.annotate.services.steps import (
    close_all,
    close_slots,
    open_first_slots,
    open_slots,
    requests_of,
    steps_of,
)
from perceptlm.annotate.store.audit import SERVER, Actor, Entry, append_all
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.outbox import emit_all
from perceptlm.annotate.store.tables import (
    Item,
    Membership,
    Project,
    Proposal,
    Step,
    StepDecision,
    Submission,
    TextOnlyRow,
    User,
)
from perceptlm.seeding import derive_seed

_MOVERS = {
    Event.VERIFY: Mover.VERIFIER,
    Event.REWORK: Mover.VERIFIER,
    Event.ADJUDICATE: Mover.EXPERT,
}
"""Who causes a move that follows from a submission; all other moves follow from the rules."""


def advance_item(session: Session, item: Item, actor: Actor) -> None:
    """Do what comes next for a locked item; doing it twice changes nothing. Repeated items stay as they are."""
    if item.is_repeated:
        return
    project = project_of(session, item.project_id)
    policy = policy_of(session, project)
    record = submissions_of(session, item)
    next_round = True
    while next_round:
        steps = steps_of(session, item)
        view = view_of(session, item, project, policy, steps)
        step = advance(view, record, policy)
        derived = {**item.derived, **step.derived}
        if item.state == "accepted" and derived != item.derived:
            # What would be released has changed, without a move.
            item.row_version, item.updated_at = item.row_version + 1, now(session)
        item.derived = derived
        _note_needs(session, item.project_id, [(item, list(step.needs))])
        close_slots(session, item, step.closed)
        for name in step.events:
            event = Event(name)
            move(session, item, event, _MOVERS.get(event, Mover.RULES), actor, reason=_reason(event, step.derived))
        next_round = step.next_round
        if next_round:
            close_all(session, item)
            item.round += 1
            continue
        if step.events and item.state in ("accepted", "discarded"):
            close_all(session, item)
            next_round = item.state == "accepted"  # asked once more: an accepted item may have its ceiling measured
        if item.state != "discarded":
            open_slots(session, item, step.new_steps)


def _note_needs(session: Session, project_id: int, found: Sequence[tuple[Item, list[str]]]) -> None:
    """Keep what items need, and tell of what is new."""
    changed = [(item, needs) for item, needs in found if needs != item.needs]
    for item, needs in changed:
        item.needs = needs
    new = [item for item, needs in changed if needs]
    entries = [Entry("item.needs", f"item:{item.id}", {"needs": item.needs}) for item in new]
    append_all(session, SERVER, entries, project_id)
    if new:
        told = [{"item": item.id, "key": item.key, "needs": item.needs} for item in new]
        emit_all(session, project_id, "item.needs", told)


def _reason(event: Event, derived: Mapping[str, Any]) -> str | None:
    wanted = {Event.ESCALATE: "escalated", Event.CONTEST: "escalated", Event.DISCARD: "discarded"}.get(event)
    return None if wanted is None or derived.get(wanted) is None else str(derived[wanted])


def open_items(session: Session, project: Project, policy: Policy, items: Sequence[Item], actor: Actor) -> None:
    """Do what comes first for new items that are open, all in a few statements."""
    proposals: dict[int, list[Proposal]] = defaultdict(list)
    for row in session.scalars(_proposals([item.id for item in items])):
        proposals[row.item_id].append(row)
    wanted: list[tuple[Item, Sequence[SlotRequest]]] = []
    needs: list[tuple[Item, list[str]]] = []
    for item in items:
        step = advance(_view(item, project, policy, proposals[item.id]), (), policy)
        if step.events or step.next_round:
            advance_item(session, item, actor)
        else:
            item.derived = dict(step.derived)
            wanted.append((item, step.new_steps))
            needs.append((item, list(step.needs)))
    _note_needs(session, project.id, needs)
    open_first_slots(session, wanted)


def view_of(session: Session, item: Item, project: Project, policy: Policy, steps: list[Step]) -> ItemView:
    """Return what the flow sees of an item."""
    view = _view(item, project, policy, session.scalars(_proposals([item.id])).all())
    decisions, gone = decisions_of(session, item), _gone(session, item)
    checks = () if view.kind == "choice" else text_only_of(session, item)
    return replace(view, open_slots=requests_of(steps), decisions=decisions, gone=gone, text_only=checks)


def _proposals(item_ids: list[int]) -> Select[Proposal]:
    return select(Proposal).where(Proposal.item_id.in_(item_ids)).order_by(Proposal.id)


def _view(item: Item, project: Project, policy: Policy, proposals: Sequence[Proposal]) -> ItemView:
    """Return what the flow sees of an item that nobody has worked on."""
    return ItemView(
        key=item.key,
        kind="fgqa" if item.first_step in ("question_check", "blind_answer") else "choice",
        mode=cast(Any, project.mode),
        state=item.state,
        question=item.question,
        options=tuple(item.options or ()),
        proposals=tuple(ProposalView(row.id, cast(Any, row.kind), row.text) for row in proposals),
        round=item.round,
        expert_reason=item.expert_reason,
        question_checked=item.first_step == "blind_answer",
        in_ceiling_sample=_draw(project, "ceiling", item.key) < policy.ceiling_share,
    )


def text_only_of(session: Session, item: Item) -> tuple[TextOnlyCheck, ...]:
    """Return what models without the video made of an item."""
    rows = session.scalars(select(TextOnlyRow).where(TextOnlyRow.item_id == item.id).order_by(TextOnlyRow.id))
    return tuple(
        TextOnlyCheck(row.about, frozenset(count["distractor_id"] for count in row.counts), frozenset(row.told))
        for row in rows
    )


def _gone(session: Session, item: Item) -> frozenset[str]:
    """Return who gave an answer and cannot sign in, or is no member of the project, any more."""
    if item.first_step == "choice":
        return frozenset()
    here = select(Membership.user_id).join(User, User.id == Membership.user_id)
    here = here.where(Membership.project_id == item.project_id, User.disabled_at.is_(None))
    statement = select(Submission.user_id).where(
        Submission.item_id == item.id, Submission.step_kind == "blind_answer", Submission.user_id.not_in(here)
    )
    return frozenset(str(user_id) for user_id in session.scalars(statement))


def decisions_of(session: Session, item: Item) -> dict[str, Decision]:
    """Return the quality engine's last decision of each nominal piece of work: of choices in this round, of verdicts in
    any, as these are given once."""
    statement = (
        select(StepDecision, Step.kind, Step.subject)
        .join(Step, Step.id == StepDecision.step_id)
        .where(StepDecision.item_id == item.id, (Step.round == item.round) | (Step.kind != "choice"))
        .order_by(StepDecision.id)
    )
    found: dict[str, Decision] = {}
    for row, kind, subject in session.execute(statement):
        found[kind if subject is None else f"{kind}:{subject}"] = Decision(
            cast(Any, row.action), row.value, row.reason, row.num_labels, len(row.submissions)
        )
    return found


def submissions_of(session: Session, item: Item) -> list[SubmissionView]:
    """Return the record of an item as the flow reads it; a second answer after the reveal is a step of its own."""
    statement = (
        select(Submission, Step.subject, Step.about, Step.round)
        .join(Step, Step.id == Submission.step_id)
        .where(Submission.item_id == item.id)
        .order_by(Submission.id)
    )
    found = []
    for row, subject, about, number in session.execute(statement):
        kind = cast(StepKind, "choice_after" if row.ordinal else row.step_kind)
        # Kept as JSON, where tuples are lists: read as JSON again, not as Python values.
        payload = PAYLOADS[kind].model_validate(row.payload)
        found.append(
            SubmissionView(row.id, str(row.user_id), kind, payload, number, subject, cast(StepKind | None, about))
        )
    return found


def expert_reason_of(project: Project, policy: Policy, item: Item) -> str | None:
    """Return why an expert sees the item whatever people agree on, drawn once when it comes in."""
    if item.needs_credential:
        return "credential"
    is_drawn = draw_audit([f"{project.slug}/{item.key}"], 0, policy.audit_share)[0]
    return "audit" if is_drawn else None


def _draw(project: Project, purpose: str, key: str) -> float:
    """Return the share in [0, 1) that belongs to an item, the same whenever it is asked."""
    return derive_seed(0, purpose, project.slug, key) / float(1 << 63)
