"""The one place where an item changes its state: by the table of `life_cycle`, with its move and audit event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import KEEPING, Event, State, next_state
from perceptlm.annotate.life_cycle import Actor as Mover
from perceptlm.annotate.refusals import NotFound
from perceptlm.annotate.store.audit import Actor, Entry, append_all
from perceptlm.annotate.store.database import insert_all, now
from perceptlm.annotate.store.outbox import emit_all
from perceptlm.annotate.store.tables import Item, ItemMove


def locked_item(session: Session, item_id: int) -> Item:
    """Return an item, locked until the transaction ends; whoever changes an item or its steps holds this lock."""
    (item,) = locked_items(session, [item_id])
    return item


def locked_items(session: Session, item_ids: Iterable[int]) -> list[Item]:
    """Return items as they are now, locked by their ids."""
    statement = select(Item).where(Item.id.in_(list(item_ids))).order_by(Item.id).with_for_update(key_share=True)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def item_of(session: Session, project_id: int, item_id: int) -> Item:
    """Return an item of a project; NotFound."""
    item = session.scalar(select(Item).where(Item.id == item_id, Item.project_id == project_id))
    if item is None:
        raise NotFound("no_such_item", f"there is no item {item_id} in this project")
    return item


def move(session: Session, item: Item, event: Event, mover: Mover, actor: Actor, *, reason: str | None = None) -> None:
    """Move a locked item; IllegalMove (409) where the table has no such move."""
    moved = change(session, item, event, mover, actor, reason=reason)
    write_moves(session, item.project_id, actor, [moved], [moved.entry])


@dataclass(frozen=True)
class Moved:
    """A move that was made and is to be written: as a row, as an event of the log, and to webhooks."""

    item: Item
    row: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """What the log says of it."""
        names = {"event": "event", "from": "from_state", "to": "to_state", "reason": "reason"}
        return {said: self.row[name] for said, name in names.items()}

    @property
    def entry(self) -> Entry:
        """The event of the log."""
        return Entry("item.move", f"item:{self.item.id}", self.body)


def change(
    session: Session, item: Item, event: Event, mover: Mover, actor: Actor, *, reason: str | None = None
) -> Moved:
    """Make a move without writing it; IllegalMove (409) where the table has no such move."""
    before = State(item.state)
    after = next_state(before, event, mover)
    item.state = after.value
    item.row_version += event not in KEEPING
    item.updated_at = now(session)
    row = {
        "item_id": item.id,
        "event": event.value,
        "from_state": before.value,
        "to_state": after.value,
        "reason": reason,
        "user_id": actor.user_id,
        "created_at": item.updated_at,
    }
    return Moved(item, row)


def write_moves(
    session: Session, project_id: int, actor: Actor, moves: Sequence[Moved], entries: Sequence[Entry]
) -> None:
    """Write moves of items of a project with `entries`, the events of the log that hold theirs; none is nothing."""
    if not moves:
        return
    insert_all(session, ItemMove, [moved.row for moved in moves])
    append_all(session, actor, entries, project_id)
    told = [{"item": moved.item.id, "key": moved.item.key, **moved.body} for moved in moves]
    emit_all(session, project_id, "item.moved", told)
