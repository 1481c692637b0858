"""The driver: files of one format -> a dataset of Samples in shards, as one artifact.

`OUT/SPLIT/samples-00000.jsonl` and so on hold the Samples in the order of the rows, `OUT/dropped.jsonl` every row that
makes none, with the reason, and `OUT/counts.json` the numbers; `OUT/SPLIT/index` is a cache beside them. A killed run
goes on from its last mark. Knows no column of any format.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perceptlm import artifact
from perceptlm.config import digest_of, read_json_object
from perceptlm.data.converters.context import Context, Converter
from perceptlm.data.converters.formats import FORMATS, origin_of
from perceptlm.data.converters.media_files import UNREADABLE, MediaFiles
from perceptlm.data.converters.regions import BoxFile, OwnMasklets, RegionSource
from perceptlm.data.converters.rows import Row, RowError
from perceptlm.data.converters.settings import ConvertSettings, Sources
from perceptlm.data.converters.shards import COUNTS_FILE, DroppedRow, ShardWriter, forget_mark
from perceptlm.data.converters.tables import Table, file_identity, folder_identity
from perceptlm.data.converters.video_auto import map_columns
from perceptlm.data.decontamination import BenchmarkMedia, benchmark_files, fingerprint_benchmark, read_benchmark
from perceptlm.data.index_build import build_index
from perceptlm.errors import DataError, MediaError, UsageError
from perceptlm.log import progress
from perceptlm.schema import Sample

KIND = "dataset"
MAX_DROPPED_SHARE = 0.01
PREVIEW_ROWS = 100
EXCLUDED = "media of the benchmark"
"""Why rows are left out on purpose: counted like the others, but not too many, however many there are."""
_ROWS_PER_MARK = 2000


@dataclass(frozen=True)
class Preview:
    """What the first rows of a conversion would become."""

    num_rows: int
    num_all_rows: int
    num_samples: int
    reasons: dict[str, int]
    details: dict[str, str]
    """Of each reason, what was found in the first row dropped for it."""
    first: Sample | None


def convert(
    out: Path,
    sources: Sources,
    settings: ConvertSettings,
    *,
    max_dropped: float = MAX_DROPPED_SHARE,
    index: bool = True,
    overwrite: bool = False,
) -> Path:
    """Publish the dataset `out`; returns at once if it is there, goes on where a killed run stopped.

    With `index`, its row index is built beside it, if it is not there yet. Raises DataError as soon as more than
    `max_dropped` of all rows are dropped, with the reasons; what was written stays in `OUT.partial`, and a larger share
    goes on from it. Media roots are part of no digest: `run/convert.json` has that of the rows.
    """
    _check(sources, max_dropped)
    identities = [file_identity(path) for path in sources.inputs]
    recipe: dict[str, Any] = {"settings": settings.to_dict(), "inputs": identities}
    if sources.boxes is not None:
        recipe["boxes"] = file_identity(sources.boxes)
    if sources.masklets is not None:
        recipe["masklets"] = folder_identity(sources.masklets)
    if sources.exclude is not None:
        recipe["exclude"] = [file_identity(path) for path in benchmark_files(sources.exclude)]
    digest = str(identities[0]["sha256"]) if len(identities) == 1 else digest_of(identities)
    artifact.build(
        out,
        kind=KIND,
        recipe=recipe,
        make=lambda partial: _make(partial, sources, settings, digest, max_dropped),
        overwrite=overwrite,
    )
    if index:
        build_index(out, settings.split)
    return out


def read_counts(directory: Path) -> dict[str, Any]:
    """Return the counts of a published conversion; ArtifactError or ConfigError if it is none."""
    artifact.require_kind(directory, KIND)
    return read_json_object(directory / COUNTS_FILE)


def preview(sources: Sources, settings: ConvertSettings, num_rows: int = PREVIEW_ROWS) -> Preview:
    """Convert the first `num_rows` rows and write nothing."""
    _check(sources, 1.0)
    tables = FORMATS[settings.format].tables(sources.inputs)
    converter = _converter(sources, settings, tables, "unread")
    benchmark = _benchmark(sources)
    reasons: Counter[str] = Counter()
    details: dict[str, str] = {}
    first, num_read, num_samples = None, 0, 0
    for place in _rows(tables, 0):
        if num_read == num_rows:
            break
        num_read += 1
        made = _unless_excluded(_convert_row(converter, place), benchmark, sources)
        if isinstance(made, RowError):
            reasons[made.reason] += 1
            details.setdefault(made.reason, made.detail)
        else:
            num_samples += 1
            first = first or made
    total = sum(table.num_rows for table in tables)
    return Preview(num_read, total, num_samples, dict(reasons), details, first)


@dataclass(frozen=True)
class _Place:
    """A row and where it stands: which input (from 0), and its number in it."""

    table: Table
    input: int
    number: int
    row: Row | RowError


def convert_rows(sources: Sources, settings: ConvertSettings) -> Iterator[Sample | DroppedRow]:
    """Yield what each row would become, and write nothing."""
    _check(sources, 1.0)
    tables = FORMATS[settings.format].tables(sources.inputs)
    converter = _converter(sources, settings, tables, "unread")
    for place in _rows(tables, 0):
        made = _convert_row(converter, place)
        if isinstance(made, RowError):
            name = place.table.path.name
            yield DroppedRow(file=name, row=place.number, reason=made.reason, detail=made.detail, group=made.group)
        else:
            yield made


def _check(sources: Sources, max_dropped: float) -> None:
    if not 0 <= max_dropped <= 1:
        raise UsageError(f"the share of dropped rows must be from 0 to 1, not {max_dropped}")
    for option, folder in (("--media", sources.media), ("--exclude-media", sources.exclude_media)):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{folder}: there is no such directory", hint=f"{option} names where the media files are")
    if sources.exclude_media is not None and sources.exclude is None:
        raise UsageError("--exclude-media is of a benchmark, but no --exclude names one")


def _make(partial: Path, sources: Sources, settings: ConvertSettings, digest: str, max_dropped: float) -> None:
    if (partial / COUNTS_FILE).is_file():  # it is written last
        forget_mark(partial)
        return
    start = time.perf_counter()
    tables = FORMATS[settings.format].tables(sources.inputs)
    converter = _converter(sources, settings, tables, digest)
    total = sum(table.num_rows for table in tables)
    benchmark = _benchmark(sources)
    writer = ShardWriter(partial, settings.split, settings.samples_per_shard)
    try:
        made = (
            (place, _unless_excluded(_convert_row(converter, place), benchmark, sources))
            for place in _rows(tables, writer.next_row)
        )
        _write_all(writer, made, total, max_dropped, own_keys=converter.has_own_keys)
    finally:
        writer.close()
    if not writer.num_samples:
        raise DataError(f"none of {total} rows makes a sample: {_told(writer.reasons)}")
    artifact.write_run_record(
        partial,
        "convert",
        {
            "media_root": None if sources.media is None else str(sources.media.resolve()),
            "inputs": [str(path.resolve()) for path in sources.inputs],
            "seconds": time.perf_counter() - start,
        },
    )
    num_shards = -(-writer.num_samples // settings.samples_per_shard)
    writer.finish({"format": settings.format, "split": settings.split, "num_shards": num_shards} | writer.counts())


def _write_all(
    writer: ShardWriter,
    rows: Iterator[tuple[_Place, Sample | RowError]],
    total: int,
    max_dropped: float,
    *,
    own_keys: bool,
) -> None:
    seen = writer.ids() if own_keys else None
    _check_dropped(writer, total, max_dropped)
    with progress() as bar:
        task = bar.add_task("convert", total=total, completed=writer.next_row)
        for place, made in rows:
            if seen is not None and isinstance(made, Sample):
                if made.id in seen:
                    made = RowError("id was already used", made.id)
                else:
                    seen.add(made.id)
            if isinstance(made, RowError):
                writer.drop(made, file=place.table.path.name, row=place.number)
                _check_dropped(writer, total, max_dropped)
            else:
                writer.keep(made)
            if writer.next_row % _ROWS_PER_MARK == 0:
                writer.mark()
                bar.update(task, completed=writer.next_row)
    writer.mark()


def _check_dropped(writer: ShardWriter, total: int, max_dropped: float) -> None:
    num_dropped = writer.num_dropped - writer.reasons[EXCLUDED]
    if num_dropped > max_dropped * total:
        writer.mark()
        raise DataError(
            f"{num_dropped} of the first {writer.next_row} rows of {total} make no sample, more than "
            f"--max-dropped {max_dropped:g} of all: {_told(writer.reasons)}",
            hint="dropped.jsonl in the .partial directory has each; a larger --max-dropped goes on from here; "
            "if files were missing, get them and remove that directory",
        )


def _rows(tables: list[Table], start: int) -> Iterator[_Place]:
    """Yield the rows of all tables from number `start`, counted over all of them, on."""
    before = 0
    for number, table in enumerate(tables):
        first = max(start - before, 0)
        if first < table.num_rows:
            for row_number, row in enumerate(table.rows(first), first):
                yield _Place(table, number, row_number, row)
        before += table.num_rows


def _convert_row(converter: Converter, place: _Place) -> Sample | RowError:
    if isinstance(place.row, RowError):
        return place.row
    try:
        return converter.convert(place.row, f"{place.input}.{place.number}")
    except RowError as error:
        return error


def _benchmark(sources: Sources) -> BenchmarkMedia | None:
    if sources.exclude is None:
        return None
    media_root = sources.exclude if sources.exclude_media is None else sources.exclude_media
    return BenchmarkMedia(fingerprint_benchmark(read_benchmark(sources.exclude), media_root))


def _unless_excluded(made: Sample | RowError, benchmark: BenchmarkMedia | None, sources: Sources) -> Sample | RowError:
    """Return what a row makes, or why it is left out: its media are the benchmark's, or cannot be decoded to know."""
    if benchmark is None or isinstance(made, RowError):
        return made
    try:
        reason = benchmark.matches(made, sources.media or Path())  # without a root there are rows of text only
    except MediaError as error:
        return RowError(UNREADABLE, error.message)
    return made if reason is None else RowError(EXCLUDED, reason)


