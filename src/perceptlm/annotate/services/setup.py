"""What the command line does with accounts and keys: each in one transaction, logged as done by the server."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict, Invalid
from perceptlm.annotate.roles import PERMISSIONS, Action, Role
from perceptlm.annotate.services.keys import create_key
from perceptlm.annotate.services.projects import project_named
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.services.users import create_user, hashed, owner_named, set_password
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import User

DAY_MS = 86_400_000
SERVICE_ACTIONS = sorted(action.value for action, (_, roles) in PERMISSIONS.items() if Role.SERVICE in roles)


def add_first_owner(server: Server, name: str, password: str) -> int:
    """Add the first owner and return their id; Conflict where there are people already."""
    digest = hashed(password, name, server.settings)

    def work(session: Session) -> int:
        if session.scalar(select(User.id).limit(1)) is not None:
            raise Conflict("has_people", "the directory has people already", hint="plm annotate user-add")
        return create_user(session, SERVER, name, digest, is_owner=True).id

    return server.database.write(work)


def add_user(server: Server, name: str, password: str, *, is_owner: bool = False) -> int:
    """Add a person and return their id."""
    digest = hashed(password, name, server.settings)
    return server.database.write(lambda session: create_user(session, SERVER, name, digest, is_owner=is_owner).id)


def change_password(server: Server, name: str, password: str) -> None:
    """Change a password."""
    digest = hashed(password, name, server.settings)
    server.database.write(lambda session: set_password(session, SERVER, name, digest))


def add_key(server: Server, owner: str, project: str, title: str, scopes: list[str], days: int) -> str:
    """Make an API key and return it; Invalid for actions that keys are not for, and for who is no owner."""
    for scope in scopes:
        if scope not in SERVICE_ACTIONS:
            raise Invalid("no_such_scope", f"keys are not for '{scope}'", hint=", ".join(SERVICE_ACTIONS))
    assert set(scopes) <= {action.value for action in Action}

    def work(session: Session) -> str:
        created_by = owner_named(session, owner).id
        expires_at = now(session) + days * DAY_MS
        return create_key(session, SERVER, created_by, project_named(session, project).id, title, scopes, expires_at)

    return server.database.write(work)
