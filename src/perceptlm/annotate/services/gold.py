"""Gold: items whose answer is known. Proposed by one person, in force once another approves.

Approving makes the item a repeated one: everybody may be given its known work, in between ordinary work of the same
kind. Of a distractor the item's others are given with it, as they are of ordinary items. That an item is repeated says
nothing of gold to whoever sees it. Everything here needs a transaction opened for gold (`store.gold_guard`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.known_work import KnownWork, distractors_of, item_of_key, known_work, open_item_of_key
from perceptlm.annotate.services.steps import lock_work, repeat, repeated_lane
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import CalibrationItem, GoldChange, GoldItem, Item, Project
from perceptlm.config import digest_of


def propose_gold(session: Session, caller: Caller, project: Project, body: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Record a proposed change of gold; it has no effect before it is approved."""
    for key, entry in sorted(body.items()):
        _known(session, item_of_key(session, project, key), entry)
    row = GoldChange(project_id=project.id, body=body, created_by=caller.person(), created_at=now(session))
    session.add(row)
    session.flush()
    logged = {"change": row.id, "sha256": digest_of(body), "num_items": len(body)}
    append(session, caller.actor, "gold.propose", f"gold:{row.id}", logged, project.id)
    return {"id": row.id, "num_items": len(body), "state": "proposed"}


def approve_gold(session: Session, caller: Caller, project: Project, change_id: int | None) -> dict[str, Any]:
    """Put proposed changes into force, one or all that wait; Conflict for one's own."""
    statement = select(GoldChange).where(GoldChange.project_id == project.id, GoldChange.approved_at.is_(None))
    if change_id is not None:
        statement = statement.where(GoldChange.id == change_id)
    changes = list(session.scalars(statement.order_by(GoldChange.id).with_for_update(key_share=True)))
    if not changes:
        raise NotFound("nothing_proposed", "no change of gold waits for approval")
    if any(change.created_by == caller.person() for change in changes):
        raise Conflict("second_person_needed", "gold is approved by another person than proposed it")
    keys = {key for change in changes for key in change.body}
    lock_work(session, session.scalars(select(Item.id).where(Item.project_id == project.id, Item.key.in_(keys))).all())
    for change in changes:
        for key, entry in sorted(change.body.items()):
            _put(session, project, change, key, entry)
        change.approved_by, change.approved_at = caller.person(), now(session)
        logged = {"change": change.id, "sha256": digest_of(change.body)}
        append(session, caller.actor, "gold.approve", f"gold:{change.id}", logged, project.id)
    return {"approved": [change.id for change in changes]}


def _put(session: Session, project: Project, change: GoldChange, key: str, entry: dict[str, Any]) -> None:
    item = open_item_of_key(session, project, key)
    known = _known(session, item, entry)
    row = session.get(GoldItem, item.id)
    if row is None:
        row = GoldItem(item_id=item.id, project_id=project.id)
        session.add(row)
    row.expected, row.planted_wrong, row.change_id = entry["expected"], entry["planted_wrong"], change.id
    row.step_kind, row.subject = known.kind, known.subject
    repeat(session, item, repeated_lane(known.kind), known.kind, known.subjects)


def _known(session: Session, item: Item, entry: dict[str, Any]) -> KnownWork:
    """Return which work an entry is about; Conflict where what is right is told to people."""
    if session.get(CalibrationItem, item.id) is not None:
        message = f"what is right of the item '{item.key}' is told to people"
        raise Conflict("calibration_already", message, field=item.key)
    return known_work(session, item, entry)


def list_gold(session: Session, project: Project) -> dict[str, Any]:
    """Return the gold in force, and what waits for approval."""
    rows = session.execute(
        select(Item.key, GoldItem)
        .join(Item, Item.id == GoldItem.item_id)
        .where(GoldItem.project_id == project.id)
        .order_by(Item.key)
    ).all()
    there = distractors_of(session, [row.item_id for _, row in rows])
    waiting = session.scalars(
        select(GoldChange).where(GoldChange.project_id == project.id, GoldChange.approved_at.is_(None))
    )
    return {
        "gold": {
            key: {
                "expected": row.expected,
                "planted_wrong": row.planted_wrong,
                "step": row.step_kind,
                "distractor": None if row.subject is None else there[row.item_id].index(row.subject),
            }
            for key, row in rows
        },
        "waiting": [{"id": row.id, "created_by": row.created_by, "items": row.body} for row in waiting],
    }
