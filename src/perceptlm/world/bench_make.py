"""Drawing the clips of WorldBench: in chunks, by worker processes; a killed run goes on with the next chunk.

A finished chunk leaves one file in the partial directory. Nothing depends on the number of workers. Knows no question.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perceptlm.artifact import translate_os_errors
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import read_lines, write_records
from perceptlm.log import progress
from perceptlm.workers import worker_pool
from perceptlm.world.bench_pools import POOLS, BenchClips, PoolName, clip_name, pool_scene
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.make import MAX_DROPPED_SHARE
from perceptlm.world.make_clip import film

VIDEOS = "videos"
_CHUNKS = "chunks"
_CHUNK_SIZE = 10
_NUM_TRIED = 2


@dataclass(frozen=True)
class BenchChunk:
    """Clips `start` to `stop` - 1 of one pool."""

    pool: PoolName
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The chunk's file inside the partial directory."""
        return f"{_CHUNKS}/{self.pool}-{self.start:05d}.jsonl"


@dataclass(frozen=True)
class MadeBench:
    """All clips: their records by pool, why others are missing, and sha256 of each one's frames by its name."""

    records: dict[PoolName, list[ClipRecord]]
    dropped: list[dict[str, str]]
    drawn: dict[str, str]
    """Of the frames as drawn, before encoding: encoders differ from build to build."""


def make_bench_clips(partial: Path, clips: BenchClips, num_workers: int) -> tuple[MadeBench, dict[str, float]]:
    """Make the clips that are missing under `partial`/videos; return all, and how long what was made now took.

    DataError when more than 5 % of a pool's clips fail their checks.
    """
    for folder in (VIDEOS, _CHUNKS):
        (partial / folder).mkdir(exist_ok=True)
    chunks = list(_chunks(clips))
    missing = [chunk for chunk in chunks if not (partial / chunk.name).is_file()]
    num_missing = sum(chunk.stop - chunk.start for chunk in missing)
    start = time.perf_counter()
    with progress() as bar:
        task = bar.add_task("clips", total=clips.num_clips, completed=clips.num_clips - num_missing)
        for chunk in _finished(partial, clips, missing, num_workers):
            bar.advance(task, chunk.stop - chunk.start)
    timing = {"num_made": num_missing, "num_workers": num_workers, "seconds": time.perf_counter() - start}
    return _collect(partial, clips, chunks), timing


def forget_chunks(partial: Path) -> None:
    """Remove what only a run that goes on needs."""
    shutil.rmtree(partial / _CHUNKS, ignore_errors=True)


def make_bench_chunk(partial: Path, clips: BenchClips, chunk: BenchChunk) -> None:
    """Make the clips of one chunk and write its file."""
    with translate_os_errors(partial):
        lines = [_made(partial, clips, chunk.pool, number) for number in range(chunk.start, chunk.stop)]
        write_records(partial / chunk.name, lines)


def try_clips(clips: BenchClips) -> tuple[float, float]:
    """Make a few clips of each pool in a temporary folder; return what all would take: (bytes, seconds of one core)."""
    num_bytes, seconds = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / VIDEOS).mkdir()
        _made(root, clips, "fgqa", 0)  # the first one pays for what is loaded once
        for pool in POOLS:
            numbers = range(min(_NUM_TRIED, clips.num_of(pool)))
            start = time.perf_counter()
            for number in numbers:
                _made(root, clips, pool, number)
            seconds += (time.perf_counter() - start) / len(numbers) * clips.num_of(pool)
            sizes = [path.stat().st_size for path in (root / VIDEOS).glob(f"*_{pool}_*.mp4")]
            num_bytes += sum(sizes) / max(len(sizes), 1) * clips.num_of(pool)
    return num_bytes, seconds


def _made(root: Path, clips: BenchClips, pool: PoolName, number: int) -> dict[str, Any]:
    path = f"{VIDEOS}/{clip_name(clips.version, pool, number)}.mp4"
    made = film(root, clips.world(pool), pool_scene(clips, pool, number), "video", path)
    if made.record is None:
        return {"dropped": {"id": made.clip_id, "pool": pool, "reason": made.reason}}
    return {"record": made.record.to_dict(), "drawn": made.drawn_sha256}


def _chunks(clips: BenchClips) -> Iterator[BenchChunk]:
    for pool in POOLS:
        total = clips.num_of(pool)
        for start in range(0, total, _CHUNK_SIZE):
            yield BenchChunk(pool, start, min(start + _CHUNK_SIZE, total))


def _finished(partial: Path, clips: BenchClips, missing: list[BenchChunk], num_workers: int) -> Iterator[BenchChunk]:
    if num_workers == 1 or len(missing) < 2:
        for chunk in missing:
            make_bench_chunk(partial, clips, chunk)
            yield chunk
        return
    with worker_pool(min(num_workers, len(missing))) as pool:
        futures = {pool.submit(make_bench_chunk, partial, clips, chunk): chunk for chunk in missing}
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def _collect(partial: Path, clips: BenchClips, chunks: list[BenchChunk]) -> MadeBench:
    records: dict[PoolName, list[ClipRecord]] = {pool: [] for pool in POOLS}
    dropped: list[dict[str, str]] = []
    drawn: dict[str, str] = {}
    for chunk in chunks:
        for _, line in read_lines(partial / chunk.name):
            if "dropped" in line:
                dropped.append(line["dropped"])
                continue
            record = ClipRecord.model_validate(line["record"])
            records[chunk.pool].append(record)
            drawn[record.scene.id] = line["drawn"]
    for pool in POOLS:
        reasons = [entry["reason"] for entry in dropped if entry["pool"] == pool]
        if len(reasons) > MAX_DROPPED_SHARE * clips.num_of(pool):
            raise DataError(
                f"{len(reasons)} of {clips.num_of(pool)} {pool} clips failed their checks; the first: {reasons[0]}"
            )
    return MadeBench(records, dropped, drawn)
