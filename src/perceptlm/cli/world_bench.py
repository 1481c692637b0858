"""`plm world bench`: WorldBench, the procedural benchmark in the released layout. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


def bench(
    out: Annotated[Path, typer.Option("--out", help="The directory to publish.")],
    version: Annotated[int, typer.Option("--version", min=1, help="Version of the set.")] = 1,
    size: Annotated[Literal["full", "small"], typer.Option("--size", help="All of it, or about a tenth.")] = "full",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker processes.")] = 2,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make WorldBench: the five PLM-VideoBench tasks on videos that no training world shows, ready for plm eval run."""
    from perceptlm.recipes.world_bench import world_bench
    from perceptlm.workflow.world_bench import forecast, make_world_bench, read_bench_summary

    recipe = world_bench(size, version)
    if dry_run:
        plan = forecast(recipe, num_workers=workers)
        text = f"would make {out}: {plan.name}, {plan.num_videos} videos, about {plan.num_bytes / 1e6:.0f} MB and "
        typer.echo(json.dumps({"directory": str(out), **plan.to_dict()}) if as_json else f"{text}{plan.seconds:.0f} s")
        return
    make_world_bench(out, recipe, num_workers=workers, overwrite=overwrite)
    summary = read_bench_summary(out)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), **summary.to_dict()}))
        return
    typer.echo(f"wrote {out}: {summary.name}, {summary.num_videos} videos, {summary.num_dropped} dropped")
    for task, counts in summary.tasks.items():
        groups = f" in {counts.items} groups" if counts.items != counts.rows else ""
        typer.echo(f"  {task}: {counts.rows} questions{groups} about {counts.videos} videos")
    typer.echo(f"  questions {summary.digests.questions[:12]}, pictures {summary.digests.pictures[:12]}")
