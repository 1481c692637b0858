"""`plm annotate export`: a published release, or rows in files -> training data and a held-out test. Only wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from perceptlm.annotate.export.export import ExportCounts
    from perceptlm.annotate.export.released import ExportSettings


def export(
    out: Annotated[Path, typer.Option("--out", help="The directory to publish.")],
    directory: Annotated[
        Path | None, typer.Argument(help="The server's data directory; without it, rows come from --rows.")
    ] = None,
    project: Annotated[str | None, typer.Option("--project", help="The project whose release it is.")] = None,
    release: Annotated[
        int | None, typer.Option("--release", min=1, help="The release's number (default: the newest that holds).")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", envvar="PLM_ANNOTATE_DATABASE", help="PostgreSQL URL (default: SQLite in DIR)."),
    ] = None,
    rows: Annotated[
        list[Path] | None, typer.Option("--rows", help="Released rows, JSON Lines; may be given several times.")
    ] = None,
    media: Annotated[
        Path | None, typer.Option("--media", help="With --rows: the directory that paths of assets start from.")
    ] = None,
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
    """Export a release: Samples, the reference's JSONL, FGQA tables, a held-out test; all is read back at the end.

    Either DIR with --project, a server's published release; or --rows with --media.
    """
    from perceptlm.annotate.export.released import FORMATS, ExportSettings
    from perceptlm.config import parse
    from perceptlm.errors import UsageError

    named = {name.strip() for name in formats.split(",")} | {"samples"}
    values = {"formats": sorted(named, key=[*FORMATS, *sorted(named)].index), "held_out": held_out, "shown": shown}
    settings = parse(ExportSettings, values | {"seed": seed}, source="plm annotate export")
    hint = "plm annotate export DIR --project P --out OUT, or --rows FILE --media MEDIA --out OUT"
    if directory is not None and project is not None and not rows and media is None:
        counts = _from_server(directory, database, project, release, out, settings, overwrite)
    elif rows and media is not None and directory is None and project is None and release is None:
        from perceptlm.annotate.export.export import export_release
        from perceptlm.annotate.export.released import ReleasedItem
        from perceptlm.exchange.jsonl import read_records

        items = (item for path in rows for item in read_records(path, ReleasedItem))
        counts = export_release(items, media, out, settings, overwrite=overwrite)
    else:
        raise UsageError("say which release: of a project in a data directory, or rows with their media", hint=hint)
    _show(counts, out, as_json)


def _from_server(
    directory: Path, database: str | None, project: str, release: int | None, out: Path, settings: ExportSettings,
    overwrite: bool,
) -> ExportCounts:  # fmt: skip
    from perceptlm.annotate.export.from_release import export_from_release, find_release
    from perceptlm.cli.annotate_serve import open_server

    server = open_server(directory, database)
    try:
        found = find_release(server.database, project, release)
        if found.state != "published":
            typer.echo(f"warning: release {found.id} is {found.state}", err=True)
        if found.errata:
            typer.echo(f"warning: {len(found.errata)} of its items were reported since it was published", err=True)
        return export_from_release(server, found, out, settings, overwrite=overwrite)
    finally:
        server.close()


def _show(counts: ExportCounts, out: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"directory": str(out), **counts.to_dict()}))
        return
    typer.echo(f"wrote {out}: {counts.num_rows} rows, {counts.num_samples['train']} samples to train on")
    typer.echo(f"  the test: {counts.num_test_questions} questions, {counts.num_test_pairs} pairs")
    if counts.human_ceiling is not None:
        typer.echo(f"  people score {100 * counts.human_ceiling:.1f} on it (MBAcc)")
    for reason, number in counts.left_out.items():
        typer.echo(f"  left out, {reason}: {number}")
    typer.echo(f"  what it is: {out / 'card.md'}")
