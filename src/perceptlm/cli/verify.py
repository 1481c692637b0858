"""`plm verify DIR`: check an artifact against its manifest, and those it was made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def verify(
    directory: Annotated[Path, typer.Argument(help="An artifact that a plm command wrote.")],
    lineage: Annotated[bool, typer.Option(help="Also check the artifacts it was made from.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check digests and lineage of an artifact of any kind; print every problem, exit 1 if there is one."""
    from perceptlm import artifact

    manifest = artifact.read_manifest(directory)
    problems = artifact.verify(directory, lineage=lineage)
    if as_json:
        found = {
            "directory": str(directory),
            "kind": manifest.kind,
            "digest": manifest.digest,
            "num_files": len(manifest.outputs),
            "problems": problems,
        }
        typer.echo(json.dumps(found))
    elif problems:
        for problem in problems:
            typer.echo(problem)
    else:
        parts = f", {len(manifest.children)} parts" if manifest.children else ""
        typer.echo(
            f"{directory}: good ({manifest.kind}, {len(manifest.outputs)} files{parts}, digest {manifest.digest})"
        )
    if problems:
        raise typer.Exit(1)
