"""Where questions come from: worlds, WorldBench, and datasets of released benchmarks that `plm data convert` wrote.

Reads records; opens no media. Whether the files they name are there is looked at in `coverage`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perceptlm import artifact
from perceptlm.config import read_json_object
from perceptlm.data.dataset_files import read_located, record_files
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.questions import Question, make_question, make_questions
from perceptlm.eval.settings import EvalSettings
from perceptlm.schema import Split

WORLD, DATASET, WORLDBENCH = "world", "dataset", "worldbench"
_TRAIN: Split = "train"
_passing_over: list[bool] = []
"""One for each `collector_past_records` that has not ended; asking the collector would have it count all it keeps."""


@dataclass(frozen=True)
class EvalData:
    """A directory of records, and where paths of its media begin; None: where they lay when it was converted, or in
    the directory itself."""

    directory: Path
    media: Path | None = None

    @property
    def root(self) -> Path:
        """Where paths of media begin."""
        if self.media is not None:
            return self.media
        record = self.directory / artifact.RUN_FOLDER / "convert.json"
        found = read_json_object(record).get("media_root") if record.is_file() else None
        return Path(found) if isinstance(found, str) else self.directory


def check_data(data: Sequence[EvalData]) -> None:
    """Raise ArtifactError or UsageError for what is no world, no dataset, named twice, or has no media folder."""
    if not data:
        raise UsageError("there is nothing to ask: name a dataset")
    for item in data:
        artifact.require_kind(item.directory, WORLD, DATASET, WORLDBENCH)
        if not item.root.is_dir():
            raise UsageError(f"{item.root}: there is no such directory", hint="--media names where the media files are")
    if len({item.directory.resolve() for item in data}) != len(data):
        raise UsageError("one dataset is named twice")


def load_questions(data: Sequence[EvalData], settings: EvalSettings) -> tuple[Question, ...]:
    """Return the questions of the asked split and rows, dataset after dataset, in the order of their records.

    Raises DataError naming file and line for a bad record or an id that occurs twice; and if there is no question.
    """
    with collector_paused():
        questions = [question for item in data for question in _questions(item, settings.split, settings)]
    seen: set[str] = set()
    for question in questions:
        if question.sample.id in seen:
            raise DataError(f"two records have the id {question.sample.id}", hint="leave one of the datasets out")
        seen.add(question.sample.id)
    asked = tuple(question for question in questions if question.row in settings.tasks)
    if not asked:
        found = ", ".join(sorted({question.row for question in questions})) or "no benchmark question"
        where = " and ".join(str(item.directory) for item in data)
        raise DataError(f"no question to ask: split '{settings.split}' of {where} holds {found}")
    return asked


def training_questions(data: Sequence[EvalData], settings: EvalSettings) -> tuple[Question, ...]:
    """Return the questions of the training splits, from which baselines are learnt; those without one have none."""
    found: list[Question] = []
    with collector_paused():
        for item in data:
            if _TRAIN in record_files(item.directory):
                found += _questions(item, _TRAIN, settings)
    return tuple(found)


def _questions(item: EvalData, split: Split, settings: EvalSettings) -> Sequence[Question]:
    if artifact.read_manifest(item.directory).kind == WORLD and item.media is None:
        samples = SampleSet.open(item.directory, split).samples
        return make_questions(samples, settings.num_frames, settings.profile, item.directory)
    root = item.root  # reads a file
    found = []
    for located in read_located(item.directory, [split]):
        if isinstance(located.found, DataError):
            raise located.found
        question = make_question(located.found, settings.num_frames, settings.profile, root)
        if question is not None:
            found.append(question)
    return found


@contextmanager
def collector_paused() -> Iterator[None]:
    """Look for no garbage: among records, which are kept and know no cycles, that takes longer than reading them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # or the first thing that the collector does is to look through all that was made meanwhile
        if not _passing_over:
            gc.unfreeze()  # what is kept counts as old now
        if was_enabled:
            gc.enable()


@contextmanager
def collector_past_records() -> Iterator[None]:
    """Have the collector of garbage pass over all that is there now, until the block ends: questions stay anyway."""
    _passing_over.append(True)
    gc.freeze()
    try:
        yield
    finally:
        _passing_over.pop()
        if not _passing_over:
            gc.unfreeze()
