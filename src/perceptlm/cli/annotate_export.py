"""`plm annotate export`: the rows of a release -> training data and a held-out test. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    rows: Annotated[list[Path], typer.Argument(help="Released rows, JSON Lines, in order.")],
    media: Annotated[Path, typer.Option("--media", help="The directory that paths of assets start from.")],
    out: Annotated[Path, typer.Option("--out", help="The directory to publish.")],
    formats: Annotated[
        str, typer.Option("--formats", help="Which of samples, reference, fgqa, benchmark; samples always.")
    ] = "samples,reference,fgqa,benchmark",
    held_out: Annotated[float, typer.Option("--held-out", help="Share of the recordings that make the test.")] = 0.1,
    shown: Annotated[
        Literal["evidence", "asset"], typer.Option("--shown", help="What training rows show: the evidence, or all.")
    ] = "evidence",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Root of every random choice.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Export a release: Samples, the reference's JSONL, FGQA tables, a held-out test; all is read back at the end."""
    from perceptlm.annotate.export.export import export_release
    from perceptlm.annotate.export.released import FORMATS, ExportSettings, ReleasedItem
    from perceptlm.config import parse
    from perceptlm.exchange.jsonl import read_records

    named = {name.strip() for name in formats.split(",")} | {"samples"}
    values = {"formats": sorted(named, key=[*FORMATS, *sorted(named)].index), "held_out": held_out, "shown": shown}
    settings = parse(ExportSettings, values | {"seed": seed}, source="plm annotate export")
    items = (item for path in rows for item in read_records(path, ReleasedItem))
    counts = export_release(items, media, out, settings, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), **counts.to_dict()}))
        return
    typer.echo(f"wrote {out}: {counts.num_rows} rows, {counts.num_samples['train']} samples to train on")
    typer.echo(f"  the test: {counts.num_test_questions} questions, {counts.num_test_pairs} pairs")
    if counts.human_ceiling is not None:
        typer.echo(f"  people score {100 * counts.human_ceiling:.1f} on it (MBAcc)")
    for reason, number in counts.left_out.items():
        typer.echo(f"  left out, {reason}: {number}")
