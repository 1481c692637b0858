"""What commands print when they have published an artifact."""

from __future__ import annotations

import json
from pathlib import Path

import typer


def say_written(out: Path, as_json: bool) -> None:
    """Print directory, kind and digest of an artifact."""
    from perceptlm.artifact import read_manifest

    manifest = read_manifest(out)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), "kind": manifest.kind, "digest": manifest.digest}))
    else:
        typer.echo(f"wrote {out} ({manifest.kind}, digest {manifest.digest[:12]})")
