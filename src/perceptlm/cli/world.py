"""`plm world`: make procedural videos. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from perceptlm.cli.world_bench import bench

if TYPE_CHECKING:
    from perceptlm.world.settings import WorldSettings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Procedural videos with exact ground truth.")


@app.callback()
def world() -> None:
    """Procedural videos with exact ground truth."""


@app.command()
def make(
    out: Annotated[Path, typer.Option("--out", help="The directory to publish.")],
    clips: Annotated[int, typer.Option("--clips", min=1, help="Training clips.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")] = 0,
    images: Annotated[
        int | None, typer.Option("--images", min=0, help="Training pictures (as many as clips, if not given).")
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            "--validation",
            min=0,
            help="Clips, and pictures, of the validation split (if not given: a twentieth of the clips).",
        ),
    ] = None,
    benchmark: Annotated[
        int | None,
        typer.Option(
            "--benchmark", min=1, help="Clips, and pictures, of the benchmark (if not given: a tenth of the clips)."
        ),
    ] = None,
    codec: Annotated[Literal["h264", "mpeg4"], typer.Option("--codec", help="Video codec.")] = "h264",
    quality: Annotated[
        int | None, typer.Option("--quality", min=1, max=31, help="The encoder's scale; smaller is better.")
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Write masks too (COCO run lengths).")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker processes.")] = 2,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make videos, pictures, ground truth and Samples of all tasks."""
    from perceptlm.world.estimate import estimate
    from perceptlm.world.make import make_world, read_summary

    num_validation = max(1, clips // 20) if validation is None else validation
    num_benchmark = max(1, clips // 10) if benchmark is None else benchmark
    values: dict[str, Any] = {
        "num_clips": clips,
        "num_validation_clips": num_validation,
        "num_benchmark_clips": num_benchmark,
        "num_images": clips if images is None else images,
        "num_validation_images": num_validation,
        "num_benchmark_images": num_benchmark,
        "codec": codec,
        "write_masks": masks,
    }
    settings = _settings(values if quality is None else values | {"quality": quality})
    if dry_run:
        plan = estimate(settings, seed, num_workers=workers)
        record = {"directory": str(out), **plan.to_dict()}
        typer.echo(json.dumps(record) if as_json else f"would make {out}: {plan.describe()}")
        return
    make_world(out, settings, seed, num_workers=workers, overwrite=overwrite)
    summary = read_summary(out)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), "seed": seed, **summary}))
        return
    _say(out, summary)


def _settings(values: dict[str, Any]) -> WorldSettings:
    from perceptlm.config import parse
    from perceptlm.world.settings import WorldSettings

    return parse(WorldSettings, values, source="plm world make")


def _say(out: Path, summary: dict[str, Any]) -> None:
    typer.echo(f"wrote {out}")
    for split in ("train", "validation", "benchmark"):
        counts = summary[split]
        tasks = ", ".join(f"{task} {number}" for task, number in counts["num_samples"].items())
        typer.echo(f"  {split}: {counts['num_videos']} videos, {counts['num_images']} images; {tasks}")
    typer.echo(f"  dropped: {summary['num_dropped']}")


# Verbs with files of their own are registered here, one line each.
app.command()(bench)
