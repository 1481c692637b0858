"""`plm world`: make procedural videos. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Procedural videos with exact ground truth.")


@app.callback()
def world() -> None:
    """Procedural videos with exact ground truth."""


@app.command()
def make(
    out: Annotated[Path, typer.Option("--out", help="The directory to publish.")],
    clips: Annotated[int, typer.Option("--clips", min=1, help="Training clips.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same bytes.")] = 0,
    images: Annotated[
        int | None, typer.Option("--images", min=0, help="Training pictures [default: as many as clips].")
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            "--validation",
            min=0,
            help="Clips, and pictures, of the validation split [default: a twentieth of the clips].",
        ),
    ] = None,
    benchmark: Annotated[
        int | None,
        typer.Option(
            "--benchmark", min=1, help="Clips, and pictures, of the benchmark [default: a tenth of the clips]."
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
    from perceptlm.config import parse
    from perceptlm.world.estimate import estimate
    from perceptlm.world.make import make_world, read_summary
    from perceptlm.world.settings import WorldSettings

    num_validation = max(1, clips // 20) if validation is None else validation
    num_benchmark = max(1, clips // 10) if benchmark is None else benchmark
    values = {
        "num_clips": clips, "num_validation_clips": num_validation, "num_benchmark_clips": num_benchmark,
        "num_images": clips if images is None else images, "num_validation_images": num_validation,
        "num_benchmark_images": num_benchmark, "codec": codec, "write_masks": masks,
    }  # fmt: skip
    settings = parse(
        WorldSettings, values if quality is None else values | {"quality": quality}, source="plm world make"
    )
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
    typer.echo(f"wrote {out}")
    for split in ("train", "validation", "benchmark"):
        counts = summary[split]
        tasks = ", ".join(f"{task} {number}" for task, number in counts["num_samples"].items())
        typer.echo(f"  {split}: {counts['num_videos']} videos, {counts['num_images']} images; {tasks}")
    typer.echo(f"  dropped: {summary['num_dropped']}")
