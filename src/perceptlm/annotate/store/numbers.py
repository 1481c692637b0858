"""Running numbers that only grow: positions in queues and fences of leases. Each is one row, changed under its lock."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from perceptlm.annotate.store.audit import locked_head
from perceptlm.annotate.store.tables import Counter

POSITION, FENCE = "position", "fence"


def take_numbers(session: Session, name: str, count: int = 1) -> int:
    """Return the first of `count` numbers that nobody else gets."""
    session.flush()
    locked_head(session)
    statement = update(Counter).where(Counter.name == name).values(value=Counter.value + count)
    last = session.execute(statement.returning(Counter.value), execution_options={"synchronize_session": False})
    return int(last.scalar_one()) - count + 1
