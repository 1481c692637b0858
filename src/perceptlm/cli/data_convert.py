"""`plm data convert`: files of a released data set -> Samples. No logic beyond the wiring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perceptlm.data.converters.convert import Preview
    from perceptlm.data.converters.settings import ConvertSettings, Sources

_FORMATS = (
    "human-fgqa, human-rcap, human-rtloc, human-rdcap; bench-fgqa, bench-sgqa, bench-rcap, bench-rtloc, bench-rdcap; "
    "image-auto-sa1b (or ucsf, pdfacc, openimages, obj365, arxivqa); video-auto-yt1b-caption (or yt1b-mcqa, "
    "ego4d-caption, ego4d-qa); docvqa, chartqa, textvqa, vqav2, pope, refcoco, coco-captions; llava; reference (the "
    "public PLM code's training JSONL)."
)


_Format = Annotated[str, typer.Argument(help=f"What the files are: {_FORMATS}")]
_Inputs = Annotated[list[Path], typer.Argument(help="Parquet, JSON or JSON Lines files, in order.")]
_Media = Annotated[Path | None, typer.Option("--media", help="The directory that media paths start from.")]
_Split = Annotated[
    str | None, typer.Option("--split", help="train, validation or benchmark (default: the format's own).")
]
_Video = Annotated[
    str | None,
    typer.Option(
        "--video",
        help="Pattern of media files: {video}, or sav_train/{video[:7]}/{video} (default: the format's own).",
    ),
]
_Clips = Annotated[
    str | None,
    typer.Option(
        "--clips",
        help="source: files are whole videos, of which rows mean a part; cut: they were cut already (default: the "
        "format's own).",
    ),
]
_Regions = Annotated[
    str | None,
    typer.Option(
        "--regions", help="Of rcap, rtloc and rdcap: a JSONL file of boxes as metadata_test.jsonl, masklets, or none."
    ),
]
_Masklets = Annotated[
    Path | None, typer.Option("--masklets", help="Directory of SA-V's JSON files, for --regions masklets.")
]
_Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="FIELD=COLUMN of video-auto, where columns have other names. Repeat it."),
]
_Task = Annotated[str | None, typer.Option("--task", help="The task of all rows (default: by what they hold).")]
_Origin = Annotated[
    str | None,
    typer.Option("--origin", help="kind:name:revision:licence of who wrote the texts, for llava and reference."),
]
_MaxDropped = Annotated[
    float, typer.Option("--max-dropped", min=0, max=1, help="Stop if a larger share of the rows is dropped.")
]
_Exclude = Annotated[
    Path | None,
    typer.Option(
        "--exclude", help="A benchmark's directory: rows with its media, by source, bytes or looks, are left out."
    ),
]
_ExcludeMedia = Annotated[
    Path | None,
    typer.Option("--exclude-media", help="Where that benchmark's media lie (default: in the directory itself)."),
]
_NoIndex = Annotated[bool, typer.Option("--no-index", help="Do not build the row index; plm data index does, later.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Convert the first 100 rows, show one Sample, write nothing.")]


def convert(
    format: _Format,
    inputs: _Inputs,
    out: Annotated[Path, typer.Option("--out", help="The directory to publish.")],
    media: _Media = None,
    split: _Split = None,
    video: _Video = None,
    clips: _Clips = None,
    regions: _Regions = None,
    masklets: _Masklets = None,
    column: _Column = None,
    task: _Task = None,
    origin: _Origin = None,
    shard: Annotated[int, typer.Option("--shard", min=1, help="Samples per file.")] = 1_000_000,
    max_dropped: _MaxDropped = 0.01,
    exclude: _Exclude = None,
    exclude_media: _ExcludeMedia = None,
    no_index: _NoIndex = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    dry_run: _DryRun = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Convert a released data set: one Sample per row, in shards, with every dropped row and its reason."""
    from perceptlm.data.converters.convert import convert as write_dataset
    from perceptlm.data.converters.convert import preview, read_counts

    sources = replace(_sources(inputs, media, regions, masklets), exclude=exclude, exclude_media=exclude_media)
    settings = _settings(
        format, sources, regions,
        split=split, video_path=video, clips=clips, task=task, origin=origin, columns=_columns(column or ()),
        samples_per_shard=shard,
    )  # fmt: skip
    if dry_run:
        _say_preview(preview(sources, settings), out, settings, as_json)
        return
    write_dataset(out, sources, settings, max_dropped=max_dropped, index=not no_index, overwrite=overwrite)
    counts = read_counts(out)
    if as_json:
        typer.echo(json.dumps({"directory": str(out), **counts}))
        return
    typer.echo(f"wrote {out}: {counts['num_samples']} samples of {counts['num_rows']} rows")
    for name in ("tasks", "flags", "reasons"):
        for value, number in counts[name].items():
            typer.echo(f"  {'dropped, ' if name == 'reasons' else ''}{value}: {number}")


def _sources(inputs: list[Path], media: Path | None, regions: str | None, masklets: Path | None) -> Sources:
    from perceptlm.data.converters.settings import Sources
    from perceptlm.errors import UsageError

    if (regions == "masklets") != (masklets is not None):
        raise UsageError("--regions masklets and --masklets DIR go together")
    boxes = Path(regions) if regions not in (None, "masklets", "none") else None
    return Sources(inputs=tuple(inputs), media=media, boxes=boxes, masklets=masklets)


def _settings(format: str, sources: Sources, regions: str | None, **values: Any) -> ConvertSettings:
    from typing import get_args

    from perceptlm.data.converters.context import Clips
    from perceptlm.data.converters.formats import settings_for
    from perceptlm.errors import UsageError
    from perceptlm.schema import Split, Task

    for name, allowed in (("split", get_args(Split)), ("clips", get_args(Clips)), ("task", get_args(Task))):
        if values[name] is not None and values[name] not in allowed:
            raise UsageError(f"--{name} is one of {', '.join(allowed)}, not '{values[name]}'")
    return settings_for(format, sources, no_regions=regions == "none", **values)


def _columns(texts: Sequence[str]) -> dict[str, str]:
    from perceptlm.errors import UsageError

    pairs = [text.partition("=") for text in texts]
    for field, equals, name in pairs:
        if not (field and equals and name):
            raise UsageError(f"'{field}{equals}{name}' is not FIELD=COLUMN")
    return {field: name for field, _, name in pairs}


def _say_preview(found: Preview, out: Path, settings: ConvertSettings, as_json: bool) -> None:
    sample = None if found.first is None else found.first.to_dict()
    if as_json:
        values = {"directory": str(out), "num_rows": found.num_all_rows, "num_rows_read": found.num_rows}
        values |= {"num_samples": found.num_samples, "reasons": found.reasons, "first": sample}
        typer.echo(json.dumps({**values, "settings": settings.to_dict()}))
        return
    typer.echo(f"would convert {found.num_all_rows} rows into {out}/{settings.split}")
    typer.echo(f"of the first {found.num_rows}, {found.num_samples} make a sample")
    for reason, number in found.reasons.items():
        typer.echo(f"  dropped, {reason}: {number} (the first: {found.details[reason]})")
    if sample is not None:
        typer.echo(json.dumps(sample, indent=1, ensure_ascii=False))
