"""Drafts: every saved state is kept; a save names the revision it was made on, refused if not the newest.

What is refused is kept as well, so that nothing a person wrote is lost, whichever of two tabs it came from.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict, StaleRevision
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.leases import SUBMITTED, own_assignment
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Draft


def newest_draft(session: Session, assignment_id: int) -> Draft | None:
    """Return the last accepted state of a draft."""
    statement = select(Draft).where(Draft.assignment_id == assignment_id, Draft.rev.is_not(None))
    return session.scalar(statement.order_by(Draft.rev.desc()).limit(1))


def draft_answer(draft: Draft | None) -> dict[str, Any] | None:
    """Return what the interface says of a draft."""
    return None if draft is None else {"rev": draft.rev, "body": draft.body}


def save_draft(
    session: Session, caller: Caller, assignment_id: int, base_rev: int, body: dict[str, Any]
) -> tuple[int, StaleRevision | None]:
    """Keep a draft made on `base_rev`; return its revision, or with it the refusal to raise once this is committed."""
    assignment = own_assignment(session, caller, assignment_id, lock=True)
    if assignment.state == SUBMITTED:
        raise Conflict("already_submitted", "this work is submitted; its draft can no longer change")
    current = newest_draft(session, assignment_id)
    rev = 0 if current is None or current.rev is None else current.rev
    if current is not None and base_rev == current.base_rev and body == current.body:
        return rev, None  # the same save again: its answer was lost
    is_stale = base_rev != rev
    row = Draft(
        assignment_id=assignment_id,
        rev=None if is_stale else rev + 1,
        base_rev=base_rev,
        body=body,
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    if not is_stale:
        return rev + 1, None
    refusal = StaleRevision(
        "stale_revision",
        f"the draft has revision {rev} by now, this was made on {base_rev}",
        hint="both are kept; put them together and save again",
        extra={"current": draft_answer(current) or {"rev": 0, "body": None}},
    )
    return rev, refusal
