"""The check at the end of every export: all that was written, read back by our own readers, is what was meant.

- Every file is decoded and its pictures counted; those written anew are compared with the source's.
- Samples, the reference's JSONL, the FGQA table and the test are read by the readers and converters that others use,
  row by row beside the release: same media, same frames, same words, same boxes.
- The reference's loader's arithmetic gives the frames that were meant, at the rates that the file states.
- Boxes are drawn on the decoded pictures and the pictures that changed are counted.
- The audit of training data passes, with the test beside it.

Raises DataError at the first difference. One row in memory at a time, and the audit's memory of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perceptlm.annotate.export import benchmark, fgqa_parquet, plm_jsonl
from perceptlm.annotate.export.exported_media import ExportedMedia, stated_rates
from perceptlm.annotate.export.plan import Planned
from perceptlm.annotate.export.released import ExportSettings, ReleasedItem
from perceptlm.config import Config, file_digest
from perceptlm.data.audit import audit_directory
from perceptlm.data.converters.convert import convert_rows
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.data.converters.shards import DroppedRow
from perceptlm.data.converters.tables import open_table
from perceptlm.data.dataset_files import read_located
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.media.image import read_image
from perceptlm.media.pictures import load_pictures, resolve_media_path
from perceptlm.media.regions import draw_regions
from perceptlm.media.video import Video
from perceptlm.schema import BoxTrack, Sample

NUM_SHOWN = 32
_NUM_COMPARED = 5
_ORIGIN = "person:round trip:1:CC0-1.0"


class RoundTrip(Config):
    """What was read back."""

    num_files: int = 0
    num_frames_decoded: int = 0
    num_samples: int = 0
    num_reference_rows: int = 0
    num_fgqa_rows: int = 0
    num_test_rows: int = 0
    num_boxes: int = 0
    num_boxes_drawn: int = 0


def check_round_trip(
    root: Path, planned: Iterator[tuple[ReleasedItem, Planned]], settings: ExportSettings, media_root: Path
) -> RoundTrip:
    """Read the export at `root` back; `planned` says again, in the same order, what every row was to become."""
    check = _Check(root, settings, media_root)
    for item, expected in planned:
        check.row(item, expected)
    check.end()
    report = audit_directory(root, media_root=root)
    if not report.passed:
        first = report.failures[0]
        raise DataError(f"the audit fails: {first.reason} ({first.count}): {first.messages[0]}")
    return RoundTrip(**check.num)


class _Check:
    """Readers of every file, moved on row by row."""

    def __init__(self, root: Path, settings: ExportSettings, media_root: Path) -> None:
        self._root = root
        self._sources = media_root
        self._looked_at: dict[str, set[float]] = {}
        self._samples = {split: self._read_samples(split) for split in ("train", "benchmark")}
        self._reference = self._converted(plm_jsonl.FILE, "reference", "reference" in settings.formats)
        self._reference_rows = self._lines(plm_jsonl.FILE, "reference" in settings.formats)
        self._fgqa = self._converted(fgqa_parquet.FILE, "human-fgqa", "fgqa" in settings.formats)
        self._test = self._converted(benchmark.FILE, "bench-fgqa", "benchmark" in settings.formats)
        self.num = dict.fromkeys(RoundTrip.model_fields, 0)

    def row(self, item: ReleasedItem, planned: Planned) -> None:
        """Check all that became of a release row."""
        for sample in planned.samples:
            self._file(item, planned.media if sample.media[0].path == planned.media.path else None, sample)
            self._same(item, "Sample", next(self._samples[planned.split], None), sample)
            self.num["num_samples"] += 1
        if planned.shown is not None and planned.samples:
            self._boxes(item, planned.samples[0])
        if planned.reference is not None:
            self._reference_row(item, planned)
        if planned.fgqa is not None:
            found = next(self._fgqa, None)
            self._alike(item, "FGQA row", found, planned.samples[0], same_media=planned.media.kind == "video")
            self.num["num_fgqa_rows"] += 1
        for sample in planned.samples if planned.bench else ():
            found = next(self._test, None)
            self._alike(item, "test row", found, sample)
            self._same(item, "test row's options", getattr(found, "answer", None), sample.answer)
            self.num["num_test_rows"] += 1

    def end(self) -> None:
        """Raise DataError if a file holds more than the release says."""
        readers = {"Samples": self._samples["train"], "test Samples": self._samples["benchmark"],
                   "reference rows": self._reference, "FGQA rows": self._fgqa, "test rows": self._test}  # fmt: skip
        for name, reader in readers.items():
            left = next(reader, None)
            if left is not None:
                raise DataError(f"round trip: the export holds more {name} than the release: {str(left)[:200]}")

    def _reference_row(self, item: ReleasedItem, planned: Planned) -> None:
        row, found = next(self._reference_rows, None), next(self._reference, None)
        self._same(item, "reference row", row, planned.reference)
        self._alike(item, "reference row", found, planned.samples[0])
        assert row is not None
        assert planned.shown is not None
        media, meant = planned.media, planned.shown.frames
        if media.kind == "video":
            for fps in (float(media.rate), *self._looked_at[media.path]):
                self._same(
                    item, f"frames at {fps:g} a second", plm_jsonl.loaders_range(row, media.num_frames, fps), meant
                )
            boxes = {int(frame): tuple(box) for frame, box in row.get("bbox_map", {}).items()}
            wanted = {frame: box for frame, box in item.question_boxes.items() if frame in meant}
            self._same(item, "boxes by frame", boxes, wanted)
        self.num["num_reference_rows"] += 1

    def _boxes(self, item: ReleasedItem, sample: Sample) -> None:
        """Count the pictures on which a box appears when they are decoded and drawn on."""
        if not sample.regions or sample.media[0].kind == "image":
            return
        bare = load_pictures(
            sample.model_copy(update={"regions": ()}), self._root, num_frames=NUM_SHOWN, choice="uniform"
        )
        pictures = np.stack(bare.pictures)
        pictures[..., 0] = 0  # so that a red line shows on whatever is there
        changed = (draw_regions(pictures, bare.source_indices, sample.regions) != pictures).any(axis=(1, 2, 3))
        wanted = [frame in item.question_boxes for frame in bare.source_indices]
        self._same(item, "pictures with a box drawn", changed.tolist(), wanted)
        (region,) = sample.regions
        self.num["num_boxes"] += len(region.boxes) if isinstance(region, BoxTrack) else 0
        self.num["num_boxes_drawn"] += int(changed.sum())

    def _file(self, item: ReleasedItem, media: ExportedMedia | None, sample: Sample) -> None:
        """Decode a file once, count its pictures, and compare some with the source's."""
        ref = sample.media[0]
        if ref.path in self._looked_at:
            return
        path = resolve_media_path(self._root, ref.path)
        if ref.kind == "image":
            shape, number = read_image(path).shape, 1
            self._looked_at[ref.path] = set()
        else:
            number, shape = 0, (0, 0, 3)
            for picture in Video(path).in_order():
                number, shape = number + 1, picture.shape
            self._looked_at[ref.path] = stated_rates(path)
        self._same(item, "pictures decoded", (number, *shape[1::-1]), (ref.num_frames, ref.width, ref.height))
        if media is not None:
            self._same(item, "digest of the media file", file_digest(path), media.sha256)
            if media.made == "encoded" and ref.kind == "video":
                self._same_pictures(item, path)
        self.num["num_files"] += 1
        self.num["num_frames_decoded"] += number

    def _same_pictures(self, item: ReleasedItem, path: Path) -> None:
        """A picture written anew must be nearer to the source's picture of its number than to its neighbours."""
        source, made = Video(resolve_media_path(self._sources, item.asset.path)), Video(path)
        last = source.table.num_frames - 1
        for number in sorted({last * part // (_NUM_COMPARED - 1) for part in range(_NUM_COMPARED)}):
            around = [n for n in (number, number - 1, number + 1) if 0 <= n <= last]
            height, width = source.table.height, source.table.width
            picture = made.frames([number])[0][:height, :width].astype(np.int16)
            errors = [float(np.abs(picture - near).mean()) for near in source.frames(around).astype(np.int16)]
            if errors[0] > min(errors) + 1:
                raise DataError(f"round trip: item {item.id}: picture {number} of {path.name} is another one's")

    def _alike(
        self,
        item: ReleasedItem,
        what: str,
        found: Sample | DroppedRow | None,
        meant: Sample,
        *,
        same_media: bool = True,
    ) -> None:
        """Compare what a converter made of a row with the Sample: media, frames, words and boxes."""
        if not isinstance(found, Sample):
            raise DataError(f"round trip: item {item.id}: {what} is not read: {found}")
        if same_media:
            self._same(item, f"{what}'s file", found.media[0].path, meant.media[0].path)
            self._same(item, f"{what}'s frames", found.frames, meant.frames)
        self._same(item, f"{what}'s words", found.turns, meant.turns)
        if what == "reference row":
            boxes = [region.boxes for region in found.regions if isinstance(region, BoxTrack)]
            wanted = [region.boxes for region in meant.regions if isinstance(region, BoxTrack)]
            self._same(item, f"{what}'s frames with boxes", [*map(list, boxes)], [*map(list, wanted)])
            near = all(np.allclose(a[f], b[f], atol=1e-6) for a, b in zip(boxes, wanted, strict=True) for f in a)
            self._same(item, f"{what}'s boxes", near, True)

    def _same(self, item: ReleasedItem, what: str, found: Any, meant: Any) -> None:
        if found != meant:
            raise DataError(f"round trip: item {item.id}: {what}: {str(found)[:200]} instead of {str(meant)[:200]}")

    def _read_samples(self, split: str) -> Iterator[Sample]:
        if (self._root / split).is_dir():
            for located in read_located(self._root, [split]):
                if isinstance(located.found, DataError):
                    raise located.found
                yield located.found

    def _lines(self, name: str, is_written: bool) -> Iterator[dict[str, Any]]:
        if is_written:
            yield from (row for _, row in read_lines(self._root / name))

    def _converted(self, name: str, converter: str, is_written: bool) -> Iterator[Sample | DroppedRow]:
        """Yield what `plm data convert` makes of a file."""
        path = self._root / name
        if is_written and path.stat().st_size and open_table(path).num_rows:
            sources = Sources((path,), self._root)
            origin = _ORIGIN if converter == "reference" else None
            yield from convert_rows(sources, settings_for(converter, sources, origin=origin))
