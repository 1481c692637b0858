"""`plm reproduce DIR`: make an artifact again from its own record and compare byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    directory: Annotated[Path, typer.Argument(help="An artifact that a plm command wrote.")],
    work: Annotated[Path | None, typer.Option(help="Where to make it again (default: beside it).")] = None,
    keep: Annotated[bool, typer.Option(help="Keep the new copy even if it is equal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made again, and stop.")] = False,
) -> None:
    """Make an artifact again from its recipe, seeds and inputs, and compare every digested byte."""
    from perceptlm.artifact import read_manifest
    from perceptlm.workflow import reproduce as workflow

    if dry_run:
        manifest = read_manifest(directory)
        typer.echo(f"would make again: {manifest.kind}, recipe {manifest.recipe_digest[:12]}, seeds {manifest.seeds}")
        return
    result = workflow.reproduce(directory, work=work, keep=keep)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "directory": str(directory),
                    "kind": result.kind,
                    "equal": result.equal,
                    "digest": result.digest,
                    "new_digest": result.new_digest,
                    "num_files": result.num_files,
                    "differences": result.differences,
                    "notes": result.notes,
                }
            )
        )
    elif result.equal:
        typer.echo(f"{directory}: reproduced, {result.num_files} files equal byte for byte (digest {result.digest})")
    else:
        typer.echo(f"{directory}: differs in {len(result.differences)} files:")
        for line in (*result.differences[:20], *result.notes):
            typer.echo(f"  {line}")
    if not result.equal:
        raise typer.Exit(1)
