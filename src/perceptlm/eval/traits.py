"""What scores are broken down by, beyond what a record says of itself: length, size of the box, number of events.

Everything is measured on the record, never on pixels. This module knows no score and no bin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import chain

import numpy as np

from perceptlm.eval.questions import Question
from perceptlm.schema import BoxTrack, DenseAnswer, Sample, SpanAnswer

Attributes = dict[str, str | int | float | bool]
EventCounts = Mapping[Hashable, int]
_DIGITS = 4


def count_events(questions: Iterable[Question]) -> EventCounts:
    """Return, by subject of a video, how many different events questions of `rcap` and `rtloc` are about.

    Hand in all questions of a benchmark: it says of an event only by asking about it.
    """
    spans: dict[Hashable, set[tuple[int, int]]] = defaultdict(set)
    for question in questions:
        sample = question.sample
        span = sample.answer.span if isinstance(sample.answer, SpanAnswer) else sample.span
        if span is not None and sample.regions:
            spans[_subject(question)].add((span.start_frame, span.end_frame))
    return {subject: len(found) for subject, found in spans.items()}


def traits_of(question: Question, events: EventCounts) -> Attributes:
    """Return the attributes of a question's record, and with them, as far as the record tells:

    `clip_seconds`, the length of what may be shown; `box_share`, the mean share of the picture that the first region's
    box takes, over the frames that have one; `num_events`, of a dense caption its segments, else those of `events`.
    """
    sample = question.sample
    found: Attributes = {}
    if (seconds := clip_seconds(sample)) is not None:
        found["clip_seconds"] = round(seconds, _DIGITS)
    if (share := box_share(sample)) is not None:
        found["box_share"] = round(share, _DIGITS)
    if isinstance(sample.answer, DenseAnswer):
        found["num_events"] = len(sample.answer.segments)
    elif (number := events.get(_subject(question))) is not None:
        found["num_events"] = number
    return found | sample.attributes


def clip_seconds(sample: Sample) -> float | None:
    """Return how long the clip is, from its first frame to the end of its last; None without a video or a rate."""
    if len(sample.media) != 1 or sample.media[0].kind != "video" or sample.media[0].frames_per_second is None:
        return None
    media = sample.media[0]
    return len(media.frames) * media.frame_step / _rate(str(media.frames_per_second))


@lru_cache(maxsize=64)
def _rate(text: str) -> float:
    return float(Fraction(text))


def box_share(sample: Sample) -> float | None:
    """Return the mean share of the picture within the first region's boxes; None if it has none."""
    if len(sample.media) != 1 or not sample.regions:
        return None
    region, media = sample.regions[0], sample.media[0]
    if not isinstance(region, BoxTrack) or not region.boxes:
        return None
    # Thousands of rows have a hundred boxes each: arrays are ten times as fast as a loop.
    boxes = np.fromiter(chain.from_iterable(region.boxes.values()), np.float64).reshape(-1, 4)
    sides = np.minimum(boxes[:, 2:], (media.width, media.height)) - np.maximum(boxes[:, :2], 0.0)
    return float(np.prod(sides, axis=1).mean()) / (media.width * media.height)


def _subject(question: Question) -> Hashable:
    sample = question.sample
    return (question.root, sample.media, sample.regions[0].subject if sample.regions else None)


def describe_attributes(attributes: Mapping[str, str | int | float | bool]) -> list[str]:
    """Return what is known of a question as short words, names not known here as they are."""
    words = []
    for name, value in sorted(attributes.items()):
        if name in ("num_things", "num_events"):
            noun = name.removeprefix("num_").removesuffix("s")
            words.append(f"{value} {noun}{'' if value == 1 else 's'}")
        elif name == "occlusion":
            words.append(f"hidden: {value}")
        elif name == "held_out":
            words.append("thing and action held out of training" if value else "thing and action seen in training")
        elif name == "egocentric":
            words.extend(["seen by its wearer"] if value else [])
        elif name == "clip_seconds":
            words.append(f"{value:g} s" if isinstance(value, float) else f"{value} s")
        elif name == "box_share" and isinstance(value, float):
            words.append(f"box: {100 * value:.1f} % of the picture")
        else:
            words.append(f"{name.replace('_', ' ')}: {value}")
    return words
