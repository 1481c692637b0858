"""The one place where an item changes its state: by the table of `life_cycle`, with its move and audit event."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import KEEPING, Event, State, next_state
from perceptlm.annotate.life_cycle import Actor as Mover
from perceptlm.annotate.refusals import NotFound
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.outbox import emit
from perceptlm.annotate.store.tables import Item, ItemMove


def locked_item(session: Session, item_id: int) -> Item:
    """Return an item, locked until the transaction ends; whoever changes an item or its steps holds this lock."""
    statement = (
        select(Item).where(Item.id == item_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    return session.execute(statement).scalar_one()


def item_of(session: Session, project_id: int, item_id: int) -> Item:
    """Return an item of a project; NotFound."""
    item = session.scalar(select(Item).where(Item.id == item_id, Item.project_id == project_id))
    if item is None:
        raise NotFound("no_such_item", f"there is no item {item_id} in this project")
    return item


def move(session: Session, item: Item, event: Event, mover: Mover, actor: Actor, *, reason: str | None = None) -> None:
    """Move a locked item; IllegalMove (409) where the table has no such move."""
    before = State(item.state)
    after = next_state(before, event, mover)
    item.state = after.value
    item.row_version += event not in KEEPING
    item.updated_at = now(session)
    session.add(
        ItemMove(
            item_id=item.id,
            event=event.value,
            from_state=before.value,
            to_state=after.value,
            reason=reason,
            user_id=actor.user_id,
            created_at=now(session),
        )
    )
    body = {"event": event.value, "from": before.value, "to": after.value, "reason": reason}
    append(session, actor, "item.move", f"item:{item.id}", body, item.project_id)
    emit(session, item.project_id, "item.moved", {"item": item.id, "key": item.key, **body})
