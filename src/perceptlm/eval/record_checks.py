"""What a record says about itself: spans too short for the grid, boxes that nobody sees, options that are equal.

Looks at one record at a time, and at those that ask the same (`Twins`). Opens no media.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from perceptlm.errors import DataError
from perceptlm.eval.questions import Question
from perceptlm.media.pictures import frames_shown
from perceptlm.schema import REGION_TASKS, ChoiceAnswer, DenseAnswer, Sample, SpanAnswer, TimeSpan
from perceptlm.schema.benchmark_prompts import option_lines


@dataclass(frozen=True)
class RecordFault:
    """`what` is one of few; `is_wrong` tells a mistake from a property that a reader of scores should know."""

    what: str
    detail: str = ""
    is_wrong: bool = True


@dataclass(frozen=True)
class Checked:
    """What one record shows: its faults, and the share of the shown frames on which its subject has a box."""

    faults: list[RecordFault] = field(default_factory=list)
    share_with_box: float | None = None


def check_record(question: Question, num_frames: int) -> Checked:
    """Return what is wrong with a question asked with at most `num_frames` pictures."""
    sample = question.sample
    faults = [*_media_length(sample, num_frames), *_options(sample), *_texts(question)]
    if spans := collapsed_spans(question):
        told = ", ".join(f"frames {span.start_frame} to {span.end_frame}" for span in spans[:3])
        total = len(reference_spans(sample))
        what = "reference span collapses on the grid: no answer overlaps it"
        if total > 1:
            what = "some reference spans collapse on the grid" if len(spans) < total else "all reference spans collapse"
        faults.append(RecordFault(what, f"{told} of {len(sample.frames)}", is_wrong=False))
    share = None
    if sample.task in REGION_TASKS:
        found, share = _boxes(question)
        faults += found
    return Checked(faults, share)


def reference_spans(sample: Sample) -> list[TimeSpan]:
    """Return the spans that an answer is compared with; none for answers without times."""
    if isinstance(sample.answer, SpanAnswer):
        return [sample.answer.span]
    return [segment.span for segment in sample.answer.segments] if isinstance(sample.answer, DenseAnswer) else []


def collapsed_spans(question: Question) -> list[TimeSpan]:
    """Return the reference spans that begin and end on the same shown frame: their overlap with anything is 0."""
    found = []
    for span in reference_spans(question.sample):
        try:
            start, end = question.shown_span(span)
        except DataError:
            continue  # said by `_texts`
        if start == end:
            found.append(span)
    return found


def best_reachable(question: Question) -> float:
    """Return the best score that any answer can have, with a judge that gives full marks.

    A located event that collapsed scores 0. A dense caption of n events of which k collapsed reaches, by telling the
    others only, SODA_c = 2 (n - k) / (2 n - k).
    """
    spans, num_collapsed = reference_spans(question.sample), len(collapsed_spans(question))
    if not spans:
        return 1.0
    return 2 * (len(spans) - num_collapsed) / (2 * len(spans) - num_collapsed)


def _media_length(sample: Sample, num_frames: int) -> list[RecordFault]:
    if len(sample.media) != 1 or sample.media[0].kind != "video" or len(sample.frames) >= num_frames:
        return []
    return [RecordFault(f"video has fewer than {num_frames} frames", f"{len(sample.frames)}", is_wrong=False)]


def _options(sample: Sample) -> list[RecordFault]:
    if not isinstance(sample.answer, ChoiceAnswer):
        return []
    options = [" ".join(option.casefold().split()).rstrip(".") for option in sample.answer.options]
    return [RecordFault("options are equal", options[0])] if len(set(options)) < len(options) else []


def _texts(question: Question) -> list[RecordFault]:
    try:
        _ = question.prompt, question.reference
    except DataError as error:
        return [RecordFault("speaks of a frame or box that is not there", error.message)]
    return []


def _boxes(question: Question) -> tuple[list[RecordFault], float | None]:
    sample = question.sample
    if not sample.regions:
        return [RecordFault("no region, though the question is about one")], None
    faults = []
    seen = {frame for region in sample.regions for frame in region.frames}
    total = sample.media[0].num_frames
    if beyond := sorted(frame for frame in seen if frame >= total):
        faults.append(RecordFault("box on a frame that the video does not have", f"frame {beyond[0]} of {total}"))
    shown = frames_shown(sample, num_frames=question.num_frames, choice="uniform")
    boxed = [frame for frame in shown if frame in seen]
    if not boxed:
        faults.append(RecordFault("region is on none of the shown frames", is_wrong=False))
    if sample.span is not None:
        span = sample.span
        if not any(span.start_frame <= frame <= span.end_frame for frame in boxed):
            detail = f"frames {span.start_frame} to {span.end_frame}"
            faults.append(RecordFault("region is not shown within the span asked about", detail, is_wrong=False))
    return faults, len(boxed) / len(shown)


class Twins:
    """Finds questions that ask the same about the same pictures, among those handed to `compare`."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Question] = {}

    def compare(self, question: Question) -> list[RecordFault]:
        """Return how `question` repeats an earlier one, if it does."""
        first = self._first.setdefault(asked_about(question), question)
        if first is question:
            return []
        answers = [_right_answer(item.sample) for item in (first, question)]
        if answers[0] == answers[1]:
            return [RecordFault("asks the same as another question", first.sample.id)]
        if isinstance(question.sample.answer, ChoiceAnswer | SpanAnswer):
            return [RecordFault("contradicts another question", first.sample.id)]
        return [RecordFault("asks the same as another, with another reference", first.sample.id, is_wrong=False)]


def asked_about(question: Question) -> Hashable:
    """Return what is equal for questions that ask the same: pictures, region, words; options in any order."""
    sample = question.sample
    text, options = sample.question, frozenset[str]()
    if isinstance(sample.answer, ChoiceAnswer):
        text = text.replace(option_lines(sample.answer.options), "")
        options = frozenset(option.strip() for option in sample.answer.options)
    regions = tuple(region.model_dump_json() for region in sample.regions)
    return (question.row, question.root, sample.media, regions, " ".join(text.split()), options)


def _right_answer(sample: Sample) -> Hashable:
    answer = sample.answer
    return answer.options[answer.index] if isinstance(answer, ChoiceAnswer) else answer.model_dump_json()
