"""The outbox: what webhooks are told, written in the transaction that made it so. `annotate.deliveries` sends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Delivery, OutboxEvent, Webhook


def emit(session: Session, project_id: int, event: str, body: dict[str, Any]) -> None:
    """Note an event for every webhook of the project that wants it; without one nothing is written."""
    emit_all(session, project_id, event, [body])


def emit_all(session: Session, project_id: int, event: str, bodies: Sequence[dict[str, Any]]) -> None:
    """Note events of one kind, in their order."""
    hooks = session.execute(
        select(Webhook.id, Webhook.events).where(Webhook.project_id == project_id, Webhook.disabled_at.is_(None))
    ).all()
    wanted = [hook_id for hook_id, events in hooks if event in events]
    if not wanted:
        return
    time = now(session)
    rows = [OutboxEvent(project_id=project_id, event=event, body=body, created_at=time) for body in bodies]
    session.add_all(rows)
    session.flush()
    session.add_all(
        Delivery(outbox_event_id=row.id, webhook_id=hook_id, state="pending", num_attempts=0, next_at=time)
        for row in rows
        for hook_id in wanted
    )
