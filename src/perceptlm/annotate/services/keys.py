"""API keys of programs: each for some actions in one project, until it expires or is revoked. Only digests are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import ApiKey, Project
from perceptlm.annotate.tokens import KEY_PREFIX, new_token, token_digest


def create_key(
    session: Session,
    actor: Actor,
    created_by: int,
    project_id: int,
    title: str,
    scopes: list[str],
    expires_at: int | None,
) -> str:
    """Make an API key for some actions in one project and return it; only its digest is kept."""
    key = KEY_PREFIX + new_token()
    row = ApiKey(
        key_sha256=token_digest(key),
        project_id=project_id,
        title=title,
        scopes=scopes,
        created_by=created_by,
        created_at=now(session),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    append(session, actor, "key.create", f"key:{row.id}", {"title": title, "scopes": scopes}, project_id)
    return key


def find_key(session: Session, key: str) -> ApiKey | None:
    """Return the record of an API key that is neither expired nor revoked."""
    row = session.scalar(select(ApiKey).where(ApiKey.key_sha256 == token_digest(key), ApiKey.revoked_at.is_(None)))
    if row is None or (row.expires_at is not None and row.expires_at <= now(session)):
        return None
    return row


def list_keys(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the keys of a project, those that hold no more among them; never the keys themselves."""
    rows = session.scalars(select(ApiKey).where(ApiKey.project_id == project.id).order_by(ApiKey.id))
    return [_key_answer(row) for row in rows]


def revoke_key(session: Session, actor: Actor, project: Project, key_id: int, reason: str) -> dict[str, Any]:
    """End a key: whoever holds it is refused from now on. NotFound for one of another project; Conflict if it ended."""
    mine = select(ApiKey).where(ApiKey.id == key_id, ApiKey.project_id == project.id)
    row = session.scalar(mine.with_for_update(key_share=True))
    if row is None:
        raise NotFound("no_such_key", f"the project '{project.slug}' has no key {key_id}")
    if row.revoked_at is not None:
        raise Conflict("already_revoked", "the key was revoked before")
    row.revoked_at = now(session)
    append(session, actor, "key.revoke", f"key:{row.id}", {"title": row.title, "reason": reason}, project.id)
    return _key_answer(row)


def _key_answer(row: ApiKey) -> dict[str, Any]:
    names = ("id", "title", "scopes", "created_by", "created_at", "expires_at", "revoked_at")
    return {name: getattr(row, name) for name in names}
