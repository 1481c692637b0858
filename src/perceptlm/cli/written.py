"""What commands print when they have published an artifact, or say what it would take to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from perceptlm.train.configuration import StageConfig
    from perceptlm.train.forecast import Forecast


def say_written(out: Path, as_json: bool) -> None:
    """Print directory, kind and digest of an artifact."""
    from perceptlm.artifact import read_manifest

    manifest = read_manifest(out)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), "kind": manifest.kind, "digest": manifest.digest}))
    else:
        typer.echo(f"wrote {out} ({manifest.kind}, digest {manifest.digest[:12]})")


def say_forecast(config: StageConfig, found: Forecast, as_json: bool) -> None:
    """Print a stage's recipe, and what it would take."""
    from perceptlm.config import dump_yaml
    from perceptlm.workflow.stage_forecast import describe

    if as_json:
        typer.echo(json.dumps({"recipe": config.to_dict(), "forecast": describe(found)}))
        return
    typer.echo(dump_yaml(config), nl=False)
    for label, value in describe(found).items():
        typer.echo(f"# {label:<12} {value}")
