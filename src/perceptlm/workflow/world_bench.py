"""Making WorldBench: clips -> questions -> tables in the released layout -> Samples, read back by our own converters.

    OUT/videos/                      the clips
    OUT/fgqa/plm_fgqa_test.jsonl     and so on: tables with the released columns
    OUT/metadata/metadata_test.jsonl boxes
    OUT/benchmark/samples.jsonl      the same questions as Samples, with the facts that the procedural judge needs
    OUT/scenes.jsonl                 the script and ground truth of every clip
    OUT/worldbench.json              name, counts, digests

Of the files, only the videos depend on the encoder's build.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

from perceptlm import artifact
from perceptlm.config import Config, digest_of, read_json_object
from perceptlm.data.released_rows import BOXES, table_file
from perceptlm.exchange.jsonl import write_records
from perceptlm.log import logger
from perceptlm.recipes.world_bench import STATED, StatedDigests, TaskCounts, WorldBenchRecipe
from perceptlm.schema import BENCHMARK_TASKS, Sample, Task
from perceptlm.workflow.world_bench_questions import write_questions
from perceptlm.world.bench_make import forget_chunks, make_bench_clips, try_clips
from perceptlm.world.bench_pools import POOLS
from perceptlm.world.bench_samples import bench_samples
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.make import DEFAULT_NUM_WORKERS, check_workers
from perceptlm.world.sample_writer import ORIGIN

KIND = "worldbench"
SUMMARY = "worldbench.json"
SCENES, DROPPED = "scenes.jsonl", "dropped.jsonl"


class BenchSummary(Config):
    """What a finished set says of itself."""

    name: str
    licence: str = ORIGIN.licence
    num_videos: int
    num_dropped: int
    tasks: dict[Task, TaskCounts]
    digests: StatedDigests
    as_stated: bool | None
    """Whether the digests are those of the version; None for a set of which none are stated."""


class BenchForecast(Config):
    """What making a set would take here. Bytes and seconds are extrapolated from a few clips of each pool."""

    name: str
    num_videos: int
    num_bytes: int
    seconds: float


def make_world_bench(
    out: Path, recipe: WorldBenchRecipe, *, num_workers: int = DEFAULT_NUM_WORKERS, overwrite: bool = False
) -> Path:
    """Publish the set `out`; returns at once if it is there, goes on where a killed run stopped.

    Raises DataError when too many clips fail their checks, or if a question as converted is not the one written.
    """
    check_workers(num_workers)
    return artifact.build(
        out,
        kind=KIND,
        recipe=recipe.to_dict(),
        make=lambda partial: _make(partial, recipe, num_workers),
        overwrite=overwrite,
    )


def read_bench_summary(directory: Path) -> BenchSummary:
    """Return what a published set says of itself; ArtifactError if it is none."""
    artifact.require_kind(directory, KIND)
    return BenchSummary.model_validate(read_json_object(directory / SUMMARY))


def forecast(recipe: WorldBenchRecipe, *, num_workers: int) -> BenchForecast:
    """Make a few clips in a temporary folder and extrapolate."""
    check_workers(num_workers)
    num_bytes, seconds = try_clips(recipe.clips)
    return BenchForecast(
        name=recipe.name,
        num_videos=recipe.clips.num_clips,
        num_bytes=math.ceil(num_bytes),
        seconds=round(seconds / num_workers, 1),
    )


def _make(partial: Path, recipe: WorldBenchRecipe, num_workers: int) -> None:
    if not (partial / SUMMARY).is_file():  # it is written last
        made, timing = make_bench_clips(partial, recipe.clips, num_workers)
        artifact.write_run_record(partial, "make", timing)
        written = [s for pool in POOLS for s in bench_samples(pool, made.records[pool], recipe.clips.version)]
        samples = write_questions(partial, recipe, written)
        records = _keep_asked_about(partial, [record for pool in POOLS for record in made.records[pool]], samples)
        write_records(partial / SCENES, records)
        write_records(partial / DROPPED, made.dropped)
        digests = StatedDigests(
            questions=_questions_digest(partial, samples),
            pictures=digest_of({record.scene.id: made.drawn[record.scene.id] for record in records}),
        )
        summary = BenchSummary(
            name=recipe.name,
            num_videos=len(records),
            num_dropped=len(made.dropped),
            tasks={task: _counts([sample for sample in samples if sample.task == task]) for task in BENCHMARK_TASKS},
            digests=digests,
            as_stated=STATED[recipe.name] == digests if recipe.name in STATED else None,
        )
        if summary.as_stated is False:
            logger.warning("%s as made here differs from the one that is stated: %s", recipe.name, digests)
        text = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False) + "\n"
        artifact.write_atomic(partial / SUMMARY, text.encode())
    forget_chunks(partial)


def _keep_asked_about(partial: Path, records: Sequence[ClipRecord], samples: Sequence[Sample]) -> list[ClipRecord]:
    """Return the records of clips that a question is about, and remove the files of the others."""
    asked = {sample.media[0].path for sample in samples}
    for record in records:
        if record.media.path not in asked:
            (partial / record.media.path).unlink(missing_ok=True)
    return [record for record in records if record.media.path in asked]


def _questions_digest(partial: Path, samples: Sequence[Sample]) -> str:
    """Return a digest of what is asked and what is right: tables and boxes as they lie there, answers with facts."""
    names = [BOXES, *(table_file(task) for task in BENCHMARK_TASKS)]
    tables = {name: hashlib.sha256((partial / name).read_bytes()).hexdigest() for name in names}
    answers = [(sample.id.partition(".")[2], sample.task, sample.answer.to_dict()) for sample in samples]
    return digest_of({"tables": tables, "answers": answers})


def _counts(samples: Sequence[Sample]) -> TaskCounts:
    return TaskCounts(
        rows=len(samples),
        items=len({sample.group or sample.id for sample in samples}),
        videos=len({sample.media[0].path for sample in samples}),
    )
