"""People: made by an owner, never by themselves. Credentials with evidence and expiry."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.plain_text import NAME_PATTERN
from perceptlm.annotate.refusals import Conflict, Invalid, NotFound
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Credential, LoginSession, Membership, User
from perceptlm.annotate.tokens import MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS, hash_password


def check_password(password: str, name: str) -> None:
    """Raise Invalid for a password that is too short, too long, or the name itself."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS or password.lower() == name.lower():
        raise Invalid(
            "weak_password",
            f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters and is not the name",
            field="password",
        )


def check_name(name: str) -> None:
    """Raise Invalid for a name that no request could name."""
    if re.fullmatch(NAME_PATTERN, name) is None:
        said = "1 to 63 letters, digits and _ . @ -, of which the first is a letter or digit"
        raise Invalid("bad_name", f"'{name}' is no name of a person: {said}", field="name")


def create_user(
    session: Session,
    actor: Actor,
    name: str,
    password_hash: str,
    *,
    display_name: str | None = None,
    is_owner: bool = False,
) -> User:
    """Add a person; Invalid for a bad name, Conflict if it is taken.

    The hash is made before the transaction, since it takes long.
    """
    check_name(name)
    if session.scalar(select(User.id).where(User.name == name)) is not None:
        raise Conflict("name_taken", f"there is a user '{name}' already", field="name")
    user = User(
        name=name,
        display_name=display_name or name,
        password_hash=password_hash,
        is_owner=is_owner,
        created_at=now(session),
    )
    session.add(user)
    session.flush()
    append(session, actor, "user.create", f"user:{user.id}", {"name": name, "is_owner": is_owner})
    return user


def set_password(session: Session, actor: Actor, name: str, password_hash: str) -> None:
    """Change a password and end all logins of the person."""
    user = user_named(session, name)
    user.password_hash = password_hash
    session.query(LoginSession).filter(LoginSession.user_id == user.id).delete()
    append(session, actor, "user.password", f"user:{user.id}", {})


def user_named(session: Session, name: str) -> User:
    """Return a person by name; NotFound."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound("no_such_user", f"there is no user '{name}'", field="user")
    return user


def owner_named(session: Session, name: str) -> User:
    """Return an owner by name; NotFound, or Invalid for anybody else."""
    user = user_named(session, name)
    if not user.is_owner or user.disabled_at is not None:
        raise Invalid("no_owner", f"'{name}' is no owner of this server", field="owner")
    return user


def user_answer(user: User) -> dict[str, Any]:
    """Return what the interface says of a person."""
    return {"id": user.id, "name": user.name, "display_name": user.display_name, "is_owner": user.is_owner}


def add_credential(
    session: Session, actor: Actor, user_id: int, domain: str, level: str, evidence_sha256: str, expires_at: int
) -> Credential:
    """Record that somebody else has verified a person's qualification; Conflict if it is one's own."""
    if session.get(User, user_id) is None:
        raise NotFound("no_such_user", f"there is no user {user_id}")
    if actor.user_id is None or actor.user_id == user_id:
        raise Conflict("own_credential", "a credential is verified by another person than its holder")
    if expires_at <= now(session):
        raise Invalid("already_expired", "the credential has expired already", field="expires_at")
    same = select(Credential.id).where(
        Credential.user_id == user_id, Credential.domain == domain, Credential.evidence_sha256 == evidence_sha256
    )
    if session.scalar(same) is not None:
        raise Conflict("credential_known", "this evidence is recorded already for this person and domain")
    row = Credential(
        user_id=user_id,
        domain=domain,
        level=level,
        evidence_sha256=evidence_sha256,
        verified_by=actor.user_id,
        created_at=now(session),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    body = {"domain": domain, "level": level, "evidence_sha256": evidence_sha256, "expires_at": expires_at}
    append(session, actor, "credential.create", f"user:{user_id}", {"credential": row.id, **body})
    return row


def credential_answer(row: Credential) -> dict[str, Any]:
    """Return what the interface says of a credential."""
    names = ("id", "domain", "level", "evidence_sha256", "verified_by", "created_at", "expires_at", "revoked_at")
    return {name: getattr(row, name) for name in names}


def list_credentials(session: Session, caller: Caller, user_id: int) -> list[dict[str, Any]]:
    """Return the credentials of a person; auditors see those of people in the projects they audit. NotFound."""
    if not caller.is_owner and not _audits(session, caller, user_id):
        raise NotFound("no_such_user", f"there is no user {user_id} in a project of yours")
    rows = session.scalars(select(Credential).where(Credential.user_id == user_id).order_by(Credential.id))
    return [credential_answer(row) for row in rows]


def _audits(session: Session, caller: Caller, user_id: int) -> bool:
    audited = select(Membership.project_id).where(
        Membership.user_id == caller.user_id, Membership.role == Role.AUDITOR.value
    )
    statement = select(Membership.user_id).where(Membership.user_id == user_id, Membership.project_id.in_(audited))
    return session.scalar(statement.limit(1)) is not None


def valid_domains(session: Session, user_id: int) -> list[str]:
    """Return the domains in which the person holds a credential that is neither expired nor revoked."""
    statement = select(Credential.domain).where(
        Credential.user_id == user_id, Credential.expires_at > now(session), Credential.revoked_at.is_(None)
    )
    return sorted(set(session.scalars(statement)))


def hashed(password: str, name: str, settings: Settings) -> str:
    """Check a new password and return its hash."""
    check_password(password, name)
    return hash_password(password, settings)
