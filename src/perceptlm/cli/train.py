"""`plm train`: the processor and the stages, one artifact each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Train a tokenizer and the stages warmup, midtrain and sft.")

World = Annotated[Path, typer.Option("--data", help="A world artifact (plm world make).")]
Out = Annotated[Path, typer.Option("--out", help="Directory to publish.")]
Recipe = Annotated[Path | None, typer.Option("--recipe", help="YAML to use instead of the demo's recipe.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change one value, as key=value.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what another recipe made there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe, and stop.")]


@app.command()
def processor(
    world: World,
    out: Out,
    recipe: Recipe = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Train the tokenizer on the training split and fix how pictures are shown."""
    from perceptlm.config import dump_yaml, load_yaml, override
    from perceptlm.recipes.demo import demo
    from perceptlm.train.configuration import ProcessorRecipe
    from perceptlm.train.processor_artifact import make_processor

    config = load_yaml(ProcessorRecipe, recipe) if recipe else demo().processor
    config = override(config, overrides or [])
    if dry_run:
        typer.echo(dump_yaml(config), nl=False)
        return
    make_processor(out, config, world=world, overwrite=overwrite)
    _say_written(out, as_json)


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="warmup, midtrain or sft")],
    world: World,
    start: Annotated[Path, typer.Option("--start", help="Checkpoint of the stage before, or a processor artifact.")],
    out: Out,
    seed: Annotated[int, typer.Option(help="Root of every random choice.")] = 0,
    recipe: Recipe = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Train one stage and publish its checkpoint."""
    from perceptlm.config import dump_yaml, load_yaml, override
    from perceptlm.errors import UsageError
    from perceptlm.recipes.demo import demo
    from perceptlm.train.configuration import StageConfig
    from perceptlm.train.stage import train_stage

    known = {config.name: config for config in demo().stages}
    if name not in known:
        raise UsageError(f"there is no stage '{name}'", hint=f"stages: {', '.join(known)}")
    config = load_yaml(StageConfig, recipe) if recipe else known[name]
    config = override(config, overrides or [])
    if dry_run:
        typer.echo(dump_yaml(config), nl=False)
        return
    train_stage(out, config, world=world, start=start, seed=seed, overwrite=overwrite)
    _say_written(out, as_json)


def _say_written(out: Path, as_json: bool) -> None:
    from perceptlm.artifact import read_manifest

    manifest = read_manifest(out)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), "kind": manifest.kind, "digest": manifest.digest}))
    else:
        typer.echo(f"wrote {out} ({manifest.kind}, digest {manifest.digest[:12]})")
