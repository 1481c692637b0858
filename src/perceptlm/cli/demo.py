"""`plm demo`: from procedural video to a PLM-VideoBench table on a CPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perceptlm.recipes.demo import DemoRecipe

_OUT = Path("out/demo")
_MINUTES, _MAX_MINUTES = 15, 240


def demo(
    out: Annotated[
        Path | None, typer.Option(help="Directory to publish (default: out/demo, or out/demo-MINUTES).")
    ] = None,
    minutes: Annotated[
        int | None,
        typer.Option(min=_MINUTES, max=_MAX_MINUTES, help="About how long it may take on two cores (default: 15)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Root of every random choice.")] = 0,
    recipe: Annotated[Path | None, typer.Option(help="YAML to use instead of the built-in recipe.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Change one value, as key=value.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain in seconds; its scores mean nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what another recipe made there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be made and how, and stop.")] = False,
) -> None:
    """Make videos, train the three stages with and without pixels, evaluate, and write a report."""
    from perceptlm.config import load_yaml, override
    from perceptlm.errors import UsageError
    from perceptlm.recipes import demo as recipes

    if minutes is not None and (recipe is not None or smoke):
        raise UsageError("--minutes chooses the size of the built-in recipe; it goes with neither --recipe nor --smoke")
    if recipe is not None:
        built = load_yaml(recipes.DemoRecipe, recipe)
    else:
        built = recipes.smoke() if smoke else recipes.demo(minutes=minutes or _MINUTES)
    config = override(built, overrides or [])
    if out is None:
        out = _OUT if minutes in (None, _MINUTES) else _OUT.with_name(f"{_OUT.name}-{minutes}")
    if dry_run:
        _say_plan(out, config, as_json)
        return
    from perceptlm.workflow.demo import run_demo
    from perceptlm.workflow.demo_report import SUMMARY, print_table

    run_demo(out, config, seed=seed, overwrite=overwrite)
    if as_json:
        typer.echo((out / SUMMARY).read_text(encoding="utf-8"), nl=False)
    else:
        print_table(out, config, program=program_name())


def program_name() -> str:
    """Return how a person calls this program from here, quoted for a shell."""
    import shlex
    import shutil

    # Not resolved: a virtual environment's python is a link out of it.
    python = Path(sys.executable)
    program = python.with_name("plm")
    if not program.is_file():
        return f"{shlex.quote(str(python))} -m perceptlm"
    if shutil.which("plm") == str(program):
        return "plm"
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _say_plan(out: Path, config: DemoRecipe, as_json: bool) -> None:
    from perceptlm.config import dump_yaml

    plan = _plan(config)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "plan": plan, "recipe": config.to_dict()}))
        return
    lines = [f"would make {out}:", *(f"  {name}: {_in_words(value)}" for name, value in plan.items())]
    # Comments of the YAML, so that what is printed can be saved and given to --recipe.
    typer.echo("".join(f"# {line}\n" for line in lines) + dump_yaml(config), nl=False)


def _in_words(value: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)


def _plan(config: DemoRecipe) -> dict[str, Any]:
    """Return the counts of what the recipe makes; what is shown is an upper limit."""
    world, evaluation = config.world, config.evaluation
    return {
        "videos": world.num_clips + world.num_validation_clips + world.num_benchmark_clips,
        "images": world.num_images + world.num_validation_images + world.num_benchmark_images,
        "steps with pixels": {stage.name: stage.num_steps for stage in config.stages},
        "clips or images shown": {stage.name: stage.num_steps * stage.num_groups for stage in config.stages},
        "groups or questions asked per row at most": evaluation.limit or "all",
    }
