"""Routes of the audit log, and whether the server is well."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.bodies import AfterQuery, LimitQuery
from perceptlm.annotate.roles import Action, Role
from perceptlm.annotate.store import audit
from perceptlm.annotate.store.tables import AuditEvent, Membership

router = APIRouter()
_FIELDS = ("seq", "project_id", "at", "actor", "action", "subject", "body", "previous", "hash")


@guarded(router, "GET", "/audit", Action.READ_AUDIT)
def list_events(caller: CallerNow, server: ServerNow, after: AfterQuery = 0, limit: LimitQuery = 200) -> dict[str, Any]:
    """List events after a number: all for owners, those of their projects for auditors."""

    def look(session: Session) -> dict[str, Any]:
        statement = select(AuditEvent).where(AuditEvent.seq > after).order_by(AuditEvent.seq).limit(limit)
        if not caller.is_owner:
            mine = select(Membership.project_id).where(
                Membership.user_id == caller.user_id, Membership.role == Role.AUDITOR.value
            )
            statement = statement.where(AuditEvent.project_id.in_(mine))
        rows = list(session.scalars(statement))
        events = [{name: getattr(row, name) for name in _FIELDS} for row in rows]
        return {"events": events, "next": rows[-1].seq if len(rows) == limit else None}

    return server.database.read(look)


@guarded(router, "GET", "/audit/verify", Action.READ_AUDIT)
def verify(caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Check the whole log."""
    return server.database.read(audit.verify).to_dict()


@guarded(router, "GET", "/healthz", Action.PUBLIC_READ)
def health(server: ServerNow) -> dict[str, str]:
    """Say that the server and its database are there."""
    server.database.read(lambda session: session.execute(text("SELECT 1")).scalar_one())
    return {"status": "ok"}
