"""WorldBench's questions, twice: as tables with the released columns, and as Samples with facts.

The Samples are what our own converters make of the tables, and every build compares them with what the world's writers
wrote: question, options, answer, span, boxes and media must be equal. Only what tables have no column for is then taken
from the writers: facts, template, dimension, attributes. Draws nothing and publishes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.formats import FORMATS
from perceptlm.data.converters.media_files import MediaFiles
from perceptlm.data.converters.regions import BoxFile
from perceptlm.data.released_rows import BOXES, Row, box_rows, released_rows, table_file
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import write_records
from perceptlm.log import progress
from perceptlm.recipes.world_bench import WorldBenchRecipe
from perceptlm.schema import BENCHMARK_TASKS, REGION_TASKS, Answer, BoxTrack, DenseAnswer, Sample, Task, TextAnswer
from perceptlm.world.bench_make import VIDEOS
from perceptlm.world.bench_pools import SPLIT
from perceptlm.world.sample_writer import ORIGIN

SAMPLES = f"{SPLIT}/samples.jsonl"
VIDEO_PATH = f"{VIDEOS}/{{video}}"
"""Where a row's video is, below the set's directory."""


def write_questions(partial: Path, recipe: WorldBenchRecipe, written: Sequence[Sample]) -> list[Sample]:
    """Write tables, boxes and Samples; return the Samples: task after task, in the order of the tables.

    DataError for a question that, as converted, is not the one written.
    """
    key = f"wb{recipe.clips.version}"
    by_task = {task: [sample for sample in written if sample.task == task] for task in BENCHMARK_TASKS}
    for folder in (SPLIT, "metadata", *BENCHMARK_TASKS):
        (partial / folder).mkdir(exist_ok=True)
    write_records(partial / BOXES, box_rows([sample for task in REGION_TASKS for sample in by_task[task]]))
    found: list[Sample] = []
    with progress() as bar:
        task_bar = bar.add_task("questions", total=len(written))
        for task, samples in by_task.items():
            rows = released_rows(samples, source=recipe.name, key=key)
            write_records(partial / table_file(task), rows)
            for sample in _converted(partial, recipe.name, task, rows, samples):
                found.append(sample)
                bar.advance(task_bar)
    write_records(partial / SAMPLES, found)
    return found


def _converted(root: Path, name: str, task: Task, rows: Sequence[Row], written: Sequence[Sample]) -> Iterator[Sample]:
    context = Context(
        format=f"{name}-{task}",
        split=SPLIT,
        origin=ORIGIN,
        media=MediaFiles(root),
        video_path=VIDEO_PATH,
        clips="cut",
        regions=BoxFile(root / BOXES) if task in REGION_TASKS else None,
    )
    converter = FORMATS[f"bench-{task}"].make(context)
    for number, (row, own) in enumerate(zip(rows, written, strict=True)):
        sample = converter.convert(row, str(number))
        differing = [field for field, value in asked(sample).items() if asked(own)[field] != value]
        if differing:
            raise DataError(f"sample {own.id}, written as a row and converted, has another {' and '.join(differing)}")
        yield sample.model_copy(
            update={
                "answer": own.answer,
                "template": own.template,
                "dimension": own.dimension,
                "attributes": sample.attributes | own.attributes,
            }
        )


def asked(sample: Sample) -> dict[str, Any]:
    """Return what a table says of a Sample, by name: two are the same question if these are equal."""
    return {
        "question": sample.question,
        "answer": without_facts(sample.answer),
        "span": sample.span,
        "boxes": [region.boxes for region in sample.regions if isinstance(region, BoxTrack)],
        "media": sample.media,
        "task": sample.task,
        "split": sample.split,
    }


def without_facts(answer: Answer) -> Answer:
    """Return an answer as people read it."""
    if isinstance(answer, TextAnswer):
        return answer.model_copy(update={"facts": ()})
    if isinstance(answer, DenseAnswer):
        return DenseAnswer(segments=tuple(part.model_copy(update={"facts": ()}) for part in answer.segments))
    return answer
