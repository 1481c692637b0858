"""Sends what is in the outbox: signed, with retries that come later and later, each attempt noted.

A delivery is claimed before it is sent, by moving its time on: a worker that dies in between leaves it to the next one.
Whoever receives may therefore see an event twice, and tells by its id. The signature is `sha256=` and the HMAC of
timestamp, a dot, and the body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.egress import EgressRefused, post
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Delivery, OutboxEvent, Project, Webhook
from perceptlm.annotate.tokens import derived
from perceptlm.config import canonical_json

FIRST_PAUSE_MS = 10_000
CLAIM_MS = 60_000
ROUND_SECONDS = 30
"""How long one round may take: the worker has other things to do as well, however slow the receivers are."""
Send = Callable[[str, bytes, dict[str, str], Settings], int]


@dataclass(frozen=True)
class Claimed:
    """A delivery that is about to be tried."""

    delivery_id: int
    webhook_id: int
    url: str
    body: bytes


def signing_key(secret: bytes, webhook_id: int) -> str:
    """Return the key of a webhook, shown once when it is made; derived, so that it is stored nowhere."""
    return derived(secret, "webhook", str(webhook_id))


def signature(key: str, timestamp_ms: int, body: bytes) -> str:
    """Return the value of the header X-PLM-Signature."""
    digest = hmac.new(key.encode(), f"{timestamp_ms}.".encode() + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def deliver_due(server: Server, send: Send = post, *, most: int = 100) -> int:
    """Try the deliveries that are due, at most `most`, and return how many succeeded."""
    num_delivered, began = 0, monotonic()
    for _ in range(most):
        if monotonic() - began > ROUND_SECONDS:
            break
        claimed = server.database.write(_claim)
        if claimed is None:
            break
        num_delivered += _try(server, claimed, send)
    return num_delivered


def _claim(session: Session) -> Claimed | None:
    row = session.scalar(
        select(Delivery)
        .where(Delivery.state == "pending", Delivery.next_at <= now(session))
        .order_by(Delivery.next_at)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if row is None:
        return None
    row.next_at = now(session) + CLAIM_MS
    row.num_attempts += 1
    event = session.get_one(OutboxEvent, row.outbox_event_id)
    hook = session.get_one(Webhook, row.webhook_id)
    slug = session.get_one(Project, event.project_id).slug
    body = {"id": event.id, "event": event.event, "project": slug, "created_at": event.created_at, "data": event.body}
    return Claimed(row.id, hook.id, hook.url, canonical_json(body).encode())


def _try(server: Server, claimed: Claimed, send: Send) -> bool:
    timestamp = server.database.clock.now_ms()
    headers = {
        "Content-Type": "application/json",
        "X-PLM-Timestamp": str(timestamp),
        "X-PLM-Signature": signature(signing_key(server.secret, claimed.webhook_id), timestamp, claimed.body),
    }
    problem: str | None = None
    try:
        send(claimed.url, claimed.body, headers, server.settings)
    except EgressRefused as error:
        problem = error.message

    def note(session: Session) -> None:
        row = session.get_one(Delivery, claimed.delivery_id)
        row.last_error = problem
        if problem is None:
            row.state, row.delivered_at = "delivered", now(session)
        elif row.num_attempts >= server.settings.delivery_attempts:
            row.state = "failed"
        else:
            row.next_at = now(session) + FIRST_PAUSE_MS * 2 ** (row.num_attempts - 1)

    server.database.write(note)
    return problem is None
