"""What a person is shown of their assignment: the question, and only what their step may know.

Proposals appear where the flow allows it: from the start in verify mode, after one's own answer in blind_first. Nobody
learns whether an item is gold, who else worked on it, or what others answered before it is time to compare: not by the
number of a slot either (everybody may have one of a gold item), nor by the state of an item (gold is never finished).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.drafts import draft_answer, newest_draft
from perceptlm.annotate.services.leases import own_assignment
from perceptlm.annotate.services.steps import CALIBRATION
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Assignment, Item, Project, Proposal, ProposalView, Step, Submission

SHOWN_IN_VERIFY = ("question_check", "blind_answer", "choice")
SEES_HISTORY = ("review", "expert")
_ANSWER_KINDS = ("answer", "choice")


def assignment_answer(session: Session, caller: Caller, assignment: Assignment, *, resumed: bool) -> dict[str, Any]:
    """Return what the interface says of an assignment; what it shows of proposals is noted as seen."""
    item, step = session.get_one(Item, assignment.item_id), session.get_one(Step, assignment.step_id)
    project = session.get_one(Project, assignment.project_id)
    shown = _shown_proposals(session, assignment, item, step, project)
    note_views(session, assignment, [row.id for row in shown])
    return {
        "id": assignment.id,
        "fence": assignment.fence,
        "state": assignment.state,
        "lease_until": assignment.lease_until,
        "resumed": resumed,
        "step": step.kind,
        "is_calibration": step.home_lane == CALIBRATION,
        "item": {
            "id": item.id,
            "question": item.derived.get("question", item.question),
            "options": _options(item, step),
            "domain": item.domain,
            "asset_id": item.asset_id,
            "distractor": _distractor(session, step),
            "about": step.about,
            "reason": step.reason if step.kind == "expert" else None,
            "history": _history(session, item, step, assignment),
        },
        "guideline_version": assignment.guideline_version,
        "draft": draft_answer(newest_draft(session, assignment.id)),
        "proposal": proposal_answer(shown[0]) if shown else None,
        "proposals": [proposal_answer(row) for row in shown],
    }


def proposal_answer(row: Proposal) -> dict[str, Any]:
    """Return what people see of a proposal: not which model it is from, nor how sure that was."""
    return {"id": row.id, "text": row.text, "kind": row.kind}


def reveal(session: Session, caller: Caller, assignment_id: int, fence: int) -> dict[str, Any]:
    """Show the proposals, and for a comparison the earlier answers; Conflict (`answer_first`) before one's own."""
    assignment = own_assignment(session, caller, assignment_id)
    if assignment.fence != fence:
        raise Conflict("lease_lost", "the lease has ended and the work went to somebody else")
    item, step = session.get_one(Item, assignment.item_id), session.get_one(Step, assignment.step_id)
    project = session.get_one(Project, assignment.project_id)
    is_shown_before = project.mode == "verify" and step.kind in SHOWN_IN_VERIFY
    if not is_shown_before and not has_answered(session, item.id, assignment.user_id):
        raise Conflict("answer_first", "proposals are shown after one's own answer", hint="submit your answer first")
    rows = _proposals(session, item, _ANSWER_KINDS)
    note_views(session, assignment, [row.id for row in rows])
    append(session, caller.actor, "proposal.reveal", f"assignment:{assignment.id}", {"item": item.id}, project.id)
    return {
        "proposals": [proposal_answer(row) for row in rows],
        "others": _other_answers(session, item, step, assignment.user_id)
        if step.kind in ("compare", "blind_answer")
        else [],
    }


def has_answered(session: Session, item_id: int, user_id: int) -> bool:
    """Return whether the person has given an answer of their own to the item."""
    statement = select(Submission.id).where(
        Submission.item_id == item_id,
        Submission.user_id == user_id,
        Submission.step_kind.in_(("blind_answer", "choice")),
    )
    return session.scalar(statement.limit(1)) is not None


