"""How people stand in a project after a refit: who is paused and why, and who is asked for further labels."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.tables import Membership


@dataclass(frozen=True)
class Standing:
    """How one person stands."""

    user_id: int
    paused_reason: str | None
    is_better: bool


def changed_standing(session: Session, project_id: int, found: list[Standing]) -> list[Standing]:
    """Return those of `found` that differ from what is recorded."""
    rows = {row.user_id: row for row in session.scalars(select(Membership).filter_by(project_id=project_id))}
    return [
        entry
        for entry in found
        if entry.user_id in rows
        and (rows[entry.user_id].paused_reason, rows[entry.user_id].is_better) != (entry.paused_reason, entry.is_better)
    ]


def set_standing(session: Session, actor: Actor, project_id: int, changed: list[Standing]) -> None:
    """Record how people stand; that somebody is paused, or works again, is logged.

    Memberships are locked by person before anything else, as everybody does (`store.audit.locked_head`).
    """
    ids = [entry.user_id for entry in changed]
    mine = select(Membership).where(Membership.project_id == project_id, Membership.user_id.in_(ids))
    statement = mine.order_by(Membership.user_id).with_for_update(key_share=True)
    rows = {row.user_id: row for row in session.scalars(statement)}
    for entry in changed:
        row = rows.get(entry.user_id)
        if row is None or (row.is_trusted and entry.paused_reason is not None):
            continue
        before, row.paused_reason, row.is_better = row.paused_reason, entry.paused_reason, entry.is_better
        if before != entry.paused_reason:
            body = {"paused": entry.paused_reason, "before": before}
            append(session, actor, "member.standing", f"user:{entry.user_id}", body, project_id)
