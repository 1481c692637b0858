"""The dense timeline of one subject: which frames show which of its events, none of them, or nothing of it at all.

Segments cover every frame of the clip, in order, without overlap. Knows no words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perceptlm.schema import TimeSpan
from perceptlm.world.clip_record import ClipView
from perceptlm.world.script import Event

_MIN_SEGMENT_FRAMES = 3
"""Shorter pieces of "nothing happens" or "not visible" are given to their neighbours."""


@dataclass(frozen=True)
class Piece:
    """A stretch of the timeline: an event, rest ("idle"), or absence ("out")."""

    state: Literal["event", "idle", "out"]
    span: TimeSpan
    event: Event | None = None


def timeline(view: ClipView, thing: int) -> tuple[Piece, ...]:
    """Return the pieces of `thing`'s timeline."""
    return tuple(_piece(label, start, end) for label, start, end in _runs(_absorb(_labels(view, thing))))


Label = Event | Literal["idle", "out"]


def _labels(view: ClipView, thing: int) -> list[Label]:
    boxes = view.shown[thing]
    labels: list[Label] = ["idle" if frame in boxes else "out" for frame in range(view.scene.num_frames)]
    for event in view.told_events_of(thing):
        span = view.event_span(event)
        if span is not None:
            for frame in range(span.start_frame, span.end_frame + 1):
                labels[frame] = event
    return labels


def _absorb(labels: list[Label]) -> list[Label]:
    """Give runs of "idle" and "out" that are too short to the run before them, or at the start to the one after."""
    result = list(labels)
    for label, start, end in _runs(labels):
        if isinstance(label, str) and end - start + 1 < _MIN_SEGMENT_FRAMES and len(set(map(id, result))) > 1:
            filler = result[start - 1] if start > 0 else result[end + 1] if end + 1 < len(result) else label
            result[start : end + 1] = [filler] * (end - start + 1)
    return result


def _runs(labels: list[Label]) -> list[tuple[Label, int, int]]:
    found: list[tuple[Label, int, int]] = []
    for frame, label in enumerate(labels):
        if found and (found[-1][0] is label or found[-1][0] == label):
            found[-1] = (label, found[-1][1], frame)
        else:
            found.append((label, frame, frame))
    return found


def _piece(label: Label, start: int, end: int) -> Piece:
    span = TimeSpan(start_frame=start, end_frame=end)
    if isinstance(label, Event):
        return Piece("event", span, label)
    return Piece(label, span)
