"""`plm annotate packs`, `pack check|draw` and `project-add`: packs, and projects of them. Only wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perceptlm.cli.annotate_serve import DatabaseUrl, Directory, open_server, say_project

if TYPE_CHECKING:
    from perceptlm.annotate.packs.load import Pack

pack = typer.Typer(help="Check a domain pack, and draw its clips.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def packs(as_json: AsJson = False) -> None:
    """List the domain packs that ship."""
    from perceptlm.annotate.packs.load import find_pack, load_pack, shipped_packs

    found = [_counts(load_pack(find_pack(name))) for name in shipped_packs()]
    if as_json:
        typer.echo(json.dumps({"packs": found}))
        return
    for entry in found:
        typer.echo(f"{entry['id']}  {entry['version']}  {entry['title']}")
        typer.echo(f"    {_say(entry)}")


@pack.command()
def check(directory: Annotated[Path, typer.Argument(help="The pack's directory.")], as_json: AsJson = False) -> None:
    """Read every file of a pack, and say what is wrong first: file, line, field and what to do."""
    from perceptlm.annotate.packs.load import load_pack

    found = _counts(load_pack(directory))
    typer.echo(
        json.dumps(found) if as_json else f"{directory}: {found['id']} {found['version']} is sound; {_say(found)}"
    )


@pack.command()
def draw(
    name: Annotated[str, typer.Argument(help="A pack that ships, or the directory of one.")],
    directory: Annotated[Path, typer.Argument(help="Where to write it; must not be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write a pack with all its clips drawn, as a project gets it."""
    from perceptlm.annotate.packs.load import find_pack, load_pack
    from perceptlm.annotate.packs.prepare import prepare_pack

    made = prepare_pack(load_pack(find_pack(name)), directory)
    found = {"directory": str(directory), "digest": made.digest, "num_assets": len(made.assets)}
    typer.echo(
        json.dumps(found) if as_json else f"wrote {directory} ({len(made.assets)} clips, digest {made.digest[:12]})"
    )


def project_add(
    directory: Directory,
    name: Annotated[str, typer.Argument(help="A pack that ships, or the directory of one.")],
    owner: Annotated[str, typer.Option("--owner", help="The owner in whose name it is made.")],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a project of a pack, with its clips, items and gold, in a data directory that is there."""
    from perceptlm.annotate.services.pack_import import chosen_pack, import_pack

    chosen = chosen_pack(name)
    server = open_server(directory, database)
    try:
        made = import_pack(server, chosen, owner)
    finally:
        server.close()
    typer.echo(json.dumps(made) if as_json else say_project(made))


def _counts(found: Pack) -> dict[str, Any]:
    return {
        "id": found.file.id,
        "title": found.file.title,
        "version": found.file.version,
        "licence": found.file.licence,
        "num_items": len(found.items),
        "num_gold": len(found.gold),
        "num_calibration": len(found.calibration),
        "num_clips": len(found.scenes) + len(found.media),
        "domains": [node.id for node in found.file.domain_nodes()],
    }


def _say(entry: dict[str, Any]) -> str:
    return (
        f"{entry['num_items']} items, {entry['num_gold']} gold, {entry['num_calibration']} for calibration, "
        f"{entry['num_clips']} clips; {entry['licence']}"
    )
