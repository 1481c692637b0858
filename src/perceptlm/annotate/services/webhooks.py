"""Webhooks of a project: where to tell of events. Addresses are checked when made and at each sending."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from perceptlm.annotate.deliveries import signing_key
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Delivery, Project, Webhook


def add_webhook(
    session: Session, caller: Caller, project: Project, url: str, events: list[str], secret: bytes
) -> dict[str, Any]:
    """Record a webhook and return it with its signing key, which is not shown again."""
    row = Webhook(project_id=project.id, url=url, events=events, created_by=caller.person(), created_at=now(session))
    session.add(row)
    session.flush()
    append(session, caller.actor, "webhook.create", f"webhook:{row.id}", {"url": url, "events": events}, project.id)
    return {"id": row.id, "url": url, "events": events, "signing_key": signing_key(secret, row.id)}


def list_webhooks(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the webhooks of a project with how many deliveries are in which state, and the last error."""
    found = []
    for row in session.scalars(select(Webhook).where(Webhook.project_id == project.id).order_by(Webhook.id)):
        counts = session.execute(
            select(Delivery.state, func.count()).where(Delivery.webhook_id == row.id).group_by(Delivery.state)
        )
        last = select(Delivery.last_error).where(Delivery.webhook_id == row.id, Delivery.last_error.is_not(None))
        found.append(
            {
                "id": row.id,
                "url": row.url,
                "events": row.events,
                "deliveries": {str(state): int(count) for state, count in counts},
                "last_error": session.scalar(last.order_by(Delivery.id.desc()).limit(1)),
            }
        )
    return found
