"""`plm trace`: the life of one Sample, stage by stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def trace(
    world: Annotated[Path, typer.Option("--data", help="A world artifact.")] = Path("out/demo/world"),
    model: Annotated[Path, typer.Option(help="A checkpoint.")] = Path("out/demo/sft"),
    out: Annotated[Path, typer.Option(help="Folder for the files and life.md.")] = Path("out/trace"),
    sample: Annotated[str | None, typer.Option(help="Sample id (default: the first RTLoc record).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Follow one Sample from its record to its answer, and keep the files and tensors of every step."""
    from perceptlm.workflow.trace import trace as run

    folder = run(out, world=world, model=model, sample_id=sample)
    files = sorted(path.name for path in folder.iterdir())
    typer.echo(json.dumps({"directory": str(folder), "files": files}) if as_json else f"wrote {folder / 'life.md'}")
