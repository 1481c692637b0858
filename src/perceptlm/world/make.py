"""Making a world: videos and pictures with exact ground truth, and Samples of all tasks, as one artifact.

Clips are made in chunks by worker processes, each clip from (seed, split, index) alone. A finished chunk leaves one
file in the partial directory, so a killed run goes on with the next. When all chunks are there they are merged in
order, Samples are written and balanced per split, and the chunk files removed before the artifact is published.
Nothing in the result depends on the number of workers. Knows no wording and no pixel.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from perceptlm import artifact
from perceptlm.errors import ArtifactError, DataError, UsageError
from perceptlm.exchange.jsonl import read_lines, write_records
from perceptlm.log import progress
from perceptlm.schema import Split
from perceptlm.workers import worker_pool
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.make_clip import MadeClip, make_clip
from perceptlm.world.samples import samples_of_split
from perceptlm.world.settings import WorldSettings

KIND = "world"
SPLITS: tuple[Split, ...] = ("train", "validation", "benchmark")
SUMMARY = "summary.json"
MAX_DROPPED_SHARE = 0.05
DEFAULT_NUM_WORKERS = min(2, os.cpu_count() or 1)
_CHUNKS = "chunks"
_CHUNK_SIZE = 16
ClipKind = Literal["video", "image"]


@dataclass(frozen=True)
class Chunk:
    """Clips `start` to `stop` - 1 of one split and kind."""

    split: Split
    kind: ClipKind
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The chunk's file inside the partial directory."""
        return f"{_CHUNKS}/{self.split}-{self.kind}-{self.start:06d}.jsonl"


def num_of(settings: WorldSettings, split: Split, kind: ClipKind) -> int:
    """Return how many clips or pictures a split has."""
    return {
        ("train", "video"): settings.num_clips,
        ("validation", "video"): settings.num_validation_clips,
        ("benchmark", "video"): settings.num_benchmark_clips,
        ("train", "image"): settings.num_images,
        ("validation", "image"): settings.num_validation_images,
        ("benchmark", "image"): settings.num_benchmark_images,
    }[split, kind]


def make_world(
    out: Path, settings: WorldSettings, seed: int, *, num_workers: int = DEFAULT_NUM_WORKERS, overwrite: bool = False
) -> Path:
    """Publish the world `out`; returns at once if it is there, goes on where a killed run stopped.

    Holds per split `videos/`, `images/`, `scenes.jsonl` (ClipRecord), `samples.jsonl` (Sample) and, if settings ask,
    `masks.jsonl`; beside them `dropped.jsonl` and `summary.json`. Raises DataError when more than 5 % of the clips
    of one split and kind had to be dropped, UsageError for a number of workers below 1 or a seed below 0: those
    below are WorldBench's (`bench_pools`).
    """
    check_workers(num_workers)
    if seed < 0:
        raise UsageError(f"the seed of a world must be at least 0, not {seed}", hint="those below 0 are WorldBench's")
    return artifact.build(
        out,
        kind=KIND,
        recipe=settings.to_dict(),
        seeds={"seed": seed},
        make=lambda partial: _make(partial, settings, seed, num_workers),
        overwrite=overwrite,
    )


def check_workers(num_workers: int) -> None:
    """Raise UsageError for a number of workers below 1."""
    if num_workers < 1:
        raise UsageError(f"the number of workers must be at least 1, not {num_workers}")


def _make(partial: Path, settings: WorldSettings, seed: int, num_workers: int) -> None:
    if not (partial / SUMMARY).is_file():  # it is written last: what it sums up is all there
        for split in SPLITS:
            for folder in ("videos", "images"):
                (partial / split / folder).mkdir(parents=True, exist_ok=True)
        (partial / _CHUNKS).mkdir(exist_ok=True)
        start = time.perf_counter()
        num_made = _make_chunks(partial, settings, seed, num_workers)
        seconds = time.perf_counter() - start
        _merge(partial, settings, seed)
        timing = {"num_made": num_made, "seconds": seconds, "num_workers": num_workers}
        artifact.write_run_record(partial, "make", timing | {"merge_seconds": time.perf_counter() - start - seconds})
    shutil.rmtree(partial / _CHUNKS, ignore_errors=True)


def _chunks(settings: WorldSettings) -> Iterator[Chunk]:
    kinds: tuple[ClipKind, ...] = ("video", "image")
    for split in SPLITS:
        for kind in kinds:
            total = num_of(settings, split, kind)
            for start in range(0, total, _CHUNK_SIZE):
                yield Chunk(split, kind, start, min(start + _CHUNK_SIZE, total))