def note_views(session: Session, assignment: Assignment, proposal_ids: list[int]) -> None:
    """Note that the holder of an assignment was shown proposals, the first time."""
    for proposal_id in proposal_ids:
        if session.get(ProposalView, (proposal_id, assignment.user_id)) is None:
            session.add(
                ProposalView(
                    proposal_id=proposal_id,
                    user_id=assignment.user_id,
                    assignment_id=assignment.id,
                    shown_at=now(session),
                )
            )
    session.flush()


def seen_proposals(session: Session, item: Item, user_id: int) -> frozenset[int]:
    """Return the answer proposals of an item that the person was shown."""
    statement = (
        select(ProposalView.proposal_id)
        .join(Proposal, Proposal.id == ProposalView.proposal_id)
        .where(Proposal.item_id == item.id, ProposalView.user_id == user_id, Proposal.kind == "answer")
    )
    return frozenset(session.scalars(statement))


def was_shown(session: Session, item: Item, user_id: int) -> bool:
    """Return whether the person was shown any proposal of an item."""
    statement = (
        select(ProposalView.proposal_id)
        .join(Proposal, Proposal.id == ProposalView.proposal_id)
        .where(Proposal.item_id == item.id, ProposalView.user_id == user_id)
    )
    return session.scalar(statement.limit(1)) is not None


def earlier_answers(session: Session, item: Item, step: Step, user_id: int) -> list[Submission]:
    """Return the blind answers of this round that others gave before the person's own."""
    statement = (
        select(Submission)
        .join(Step, Step.id == Submission.step_id)
        .where(Submission.item_id == item.id, Submission.step_kind == "blind_answer", Step.round == step.round)
        .order_by(Submission.id)
    )
    rows = list(session.scalars(statement))
    own = next((row.id for row in rows if row.user_id == user_id), 0)
    return [row for row in rows if row.id < own]


def _shown_proposals(
    session: Session, assignment: Assignment, item: Item, step: Step, project: Project
) -> list[Proposal]:
    if project.mode == "verify" and step.kind in SHOWN_IN_VERIFY:
        return _proposals(session, item, _ANSWER_KINDS)
    if step.kind == "compare" or step.kind in SEES_HISTORY:
        return _proposals(session, item, _ANSWER_KINDS)
    return []


def _proposals(session: Session, item: Item, kinds: tuple[str, ...]) -> list[Proposal]:
    statement = select(Proposal).where(Proposal.item_id == item.id, Proposal.kind.in_(kinds)).order_by(Proposal.id)
    return list(session.scalars(statement))


def _options(item: Item, step: Step) -> list[str] | None:
    """Return the options; for the ceiling, the two of the pair that is asked."""
    if step.kind == "ceiling" and step.subject is not None:
        return list(item.derived["groups"][step.subject]["options"])
    return None if item.options is None else list(item.options)


def _distractor(session: Session, step: Step) -> dict[str, Any] | None:
    is_about_distractor = step.kind == "distractor" or step.about == "distractor"
    if not is_about_distractor or step.subject is None:
        return None
    row = session.get_one(Proposal, step.subject)
    return {"id": row.id, "text": row.text}


def _other_answers(session: Session, item: Item, step: Step, user_id: int) -> list[dict[str, Any]]:
    rows = earlier_answers(session, item, step, user_id)
    return [
        {"submission_id": row.id, "answer": row.payload["answer"], "evidence": row.payload["evidence"]} for row in rows
    ]


def _history(session: Session, item: Item, step: Step, assignment: Assignment) -> list[dict[str, Any]]:
    """Return earlier submissions without names: all for verifier and expert; for a comparison the own answer and
    those before it; else nothing.
    """
    statement = select(Submission).where(Submission.item_id == item.id).order_by(Submission.id)
    if step.kind in SEES_HISTORY:
        rows = list(session.scalars(statement))
    elif step.kind == "compare":
        own = statement.where(Submission.user_id == assignment.user_id, Submission.step_kind == "blind_answer")
        rows = [*earlier_answers(session, item, step, assignment.user_id), *session.scalars(own)]
    else:
        return []
    return [
        {
            "id": row.id,
            "step": "choice_after" if row.ordinal else row.step_kind,
            "payload": row.payload,
            "is_own": row.user_id == assignment.user_id,
            "created_at": row.created_at,
        }
        for row in rows
    ]
