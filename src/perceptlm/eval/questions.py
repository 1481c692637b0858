"""From Samples to questions: what is asked, in the frame numbers of the pictures that are shown.

A question is a Sample's conversation up to its last user turn. Nothing here opens a file or knows a metric.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from perceptlm.errors import DataError
from perceptlm.eval.benchmarks.images.table import image_row
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile
from perceptlm.eval.benchmarks.plm_videobench.prompts import plain_question, profiled
from perceptlm.eval.settings import ROW_NAMES, RowName
from perceptlm.schema import BENCHMARK_TASKS, Sample, TimeSpan, Turn
from perceptlm.schema.placeholders import resolve, shown_number


@dataclass(frozen=True)
class Question:
    """One Sample as it is asked with `num_frames` pictures, in the wording of `profile`.

    The paths of its media begin at `root`.
    """

    sample: Sample
    row: RowName
    num_frames: int
    profile: Profile = "strict"
    root: Path = Path()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation before the answer, frame numbers resolved."""
        *earlier, last = self.sample.turns[:-1]
        before = (turn.model_copy(update={"text": self._resolve(turn.text)}) for turn in earlier)
        return (*before, last.model_copy(update={"text": self.prompt}))

    @cached_property
    def prompt(self) -> str:
        """The last user text."""
        sample = self.sample
        return self._resolve(profiled(sample.question, sample.task, self.profile, total_frames=len(self._frames)))

    @property
    def plain(self) -> str:
        """The question that a judge is told: without what the prompt says about how to answer."""
        return self._resolve(plain_question(self.sample.question, self.sample.task))

    @cached_property
    def reference(self) -> str:
        """The answer hoped for."""
        return self._resolve(self.sample.reference)

    @property
    def unit(self) -> str:
        """What is scored as one: the group of an FGQA question, otherwise the question itself."""
        group = self.sample.group
        return group if self.row == "fgqa" and group is not None else self.sample.id

    def shown_span(self, span: TimeSpan) -> tuple[int, int]:
        """Return a span of source frames in numbers of shown frames."""
        return (
            shown_number(span.start_frame, self._frames, self.num_frames),
            shown_number(span.end_frame, self._frames, self.num_frames),
        )

    @cached_property
    def _frames(self) -> range:
        # Worked out from rates and times by fractions, which for every number of a text would take most of scoring.
        return self.sample.frames

    def _resolve(self, text: str) -> str:
        return resolve(text, frames=self._frames, num_frames=self.num_frames, boxes=self.sample.box_texts)


def row_of(sample: Sample) -> RowName | None:
    """Return the row of the results table a Sample belongs to; None for video tasks outside the benchmark."""
    if sample.task in BENCHMARK_TASKS:
        return next(row for row in ROW_NAMES if row == sample.task)
    if any(media.kind != "image" for media in sample.media):
        return None
    return image_row(sample) or "image"


def make_question(sample: Sample, num_frames: int, profile: Profile = "strict", root: Path = Path()) -> Question | None:
    """Return the question of a Sample for `num_frames` sampled pictures (fewer if the video or clip is shorter)."""
    row = row_of(sample)
    if row is None:
        return None
    if len(sample.media) != 1:
        raise DataError(f"sample {sample.id}: a question is about one image or video, not {len(sample.media)}")
    return Question(sample, row, min(len(sample.frames), num_frames), profile, root)


def make_questions(
    samples: Iterable[Sample], num_frames: int, profile: Profile = "strict", root: Path = Path()
) -> tuple[Question, ...]:
    """Return the questions of `samples` in their order; samples of other tasks are left out."""
    questions = (make_question(sample, num_frames, profile, root) for sample in samples)
    return tuple(question for question in questions if question is not None)


def first_questions(questions: Iterable[Question], limit: int | None) -> tuple[Question, ...]:
    """Return the questions of the first `limit` items of each row (FGQA: whole groups); all of them for None."""
    if limit is None:
        return tuple(questions)
    kept: list[Question] = []
    items: dict[RowName, set[str]] = {row: set() for row in ROW_NAMES}
    for question in questions:
        chosen = items[question.row]
        if question.unit in chosen or len(chosen) < limit:
            chosen.add(question.unit)
            kept.append(question)
    return tuple(kept)
