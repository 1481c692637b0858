"""`plm annotate user-add`, `user-password`, `user-disable`, `member`, `member-remove`, `credential-revoke`, `key-add`,
`keys`, `key-revoke`: accounts, without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from perceptlm.cli.annotate_serve import AsJson, DatabaseUrl, Directory, PasswordVariable, open_server, read_password

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from perceptlm.annotate.services.server import Server

T = TypeVar("T")
Name = Annotated[str, typer.Argument(help="Name of the person.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log.")]
ProjectName = Annotated[str, typer.Option("--project", help="Slug of the project.")]


def user_add(
    directory: Directory,
    name: Name,
    owner: Annotated[bool, typer.Option("--owner", help="Make the person an owner of the server.")] = False,
    password_variable: PasswordVariable = "PLM_ANNOTATE_PASSWORD",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a person."""
    from perceptlm.annotate.services.setup import add_user

    password = read_password(password_variable)
    user_id = _with_server(directory, database, lambda server: add_user(server, name, password, is_owner=owner))
    typer.echo(json.dumps({"user_id": user_id, "name": name}) if as_json else f"added '{name}' (user {user_id})")


def user_password(
    directory: Directory,
    name: Name,
    password_variable: PasswordVariable = "PLM_ANNOTATE_PASSWORD",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a person's password and end their sessions."""
    from perceptlm.annotate.services.setup import change_password

    password = read_password(password_variable)
    _with_server(directory, database, lambda server: change_password(server, name, password))
    typer.echo(json.dumps({"name": name}) if as_json else f"changed the password of '{name}'")


def user_disable(directory: Directory, name: Name, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Keep a person from signing in, and end their leases; what they did stays."""
    from perceptlm.annotate.services.revocations import disable_user
    from perceptlm.annotate.store.audit import SERVER

    answer = _with_server(directory, database, lambda server: disable_user(server.database, SERVER, name))
    typer.echo(json.dumps(answer) if as_json else f"disabled '{name}'; {answer['num_leases_ended']} leases ended")


def member(
    directory: Directory,
    name: Name,
    role: Annotated[str, typer.Argument(help="manager, annotator, verifier, expert or auditor.")],
    project: ProjectName,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a person a role in a project."""
    from perceptlm.annotate.services.callers import Caller
    from perceptlm.annotate.services.projects import project_named
    from perceptlm.annotate.services.revocations import give_role

    def work(server: Server) -> dict[str, object]:
        project_id = server.database.read(lambda session: project_named(session, project).id)
        return give_role(server.database, Caller(None), project_id, name, role)

    found = _with_server(directory, database, work)
    typer.echo(json.dumps(found) if as_json else f"'{name}' is {role} of '{project}'")


def member_remove(
    directory: Directory,
    name: Name,
    project: ProjectName,
    reason: Reason,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take a person out of a project: their leases end, what they submitted stays."""
    from perceptlm.annotate.services.projects import project_named
    from perceptlm.annotate.services.revocations import remove_member
    from perceptlm.annotate.services.users import user_named
    from perceptlm.annotate.store.audit import SERVER

    def work(server: Server) -> dict[str, object]:
        place = server.database.read(lambda session: (project_named(session, project).id, user_named(session, name).id))
        return remove_member(server.database, SERVER, *place, reason)

    found = _with_server(directory, database, work)
    ended = f"{found['num_leases_ended']} leases ended"
    typer.echo(json.dumps(found) if as_json else f"'{name}' is no member of '{project}' any more; {ended}")


def credential_revoke(
    directory: Directory,
    number: Annotated[int, typer.Argument(min=1, help="The credential, by its id.")],
    reason: Reason,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End an expert's credential, and the leases that rest on it."""
    from perceptlm.annotate.services.revocations import revoke_credential
    from perceptlm.annotate.store.audit import SERVER

    found = _with_server(directory, database, lambda server: revoke_credential(server.database, SERVER, number, reason))
    said = f"revoked credential {number} for '{found['domain']}' of user {found['user_id']}"
    typer.echo(json.dumps(found) if as_json else f"{said}; {found['num_leases_ended']} leases ended")


def key_add(
    directory: Directory,
    title: Annotated[str, typer.Argument(help="What the key is for.")],
    project: ProjectName,
    scopes: Annotated[
        list[str], typer.Option("--scope", help="An action it is for, as items.create; may be repeated.")
    ],
    owner: Annotated[str, typer.Option("--owner", help="The owner in whose name it is made.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Days it is valid.")] = 90,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key for a program; it is shown once."""
    from perceptlm.annotate.services.setup import add_key

    key = _with_server(directory, database, lambda server: add_key(server, owner, project, title, scopes, days))
    typer.echo(json.dumps({"key": key}) if as_json else key)


def keys(directory: Directory, project: ProjectName, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the API keys of a project; the keys themselves are not kept."""
    from perceptlm.annotate.services.keys import list_keys
    from perceptlm.annotate.services.projects import project_named

    found = _write(directory, database, lambda session: list_keys(session, project_named(session, project)))
    if as_json:
        typer.echo(json.dumps({"keys": found}))
        return
    for entry in found:
        ended = " (revoked)" if entry["revoked_at"] is not None else ""
        typer.echo(f"{entry['id']}  {entry['title']}{ended}  {', '.join(entry['scopes'])}")


def key_revoke(
    directory: Directory,
    number: Annotated[int, typer.Argument(min=1, help="The key, by the id that `keys` shows.")],
    project: ProjectName,
    reason: Reason,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End an API key: whoever holds it is refused from now on."""
    from perceptlm.annotate.services.keys import revoke_key
    from perceptlm.annotate.services.projects import project_named
    from perceptlm.annotate.store.audit import SERVER

    def work(session: Session) -> dict[str, object]:
        return revoke_key(session, SERVER, project_named(session, project), number, reason)

    found = _write(directory, database, work)
    typer.echo(json.dumps(found) if as_json else f"revoked key {number} ('{found['title']}')")


def _with_server(directory: Path, database: str | None, work: Callable[[Server], T]) -> T:
    server = open_server(directory, database)
    try:
        return work(server)
    finally:
        server.close()


def _write(directory: Path, database: str | None, work: Callable[[Session], T]) -> T:
    return _with_server(directory, database, lambda server: server.database.write(work))
