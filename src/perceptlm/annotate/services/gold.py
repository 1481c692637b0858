"""Gold: items whose answer is known. Proposed by one person, in force once another approves.

Approving makes the item a repeated one: everybody may be given it, in between ordinary work. That an item is repeated
says nothing of gold to whoever sees it. Everything here needs a transaction opened for gold (`store.gold_guard`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict, Invalid, NotFound
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.steps import REPEATED_SLOTS, lane_of, lock_work, steps_of, update_lane
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import GoldChange, GoldItem, Item, Project
from perceptlm.config import digest_of


def propose_gold(session: Session, caller: Caller, project: Project, body: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Record a proposed change of gold; it has no effect before it is approved."""
    for key, entry in sorted(body.items()):
        item = session.scalar(select(Item).where(Item.project_id == project.id, Item.key == key))
        if item is None:
            raise Invalid("no_such_item", f"there is no item '{key}' in this project", field=key)
        _check_expected(item, entry["expected"], f"{key}.expected.choice")
    row = GoldChange(project_id=project.id, body=body, created_by=caller.person(), created_at=now(session))
    session.add(row)
    session.flush()
    logged = {"change": row.id, "sha256": digest_of(body), "num_items": len(body)}
    append(session, caller.actor, "gold.propose", f"gold:{row.id}", logged, project.id)
    return {"id": row.id, "num_items": len(body), "state": "proposed"}


def _check_expected(item: Item, expected: dict[str, Any], field: str) -> None:
    """Raise Invalid for a choice that is none of the item's options: the quality engine counts with it."""
    choice, num_options = expected.get("choice"), len(item.options or ())
    is_place = isinstance(choice, int) and not isinstance(choice, bool) and 0 <= choice < num_options
    if ("choice" in expected or item.first_step == "choice") and not is_place:
        raise Invalid("invalid_gold", f"a choice is a number from 0 to {num_options - 1}", field=field)


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
    item_id = session.execute(select(Item.id).where(Item.project_id == project.id, Item.key == key)).scalar_one()
    item = locked_item(session, item_id)
    if item.state != "open":
        raise Conflict("gold_not_open", f"the item '{key}' is {item.state}; gold is made of items that are open")
    row = session.get(GoldItem, item.id)
    if row is None:
        row = GoldItem(item_id=item.id, project_id=project.id)
        session.add(row)
    row.expected, row.planted_wrong, row.change_id = entry["expected"], entry["planted_wrong"], change.id
    item.is_repeated = True
    for step in steps_of(session, item):
        step.home_lane, step.num_slots, step.lane = lane_of(item, step.kind, None), REPEATED_SLOTS, None
        update_lane(session, step)
    session.flush()


def list_gold(session: Session, project: Project) -> dict[str, Any]:
    """Return the gold in force, and what waits for approval."""
    rows = session.execute(
        select(Item.key, GoldItem.expected, GoldItem.planted_wrong)
        .join(Item, Item.id == GoldItem.item_id)
        .where(GoldItem.project_id == project.id)
        .order_by(Item.key)
    )
    waiting = session.scalars(
        select(GoldChange).where(GoldChange.project_id == project.id, GoldChange.approved_at.is_(None))
    )
    return {
        "gold": {key: {"expected": expected, "planted_wrong": planted} for key, expected, planted in rows},
        "waiting": [{"id": row.id, "created_by": row.created_by, "items": row.body} for row in waiting],
    }
