"""`plm annotate init`, `serve`, `backup` and `verify-log`: one server with its data in one directory. Only wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perceptlm.annotate.services.server import Server

Directory = Annotated[Path, typer.Argument(help="The data directory.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", envvar="PLM_ANNOTATE_DATABASE", help="PostgreSQL URL (default: SQLite in DIR)."),
]
PasswordVariable = Annotated[
    str, typer.Option("--password-env", help="Variable that holds the password; it is asked for where it is not set.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def init(
    directory: Directory,
    owner: Annotated[str, typer.Option("--owner", help="Name of the first owner.")] = "owner",
    pack: Annotated[
        str | None, typer.Option("--pack", help="Make a project of this pack, shipped or a directory.")
    ] = None,
    password_variable: PasswordVariable = "PLM_ANNOTATE_PASSWORD",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a data directory with a secret, a database and its first owner."""
    from perceptlm.annotate.directory import DataDirectory
    from perceptlm.annotate.services.pack_import import chosen_pack, import_pack
    from perceptlm.annotate.services.setup import add_first_owner
    from perceptlm.annotate.services.users import check_name, check_password

    chosen = None if pack is None else chosen_pack(pack)
    password = read_password(password_variable)
    check_name(owner)
    check_password(password, owner)
    DataDirectory.create(directory)
    server = open_server(directory, database)
    try:
        user_id = add_first_owner(server, owner, password)
        made = None if chosen is None else import_pack(server, chosen, owner)
    finally:
        server.close()
    found = {"directory": str(directory), "owner": owner, "user_id": user_id, "pack": made}
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"made {directory} with the owner '{owner}'")
    if made is not None:
        typer.echo(say_project(made))


def say_project(made: dict[str, Any]) -> str:
    """Return one line on what a project was made of."""
    return (
        f"project '{made['project']}': {made['num_assets']} clips and pictures, {made['num_items']} items; "
        f"{made['num_gold_proposed']} gold items wait for a second person to approve them"
    )


def serve(
    directory: Directory,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on.")] = 8030,
    database: DatabaseUrl = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="YAML file of settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the annotation tool until it is interrupted."""
    from perceptlm.annotate.serving import run_server

    server = open_server(directory, database, settings)
    try:
        run_server(
            server, host, port, lambda url: typer.echo(json.dumps({"url": url}) if as_json else f"serving {url}")
        )
    finally:
        server.close()


def backup(
    directory: Directory,
    out: Annotated[Path, typer.Option("--out", help="New directory to write the copy to.")],
    as_json: AsJson = False,
) -> None:
    """Copy a data directory with SQLite, also while it is served."""
    from perceptlm.annotate.backups import copy_directory

    num_files = copy_directory(directory, out)
    found = {"directory": str(out), "num_media": num_files}
    typer.echo(json.dumps(found) if as_json else f"wrote {out} ({num_files} media files)")


def verify_log(directory: Directory, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Check the audit log: every event follows from the one before, every submission is the one that was made."""
    from perceptlm.annotate.store.audit import verify
    from perceptlm.errors import ArtifactError

    server = open_server(directory, database)
    try:
        report = server.database.read(verify)
    finally:
        server.close()
    if as_json:
        typer.echo(json.dumps(report.to_dict()))
    elif report.is_intact:
        typer.echo(f"intact: {report.num_events} events, head {report.head[:12]}")
    if not report.is_intact:
        raise ArtifactError(f"{directory}: the audit log is broken at event {report.first_broken}: {report.problem}")


def open_server(directory: Path, database: str | None, settings: Path | None = None) -> Server:
    """Open the server of a data directory."""
    from perceptlm.annotate.directory import DataDirectory
    from perceptlm.annotate.services import server
    from perceptlm.annotate.settings import Settings
    from perceptlm.config import load_yaml

    found = None if settings is None else load_yaml(Settings, settings)
    return server.open_server(DataDirectory.open(directory), database_url=database, settings=found)


def read_password(variable: str) -> str:
    """Return a password from a variable of the environment, or ask for it; never from the command line."""
    import os

    found = os.environ.get(variable)
    return found if found is not None else str(typer.prompt("password", hide_input=True, confirmation_prompt=True))
