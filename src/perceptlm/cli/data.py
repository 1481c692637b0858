"""`plm data`: the catalogue, and what a dataset directory holds, lacks and comes from. No logic beyond the wiring."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perceptlm.cli.data_convert import convert
from perceptlm.cli.data_index import index

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Convert, show, check, count and audit datasets.")

Directory = Annotated[Path, typer.Argument(help="A dataset: SPLIT/samples.jsonl, or shards samples-*.jsonl.")]
Media = Annotated[Path | None, typer.Option("--media", help="Where its media lie (default: in the directory itself).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("list")
def list_datasets(
    kind: Annotated[str | None, typer.Option("--kind", help="Only image, video or text.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="Only what is in midtrain or sft.")] = None,
    notes: Annotated[bool, typer.Option("--notes", help="Print the notes on each dataset as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every dataset PLM was trained on: rows, licence, who wrote the labels, where they are."""
    from perceptlm.data.catalogue import BLEND_STAGES, KINDS, catalogue, describe_dataset
    from perceptlm.data.listings import catalogue_lines
    from perceptlm.errors import UsageError

    kinds = [name for name in KINDS if name == kind]
    stages = [name for name in BLEND_STAGES if name == stage]
    if kind is not None and not kinds:
        raise UsageError(f"there is no kind '{kind}'", hint=f"kinds: {', '.join(KINDS)}")
    if stage is not None and not stages:
        raise UsageError(f"there is no blend of '{stage}'", hint=f"stages: {', '.join(BLEND_STAGES)}")
    found = catalogue().select(kinds[0] if kinds else None, stages[0] if stages else None)
    if as_json:
        typer.echo(json.dumps({"datasets": [describe_dataset(item) for item in found]}))
    else:
        typer.echo("\n".join(catalogue_lines(found, notes=notes)))


@app.command()
def validate(
    directory: Directory,
    media: Media = None,
    decode: Annotated[bool, typer.Option("--decode", help="Open every media file and compare its size.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Print at most so many problems; all are counted.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Check every record and its media; print every problem with file and line, exit 1 if there is one."""
    from perceptlm.data.listings import validation_lines
    from perceptlm.data.validation import validate as validate_directory

    with _counting(directory, "checking") as each:
        found = validate_directory(directory, media_root=media, decode=decode, limit=limit, each=each)
    typer.echo(json.dumps(found.to_dict()) if as_json else "\n".join(validation_lines(found)))
    if found.num_problems:
        raise typer.Exit(1)


@app.command()
def stats(
    directory: Directory,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a page with drawings, and the numbers, there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count records by task, origin, licence and more, and show how lengths, sizes and regions are distributed."""
    from perceptlm.data.dataset_files import read_located
    from perceptlm.data.profile import profile
    from perceptlm.data.profile_page import profile_lines, write_profile

    with _counting(directory, "counting") as each:
        found = profile(read_located(directory), each=each)
    typer.echo(json.dumps(found.to_dict()) if as_json else "\n".join(profile_lines(found)))
    if out is not None:
        page, numbers = write_profile(out, found, directory.resolve().name)
        typer.echo(f"wrote {page} and {numbers}", err=True)


@app.command()
def mixture(
    blend: Annotated[str, typer.Argument(metavar="STAGE|FILE", help="midtrain, sft, or a blend as a YAML file.")],
    as_json: AsJson = False,
) -> None:
    """Show a published blend and what is missing of it, or count the rows of a blend of your own."""
    from perceptlm.data.blend_counts import count_blend, describe_blend
    from perceptlm.data.catalogue import published_blend
    from perceptlm.data.listings import counted_lines, published_lines

    if Path(blend).suffix in (".yaml", ".yml"):
        counted = count_blend(Path(blend))
        typer.echo(json.dumps(describe_blend(counted)) if as_json else "\n".join(counted_lines(counted)))
        return
    published = published_blend(blend)
    typer.echo(json.dumps(published.to_dict()) if as_json else "\n".join(published_lines(published)))


@app.command()
def audit(
    directory: Directory,
    media: Media = None,
    content: Annotated[
        bool, typer.Option("--content", help="Compare training media with the benchmark's by their bytes as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask of every record who or what made it, and under which licence; exit 1 if one does not pass."""
    from perceptlm.data.audit import audit_directory
    from perceptlm.data.listings import audit_lines

    place = (directory if media is None else media) if content else None
    with _counting(directory, "auditing") as each:
        report = audit_directory(directory, media_root=place, each=each)
    typer.echo(json.dumps(report.to_dict()) if as_json else "\n".join(audit_lines(report)))
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def decontaminate(
    directory: Directory,
    against: Annotated[Path, typer.Option("--against", help="The benchmark's directory.")],
    media: Media = None,
    benchmark_media: Annotated[
        Path | None,
        typer.Option("--benchmark-media", help="Where the benchmark's media lie (default: in its directory)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List training records whose media are a benchmark's, by source, bytes or looks; exit 1 if there is one."""
    from perceptlm.data.decontamination import BenchmarkMedia, find_contaminated, fingerprint_benchmark, read_benchmark
    from perceptlm.data.listings import match_lines

    fingerprints = fingerprint_benchmark(read_benchmark(against), benchmark_media or against)
    with _counting(directory, "looking for the benchmark's media", "train") as each:
        found = find_contaminated(directory, media or directory, BenchmarkMedia(fingerprints), each=each)
        matches = list(found)
    if as_json:
        values = [asdict(match) for match in matches]
        typer.echo(
            json.dumps({"num_benchmark_media": len(fingerprints), "num_matches": len(values), "matches": values})
        )
    else:
        typer.echo("\n".join(match_lines(matches, len(fingerprints))))
    if matches:
        raise typer.Exit(1)


@contextmanager
def _counting(directory: Path, what: str, split: str | None = None) -> Iterator[Callable[[], object]]:
    """Show a progress bar over the records of `directory`, or of one split; yield what is to be called after each."""
    from perceptlm.data.dataset_files import count_records
    from perceptlm.log import progress

    bar = progress()
    # Counting takes a pass over the files: only where a bar is drawn.
    counts = {} if bar.disable else count_records(directory)
    total = None if bar.disable else counts.get(split, 0) if split else sum(counts.values())
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


# Verbs with files of their own are registered here, one line each.
app.command()(convert)
app.command()(index)
