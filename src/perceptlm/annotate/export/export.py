"""The driver: rows of a release and their media -> one artifact with Samples, tables, a test, and media.

    OUT/train/samples-00000.jsonl       Samples: open questions and pairs; `plm train adapt --data OUT`
    OUT/benchmark/samples-00000.jsonl   the held-out test; `plm eval run --data OUT`
    OUT/reference/train.jsonl           the public PLM code's JSONL
    OUT/fgqa/plm_fgqa_train.parquet     PLM-Video-Human's FGQA, with lineage columns
    OUT/fgqa/plm_fgqa_test.jsonl        PLM-VideoBench's FGQA, human_ceiling.json beside it
    OUT/media/                          files that every loader numbers alike, media.jsonl says of what they are made
    OUT/lineage.jsonl, left_out.jsonl, counts.json
    OUT/card.md, and of a server's release release.json with its manifest

Rows pass one at a time. Everything is read back by our own readers before it is published (`round_trip`). Media made
before a kill are kept; rows are written again. The same rows and media give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from perceptlm import artifact
from perceptlm.annotate.export import benchmark, card, fgqa_parquet, plm_jsonl
from perceptlm.annotate.export.exported_media import RECORDS, MediaExporter
from perceptlm.annotate.export.plan import Planned, plan_item
from perceptlm.annotate.export.released import ExportSettings, ReleasedItem
from perceptlm.annotate.export.round_trip import check_round_trip
from perceptlm.annotate.fgqa.give_aways import BlindBias, BlindBiasCounter
from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.config import Config, digest_of, read_json_object
from perceptlm.data.index_build import build_index
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import encode_line, read_records
from perceptlm.log import progress
from perceptlm.schema import Split

KIND = "dataset"
COUNTS_FILE, LINEAGE_FILE, LEFT_OUT_FILE = "counts.json", "lineage.jsonl", "left_out.jsonl"


class ExportCounts(Config):
    """What an export holds; `round_trip` are the numbers of the check, as `round_trip.RoundTrip` has them."""

    release: str
    num_rows: int
    num_samples: dict[Split, int]
    num_reference_rows: int
    num_fgqa_rows: int
    num_test_questions: int
    num_test_pairs: int
    num_media: dict[str, int]
    left_out: dict[str, int]
    human_ceiling: float | None
    blind_bias: BlindBias | None = None
    """Of the held-out test; None without one, and in exports that are older than it."""
    round_trip: dict[str, int]


def export_release(
    rows: Iterable[ReleasedItem],
    media_root: Path,
    out: Path,
    settings: ExportSettings | None = None,
    *,
    manifest: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> ExportCounts:
    """Publish the export `out` of the rows of a release, whose assets lie below `media_root`.

    The rows are read once and kept in a temporary file beside `out`, whose digest names the release. `manifest` is what
    a server published of it. Returns at once if this export is there. Raises DataError for rows without any, ids used
    twice, assets that are not the labelled files, or an export that does not read back as it was meant (nothing is
    published then); MediaError for damaged media.
    """
    settings = settings or ExportSettings()
    with translate_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        kept = out.with_name(f".{out.name}.rows{artifact.TEMPORARY_SUFFIX}")
        try:
            release, num_rows = _keep(rows, kept)
            if not num_rows:
                raise DataError("the release has no rows")
            recipe = {"release": release, "num_rows": num_rows, "settings": settings.to_dict()}
            if manifest is not None:
                recipe["manifest"] = digest_of(manifest)
            artifact.build(
                out,
                kind=KIND,
                recipe=recipe,
                seeds={"export": settings.seed},
                make=lambda partial: _make(partial, kept, num_rows, media_root, settings, release, manifest),
                overwrite=overwrite,
            )
        finally:
            kept.unlink(missing_ok=True)
    return read_export_counts(out)


def read_export_counts(directory: Path) -> ExportCounts:
    """Return the counts of a published export; ArtifactError or ConfigError if it is none."""
    artifact.require_kind(directory, KIND)
    return ExportCounts.model_validate(read_json_object(directory / COUNTS_FILE))


def _keep(rows: Iterable[ReleasedItem], path: Path) -> tuple[str, int]:
    digest, num_rows = hashlib.sha256(), 0
    with open(path, "wb") as file:
        for item in rows:
            line = encode_line(item)
            digest.update(line)
            file.write(line)
            num_rows += 1
    return f"sha256:{digest.hexdigest()}", num_rows


def _make(
    partial: Path,
    rows: Path,
    num_rows: int,
    media_root: Path,
    settings: ExportSettings,
    release: str,
    manifest: Mapping[str, Any] | None,
) -> None:
    if (partial / COUNTS_FILE).is_file():  # it is written last
        return
    media = MediaExporter(media_root, partial)

    def planned() -> Iterator[tuple[ReleasedItem, Planned]]:
        for item in read_records(rows, ReleasedItem):
            yield item, plan_item(item, media, settings, release)

    with progress() as bar, _Writer(partial, settings) as writer:
        task = bar.add_task("export", total=num_rows)
        for item, found in planned():
            writer.write(item, found)
            bar.advance(task)
    if not writer.num_samples["train"]:
        raise DataError(f"none of {num_rows} rows is left to train on: {dict(writer.left_out)}")
    if settings.share_held_out and not writer.num_samples["benchmark"]:
        raise DataError(
            f"none of {num_rows} rows is in the held-out test (share {settings.held_out:g})",
            hint="hold out a larger share or use another seed (with --overwrite), or leave the format benchmark out",
        )
    for split, number in writer.num_samples.items():
        if number:
            build_index(partial, split)  # finds ids used twice
    checked = check_round_trip(partial, planned(), settings, media_root)
    kinds: Counter[str] = Counter()
    with open(partial / RECORDS, "wb") as file:
        for record in media.finish():
            kinds[f"{record.kind}, {record.made}"] += 1
            file.write(encode_line(record))
    counts = writer.counts(release, num_rows, checked.to_dict(), dict(sorted(kinds.items())))
    if manifest is not None:
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        write_atomic(partial / card.RELEASE_FILE, f"{text}\n".encode())
    write_atomic(partial / card.FILE, card.render_card(counts, writer.ceiling, manifest).encode())
    write_atomic(partial / COUNTS_FILE, (json.dumps(counts.to_dict(), indent=1) + "\n").encode())


class _Writer:
    """The files of rows, open while they are written."""

    def __init__(self, root: Path, settings: ExportSettings) -> None:
        self._root = root
        self._settings = settings
        self._stack = ExitStack()
        self._files: dict[str, BinaryIO] = {}
        self._shards: dict[Split, BinaryIO] = {}
        self._fgqa: fgqa_parquet.FgqaWriter | None = None
        self._ceiling = benchmark.HumanCeiling()
        self._bias = BlindBiasCounter()
        self._score: float | None = None
        self.ceiling: dict[str, Any] | None = None
        self.num_samples: Counter[Split] = Counter()
        self.left_out: Counter[str] = Counter()
        self._num: Counter[str] = Counter()

    def __enter__(self) -> _Writer:
        for pattern in ("train/samples-*", "benchmark/samples-*", "reference/*", "fgqa/*"):
            for path in self._root.glob(pattern):
                path.unlink()  # of a run that was killed
        for name in (LINEAGE_FILE, LEFT_OUT_FILE):
            self._open(name)
        if "reference" in self._settings.formats:
            self._open(plm_jsonl.FILE)
        if "benchmark" in self._settings.formats:
            self._open(benchmark.FILE)
        if "fgqa" in self._settings.formats:
            path = self._root / fgqa_parquet.FILE
            self._fgqa = self._stack.enter_context(fgqa_parquet.FgqaWriter(path, self._settings.rows_per_group))
        return self

    def __exit__(self, *problem: Any) -> None:
        self._stack.__exit__(*problem)
        if problem[0] is None and "benchmark" in self._settings.formats:
            record = self._ceiling.record(self._settings.seed)
            self._score, self.ceiling = record["all"]["score"], record
            path = self._root / benchmark.CEILING_FILE
            write_atomic(path, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())

    def write(self, item: ReleasedItem, planned: Planned) -> None:
        """Write a row in every format."""
        for sample in planned.samples:
            self._write_sample(planned.split, encode_line(sample))
        if planned.reference is not None:
            self._put(plm_jsonl.FILE, planned.reference)
        if planned.fgqa is not None and self._fgqa is not None:
            self._fgqa.write(planned.fgqa)
            self._num[fgqa_parquet.FILE] += 1
        for row in planned.bench:
            self._put(benchmark.FILE, row)
        if planned.bench:
            self._num["test questions"] += 1
            self._ceiling.add(item, planned.pairs)
            self._bias.add(list(map(benchmark.pair_of, planned.bench)))
        for left in planned.left_out:
            self._put(LEFT_OUT_FILE, left.to_dict())
            self.left_out[f"{left.format or 'all'}: {left.reason}"] += 1
        self._put(LINEAGE_FILE, _lineage(item, planned))

    def counts(
        self, release: str, num_rows: int, round_trip: dict[str, int], num_media: dict[str, int]
    ) -> ExportCounts:
        """Return the counts of all that was written."""
        return ExportCounts(
            release=release,
            num_rows=num_rows,
            num_samples={"train": self.num_samples["train"], "benchmark": self.num_samples["benchmark"]},
            num_reference_rows=self._num[plm_jsonl.FILE],
            num_fgqa_rows=self._num[fgqa_parquet.FILE],
            num_test_questions=self._num["test questions"],
            num_test_pairs=self._num[benchmark.FILE],
            num_media=num_media,
            left_out=dict(sorted(self.left_out.items())),
            human_ceiling=self._score,
            blind_bias=self._bias.result() if self._num["test questions"] else None,
            round_trip=round_trip,
        )

    def _write_sample(self, split: Split, line: bytes) -> None:
        number, place = divmod(self.num_samples[split], self._settings.rows_per_shard)
        if place == 0:
            if split in self._shards:
                self._shards[split].close()
            self._shards[split] = self._open(f"{split}/samples-{number:05d}.jsonl")
        self._shards[split].write(line)
        self.num_samples[split] += 1

    def _put(self, name: str, row: dict[str, Any]) -> None:
        self._files[name].write(encode_line(row))
        self._num[name] += 1

    def _open(self, name: str) -> BinaryIO:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files[name] = self._stack.enter_context(open(path, "wb"))
        return self._files[name]


def _lineage(item: ReleasedItem, planned: Planned) -> dict[str, Any]:
    return {
        "row_id": item.id,
        "key": item.key,
        "split": planned.split,
        "samples": [sample.id for sample in planned.samples],
        "author": item.author,
        "licence": item.licence,
        "asset_sha256": item.asset.sha256,
        "frame_table_hash": item.asset.frame_table_hash,
        "evidence": None if item.evidence is None else [item.evidence.start, item.evidence.end],
        "shown": None if planned.shown is None else [planned.shown.frames.start, planned.shown.frames.stop],
        "boxes": {str(frame): list(box) for frame, box in sorted(item.boxes.items())},
        "boxes_are": item.boxes_are,
        **item.lineage.to_dict(),
    }
