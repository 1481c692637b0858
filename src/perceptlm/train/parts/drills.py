"""Drills: short questions about what a dense caption already tells, so that a decoder learns to find the moment.

A dense caption says what its subject does from when to when. Of each of its lines can be asked when that is (in the
words of RTLoc), and of any frame what happens there (in the words of RCap). Of the world's Samples nothing else asks
about idle times and single frames. Drills exist in lessons only. No torch, no scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perceptlm.media.sampling import choose_frames
from perceptlm.schema import DenseAnswer, Sample, Segment, Task, Turn
from perceptlm.schema.placeholders import frame_placeholder
from perceptlm.world import prompts
from perceptlm.world.phrases import choose


def drills(sample: Sample, num_frames: int, num_moments: int, rng: np.random.Generator) -> list[Sample]:
    """Return drills about a dense caption in an order drawn at random, `num_moments` of them about single frames.

    () for any other Sample. A line that stands twice is not asked for.
    """
    answer = sample.answer
    if not isinstance(answer, DenseAnswer):
        return []
    captions = [segment.caption for segment in answer.segments]
    found: list[Sample] = []
    for segment in answer.segments:
        if captions.count(segment.caption) == 1:
            question = choose(rng, prompts.RTLOC).format(caption=_inside(segment.caption))
            found.append(_drill(sample, "rtloc", question, _span(segment), len(found)))
    shown = choose_frames(sample.frames, num_frames, "uniform")
    for number in sorted(int(place) for place in rng.permutation(len(shown))[:num_moments]):
        question = choose(rng, prompts.RCAP).format(start=number, end=number)
        found.append(_drill(sample, "rcap", question, _told_at(answer.segments, shown[number]), len(found)))
    return [found[place] for place in rng.permutation(len(found))]


def _told_at(segments: Sequence[Segment], frame: int) -> str:
    """Return the caption of the last segment that has begun by `frame`; segments cover the clip in order."""
    begun = [segment for segment in segments if segment.span.start_frame <= frame]
    return (begun[-1] if begun else segments[0]).caption


def _inside(caption: str) -> str:
    """Return a caption as it stands within a question: without capital and full stop."""
    return caption[0].lower() + caption[1:].removesuffix(".")


def _span(segment: Segment) -> str:
    return f"[{frame_placeholder(segment.span.start_frame)}, {frame_placeholder(segment.span.end_frame)}]"


def _drill(sample: Sample, task: Task, question: str, reply: str, number: int) -> Sample:
    turns = (Turn(role="user", text=question), Turn(role="assistant", text=reply))
    return sample.model_copy(update={"id": f"{sample.id}.drill.{number}", "task": task, "turns": turns})
