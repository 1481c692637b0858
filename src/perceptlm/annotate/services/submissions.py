"""Submissions: immutable, each named by an operation of the client, so that sending it again gives the same answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.payloads import ItemContext, Payload, PayloadError, validate_payload
from perceptlm.annotate.refusals import Conflict, Invalid
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.calibration import note_answer
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.flow import advance_item
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.leases import (
    LEASED,
    SUBMITTED,
    check_fence,
    lease_lost,
    locked_membership,
    locked_step,
    own_assignment,
    take_again,
    why_barred,
)
from perceptlm.annotate.services.projects import content_of
from perceptlm.annotate.services.quality_records import KIND
from perceptlm.annotate.services.queue import EXPIRED
from perceptlm.annotate.services.refit import count_since_fit
from perceptlm.annotate.services.steps import steps_of
from perceptlm.annotate.services.work_view import earlier_answers, seen_proposals, was_shown
from perceptlm.annotate.store.audit import SUBMITTED as SUBMITTED_ACTION
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.outbox import emit
from perceptlm.annotate.store.tables import Asset, Assignment, Item, Operation, Project, Step, Submission
from perceptlm.config import digest_of


def submit(
    session: Session, caller: Caller, assignment_id: int, request: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Take in a submission and go on with its item; return the answer, and whether it is new.

    `request` is the body of the interface. Refusals: `op_id_reused`, `lease_lost`, `already_submitted`,
    `frame_table_changed`, `invalid_payload`.
    """
    user_id = caller.person()
    digest = digest_of({"assignment": assignment_id, "payload": request["payload"], "fence": request["fence"]})
    # As it is now: the person may have been removed, or given another role, since the request came in. What ends
    # somebody's calibration changes this row, so it is locked before all else (`store.audit.locked_head`).
    assert caller.project_id is not None
    caller = replace(caller, role=Role(locked_membership(session, caller.project_id, user_id).role))
    # The lock comes before the look: of the same operation sent twice at once, the second finds the first.
    assignment = own_assignment(session, caller, assignment_id, lock=True)
    known = session.get(Operation, (user_id, request["client_op_id"]))
    if known is not None:
        if known.request_sha256 != digest:
            raise Conflict("op_id_reused", "this client_op_id was used for something else", field="client_op_id")
        return known.response, False
    item = locked_item(session, assignment.item_id)
    steps_of(session, item)
    step = locked_step(session, assignment.step_id)
    ordinal = _claim(session, caller, assignment, item, step, request["fence"])
    asset = session.get_one(Asset, item.asset_id)
    if request["frame_table_hash"] != asset.frame_table_hash:
        raise Conflict("frame_table_changed", "the work was done on another frame table", field="frame_table_hash")
    kind = "choice_after" if ordinal else step.kind
    payload = _validated(session, kind, request["payload"], assignment, item, step, asset)
    row = Submission(
        project_id=item.project_id,
        item_id=item.id,
        step_id=step.id,
        assignment_id=assignment.id,
        user_id=user_id,
        step_kind=step.kind,
        ordinal=ordinal,
        client_op_id=request["client_op_id"],
        payload=payload.model_dump(mode="json"),
        frame_table_hash=request["frame_table_hash"],
        guideline_version=request["guideline_version"],
        policy_version=assignment.policy_version,
        active_seconds=request["active_seconds"],
        created_at=now(session),
    )
    row.payload_sha256 = digest_of(row.payload)
    session.add(row)
    session.flush()
    return _finish(session, caller, row, assignment, item, step, digest), True


def _finish(
    session: Session, caller: Caller, row: Submission, assignment: Assignment, item: Item, step: Step, digest: str
) -> dict[str, Any]:
    if row.ordinal == 0:
        assignment.state = SUBMITTED
        step.num_submitted += 1
    body = {"submission": row.id, "item": item.id, "step": step.kind, "payload_sha256": row.payload_sha256}
    append(session, caller.actor, SUBMITTED_ACTION, f"assignment:{assignment.id}", body, item.project_id)
    emit(session, item.project_id, "submission.created", body)
    if row.ordinal == 0:
        count_since_fit(session, item.project_id, 1)
        # Choices are the quality engine's to decide, at the next fit; with all else the flow goes on at once.
        if step.kind != KIND:
            advance_item(session, item, caller.actor)
    response: dict[str, Any] = {"id": row.id, "next_step": _next_step(session, item, assignment.user_id)}
    if (told := note_answer(session, row, step)) is not None:
        response["calibration"] = told
    session.add(
        Operation(
            user_id=assignment.user_id,
            client_op_id=row.client_op_id,
            request_sha256=digest,
            response=response,
            created_at=now(session),
        )
    )
    session.flush()
    return response


def _claim(session: Session, caller: Caller, assignment: Assignment, item: Item, step: Step, fence: int) -> int:
    """Check that the caller holds the lease; return 0 for the first answer, 1 for one after the reveal."""
    check_fence(assignment, fence)
    if assignment.state == EXPIRED:
        take_again(session, caller, assignment)
    if assignment.state == LEASED:
        # Asked again under the lock of the item: two requests of one person may have been on their way at once.
        if (barred := why_barred(session, caller, assignment, step)) is not None:
            raise barred
        return 0
    if assignment.state != SUBMITTED:
        raise lease_lost()
    given = session.scalars(select(Submission.ordinal).where(Submission.assignment_id == assignment.id)).all()
    project = session.get_one(Project, item.project_id)
    # Without a reveal in between it is a second tab, not a second thought.
    may_answer_again = step.kind == "choice" and project.mode == "blind_first" and len(given) == 1
    if may_answer_again and was_shown(session, item, assignment.user_id):
        return 1
    raise Conflict("already_submitted", "this work is submitted already")


def _next_step(session: Session, item: Item, user_id: int) -> str | None:
    """Return the step that waits for the same person on the same item."""
    statement = select(Step.kind).where(Step.item_id == item.id, Step.for_user_id == user_id, Step.lane.is_not(None))
    return session.scalar(statement.limit(1))


def _validated(
    session: Session, kind: str, values: dict[str, Any], assignment: Assignment, item: Item, step: Step, asset: Asset
) -> Payload:
    codes = frozenset(entry.id for entry in content_of(session.get_one(Project, item.project_id)).reason_codes)
    others = earlier_answers(session, item, step, assignment.user_id) if kind == "compare" else []
    context = ItemContext(
        num_frames=asset.num_frames,
        width=asset.width,
        height=asset.height,
        options=None if item.options is None else tuple(item.options),
        proposal_ids=seen_proposals(session, item, assignment.user_id),
        other_answers=frozenset(row.id for row in others),
        distractor_id=step.subject if step.kind == "distractor" else None,
        review_reasons=codes,
        expert_reasons=codes,
        citable=_citable(session, item) if kind == "expert" else None,
        expert_about=step.about,  # type: ignore[arg-type]
    )
    try:
        return validate_payload(kind, values, context)
    except PayloadError as error:
        field = f"payload.{error.field}" if error.field else "payload"
        raise Invalid("invalid_payload", error.message, hint=error.hint, field=field) from error


def _citable(session: Session, item: Item) -> frozenset[int]:
    return frozenset(session.scalars(select(Submission.id).where(Submission.item_id == item.id)))
