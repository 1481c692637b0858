"""`plm demo`: from procedural video to a PLM-VideoBench table on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Directory to publish.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Root of every random choice.")] = 0,
    recipe: Annotated[Path | None, typer.Option(help="YAML to use instead of the built-in recipe.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Change one value, as key=value.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain in seconds; its scores mean nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what another recipe made there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe, and stop.")] = False,
) -> None:
    """Make videos, train the three stages with and without pixels, evaluate, and write a report."""
    from perceptlm.config import dump_yaml, load_yaml, override
    from perceptlm.recipes import demo as recipes

    built_in = recipes.smoke() if smoke else recipes.demo()
    config = override(load_yaml(recipes.DemoRecipe, recipe) if recipe else built_in, overrides or [])
    if dry_run:
        typer.echo(dump_yaml(config), nl=False)
        return
    from perceptlm.workflow.demo import run_demo
    from perceptlm.workflow.demo_report import SUMMARY, print_table

    run_demo(out, config, seed=seed, overwrite=overwrite)
    if as_json:
        typer.echo((out / SUMMARY).read_text(encoding="utf-8"), nl=False)
    else:
        print_table(out)