def _make_chunks(partial: Path, settings: WorldSettings, seed: int, num_workers: int) -> int:
    """Make what is missing; return the number of clips and pictures made now."""
    chunks = list(_chunks(settings))
    missing = [chunk for chunk in chunks if not (partial / chunk.name).is_file()]
    num_done = sum(chunk.stop - chunk.start for chunk in chunks if chunk not in missing)
    num_missing = sum(chunk.stop - chunk.start for chunk in missing)
    with progress() as bar:
        task = bar.add_task("world", total=num_done + num_missing, completed=num_done)
        for chunk in _finished(partial, settings, seed, missing, num_workers):
            bar.advance(task, chunk.stop - chunk.start)
    return num_missing


def _finished(
    partial: Path, settings: WorldSettings, seed: int, missing: list[Chunk], num_workers: int
) -> Iterator[Chunk]:
    if num_workers == 1 or len(missing) < 2:
        for chunk in missing:
            make_chunk(partial, settings, seed, chunk)
            yield chunk
        return
    with worker_pool(min(num_workers, len(missing))) as pool:
        futures = {pool.submit(make_chunk, partial, settings, seed, chunk): chunk for chunk in missing}
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def make_chunk(partial: Path, settings: WorldSettings, seed: int, chunk: Chunk) -> None:
    """Make the clips of one chunk and write its file."""
    with artifact.translate_os_errors(partial):
        made = [
            make_clip(partial, settings, chunk.split, chunk.kind, index, seed)
            for index in range(chunk.start, chunk.stop)
        ]
        write_records(partial / chunk.name, [_line(clip, chunk) for clip in made])


def _line(clip: MadeClip, chunk: Chunk) -> dict[str, Any]:
    if clip.record is None:
        return {"dropped": {"id": clip.clip_id, "split": chunk.split, "kind": chunk.kind, "reason": clip.reason}}
    masks = [{str(frame): text for frame, text in track.items()} for track in clip.masks]
    return {"record": clip.record.to_dict(), "masks": masks}


def _merge(partial: Path, settings: WorldSettings, seed: int) -> None:
    dropped: list[dict[str, Any]] = []
    counts: dict[str, Any] = {}
    for split in SPLITS:
        lines = [
            line for chunk in _chunks(settings) if chunk.split == split for _, line in read_lines(partial / chunk.name)
        ]
        dropped += [line["dropped"] for line in lines if "dropped" in line]
        kept = [line for line in lines if "record" in line]
        records = [ClipRecord.model_validate(line["record"]) for line in kept]
        samples = samples_of_split(records, seed)
        write_records(partial / split / "scenes.jsonl", [line["record"] for line in kept])
        write_records(partial / split / "samples.jsonl", samples)
        if settings.write_masks:
            masks = [{"id": line["record"]["scene"]["id"], "masks": line["masks"]} for line in kept]
            write_records(partial / split / "masks.jsonl", masks)
        counts[split] = {
            "num_videos": sum(record.media.kind == "video" for record in records),
            "num_images": sum(record.media.kind == "image" for record in records),
            "num_samples": dict(sorted(Counter(sample.task for sample in samples).items())),
        }
    _check_dropped(dropped, settings)
    write_records(partial / "dropped.jsonl", dropped)
    write_records(partial / SUMMARY, [counts | {"num_dropped": len(dropped)}])


def _check_dropped(dropped: list[dict[str, Any]], settings: WorldSettings) -> None:
    for (split, kind), number in Counter((entry["split"], entry["kind"]) for entry in dropped).items():
        total = num_of(settings, split, kind)
        if number > MAX_DROPPED_SHARE * total:
            reason = next(item["reason"] for item in dropped if (item["split"], item["kind"]) == (split, kind))
            raise DataError(
                f"{number} of {total} {split} {kind}s failed their checks; the first: {reason}",
                hint="the codec may be too coarse: choose a smaller --quality or another --codec",
            )


def read_summary(directory: Path) -> dict[str, Any]:
    """Return the counts of a published world; ArtifactError if it has none."""
    for _, summary in read_lines(directory / SUMMARY) if (directory / SUMMARY).is_file() else ():
        return summary
    raise ArtifactError(f"{directory}: not a world (no {SUMMARY})")