def _converter(sources: Sources, settings: ConvertSettings, tables: list[Table], digest: str) -> Converter:
    """Return the converter; DataError if a table lacks a column that it reads."""
    found = FORMATS[settings.format]
    if not any(table.num_rows for table in tables):
        raise DataError("holds no rows", path=tables[0].path)
    columns = settings.columns
    if found.takes_columns:
        columns = map_columns(tables[0].columns or _keys(tables[0]), settings.columns)
    context = Context(
        format=settings.format,
        split=settings.split,
        origin=origin_of(settings, digest),
        media=MediaFiles(sources.media),
        video_path=settings.video_path,
        clips=settings.clips,
        task=settings.task,
        regions=_region_source(sources),
        columns=columns,
    )
    converter = found.make(context)
    for table in tables:
        table.require(converter.columns)
    return converter


def _region_source(sources: Sources) -> RegionSource | None:
    if sources.boxes is not None:
        return BoxFile(sources.boxes)
    return None if sources.masklets is None else OwnMasklets(sources.masklets)


def _keys(table: Table) -> tuple[str, ...]:
    first = next(iter(table.rows()), None)
    return () if first is None or isinstance(first, RowError) else tuple(first)


def _told(reasons: Counter[str]) -> str:
    return "; ".join(f"{reason} ({number})" for reason, number in reasons.most_common())
