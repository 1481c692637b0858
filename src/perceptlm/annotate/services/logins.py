"""Signing in and out: sessions kept by the server, failures counted by name and by address."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import TooMany
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import LoginFailure, LoginSession, User
from perceptlm.annotate.tokens import is_password, new_token, nobodys_hash, token_digest


@dataclass(frozen=True)
class Login:
    """A signed-in person."""

    user_id: int
    is_owner: bool
    expires_at: int


def sign_in(server: Server, name: str, password: str, address: str) -> tuple[User, str, int] | None:
    """Return user, new token and its end; None if name and password do not fit. TooMany after too many failures, and
    where too many sign in at this moment.

    The password is checked between two transactions: it takes long on purpose, and nobody should wait for it. Few are
    checked at a time, or a flood of them would take all memory and all threads.
    """
    if not server.waiting.acquire(blocking=False):
        raise TooMany("logins_busy", "too many people sign in at this moment", hint="try again in a second")
    try:
        with server.checking:
            return _sign_in(server, name, password, address)
    finally:
        server.waiting.release()


def _sign_in(server: Server, name: str, password: str, address: str) -> tuple[User, str, int] | None:
    database, settings = server.database, server.settings
    keys = [f"name:{name.lower()}", f"address:{address}"]

    def look(session: Session) -> User | None:
        _check_failures(session, settings, keys)
        return session.scalar(select(User).where(User.name == name))

    user = database.read(look)
    hashed = user.password_hash if user is not None else nobodys_hash(settings)
    fits = is_password(password, hashed, settings)
    if user is None or not fits or user.disabled_at is not None:
        database.write(lambda session: _count_failure(session, settings, keys))
        return None
    token = new_token()
    found = user

    def enter(session: Session) -> int:
        session.execute(delete(LoginFailure).where(LoginFailure.key == keys[0]))
        session.execute(delete(LoginSession).where(LoginSession.expires_at <= now(session)))
        expires_at = now(session) + settings.session_seconds * 1000
        row = LoginSession(
            token_sha256=token_digest(token), user_id=found.id, created_at=now(session), expires_at=expires_at
        )
        session.add(row)
        append(session, Actor.user(found.id), "session.create", f"user:{found.id}", {})
        return expires_at

    return user, token, database.write(enter)


def sign_out(session: Session, token: str) -> None:
    """End a session; one that is not there is no error."""
    session.execute(delete(LoginSession).where(LoginSession.token_sha256 == token_digest(token)))


def find_login(session: Session, token: str) -> Login | None:
    """Return who holds a session token; None if it is unknown, expired, or the person was disabled."""
    statement = (
        select(User.id, User.is_owner, LoginSession.expires_at)
        .join(User, User.id == LoginSession.user_id)
        .where(
            LoginSession.token_sha256 == token_digest(token),
            LoginSession.expires_at > now(session),
            User.disabled_at.is_(None),
        )
    )
    row = session.execute(statement).one_or_none()
    return None if row is None else Login(*row)


def _check_failures(session: Session, settings: Settings, keys: list[str]) -> None:
    since = now(session) - settings.login_window_seconds * 1000
    for row in session.scalars(select(LoginFailure).where(LoginFailure.key.in_(keys))):
        # An address is shared by many people; a name is one.
        most = settings.login_failures * (1 if row.key.startswith("name:") else 10)
        # Failures from after now are from before the clock was put back: nobody waits for it to catch up.
        if since < row.window_start <= now(session) and row.num_failures >= most:
            raise TooMany(
                "too_many_logins",
                "signing in failed too often",
                hint=f"wait {settings.login_window_seconds} seconds",
            )


def _count_failure(session: Session, settings: Settings, keys: list[str]) -> None:
    since = now(session) - settings.login_window_seconds * 1000
    over = or_(LoginFailure.window_start <= since, LoginFailure.window_start > now(session))
    session.execute(delete(LoginFailure).where(over))
    for key in keys:
        row = session.scalar(select(LoginFailure).where(LoginFailure.key == key[:200]).with_for_update(key_share=True))
        if row is None:
            session.add(LoginFailure(key=key[:200], window_start=now(session), num_failures=1))
        else:
            row.num_failures += 1
    session.flush()
