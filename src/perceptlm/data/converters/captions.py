"""PLM-STC: RCap, RTLoc and RDCap of PLM-Video-Human and PLM-VideoBench, captions of a subject with their times.

Columns: facts/paper.md section 8. Spans are on a grid of 6 frames a second, from 0, ends included. A file of SA-V at
24 frames a second counts at every fourth frame (`frame_step`), so that frames, boxes and numbers are those that a 6 fps
file would give. The questions are the published ones; without regions they are others, and the tasks plain video tasks.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.rows import (
    Row,
    RowError,
    dialogue,
    fill_path,
    int_of,
    make_boxes,
    plain_text,
    span_of,
    text_of,
)
from perceptlm.schema import BoxTrack, DenseAnswer, MediaRef, Sample, Segment, SpanAnswer, TextAnswer, TimeSpan
from perceptlm.schema import benchmark_prompts as published
from perceptlm.schema.placeholders import LAST_FRAME, NUM_FRAMES, frame_placeholder, rescale_span

CaptionTask = Literal["rcap", "rtloc", "rdcap"]
_GRID_FRAMES = 32
_NATIVE_STEP = 4
"""SA-V is at 24 frames a second, its annotations at 6."""

_PLAIN_RCAP = (
    f"Give a detailed description of what a subject does within frames [{{start}}, {{end}}] in this {NUM_FRAMES} frame "
    "video."
)
_PLAIN_RTLOC = (
    "Please provide the start and end frame of when '{caption}' happens in the video. Use the format [start, end] "
    f"where start and end are frame numbers between 0 and {LAST_FRAME} in this {NUM_FRAMES} frame video."
)
_PLAIN_RDCAP = (
    "Create a dense caption of one subject's actions in the video. For each item use the format [start, end]: "
    f"[description] separated by a newline, where start and end are frame numbers between 0 and {LAST_FRAME} in this "
    f"{NUM_FRAMES} frame video."
)


class RegionCaptions:
    """Rows of one of the three tasks."""

    has_own_keys = True

    def __init__(self, context: Context, task: CaptionTask) -> None:
        self._context = context
        self._task = task
        own = ("dense_captions",) if task == "rdcap" else ("caption", "start_frame", "end_frame")
        self.columns = ("uid", "video", "masklet_id", "total_frames", *own)

    def convert(self, row: Row, place: str) -> Sample:
        """Return a caption of a span, the span of a caption, or all segments."""
        media = self._video(row)
        regions, attributes = self._regions(row, media)
        make = {"rcap": self._rcap, "rtloc": self._rtloc, "rdcap": self._rdcap}[self._task]
        values = make(row, media.frame_step)
        values["attributes"] |= attributes
        if self._context.regions is None:
            values["template"] = f"{self._context.format}.plain"
        return self._context.sample(
            str(int_of(row, "uid")), (media,), cluster=text_of(row, "video"), regions=regions, **values
        )

    def _video(self, row: Row) -> MediaRef:
        path = fill_path(self._context.video_path, row)
        whole, total = self._context.media.video(path), int_of(row, "total_frames")
        if whole.num_frames == total:
            return whole
        if math.ceil(whole.num_frames / _NATIVE_STEP) == total:
            return self._context.media.video(path, frame_step=_NATIVE_STEP)
        raise RowError("frame counts disagree", f"{path} has {whole.num_frames} frames, the row counts {total}")

    def _regions(self, row: Row, media: MediaRef) -> tuple[tuple[BoxTrack, ...], dict[str, Any]]:
        source, masklet_id = self._context.regions, int_of(row, "masklet_id")
        if source is None:
            return (), {}
        boxes = source.boxes(text_of(row, "video"), masklet_id, len(media.frames), media)
        late = next((frame for frame in boxes if frame >= len(media.frames)), None)
        if late is not None:
            raise RowError("box beyond the video", f"frame {late} of {len(media.frames)}")
        seen = {media.frames[frame]: box for frame, box in boxes.items() if not _is_empty(box)}
        if not seen:
            raise RowError("region is never visible", f"masklet {masklet_id}")
        attributes: dict[str, Any] = {"region_trusted": source.trusted}
        if len(seen) < len(boxes):
            attributes["num_empty_boxes"] = len(boxes) - len(seen)
        return (make_boxes(seen, media=media, subject=f"masklet-{masklet_id}"),), attributes

    def _rcap(self, row: Row, step: int) -> dict[str, Any]:
        span, caption = span_of(row, int_of(row, "total_frames")), text_of(row, "caption")
        prompt = published.RCAP if self._context.regions else _PLAIN_RCAP
        start, end = _placeholders(span, step)
        return {
            "task": "rcap" if self._context.regions else "video_caption",
            "dimension": "what",
            "turns": dialogue(prompt.format(start=start, end=end), caption),
            "answer": TextAnswer(text=caption),
            "span": _source_span(span, step),
            "attributes": {"span_collapses": _collapses(span, row)},
        }

    def _rtloc(self, row: Row, step: int) -> dict[str, Any]:
        span, caption = span_of(row, int_of(row, "total_frames")), text_of(row, "caption")
        prompt = published.RTLOC if self._context.regions else _PLAIN_RTLOC
        start, end = _placeholders(span, step)
        return {
            "task": "rtloc" if self._context.regions else "video_qa",
            "dimension": "when",
            "turns": dialogue(prompt.format(caption=caption), f"[{start}, {end}]"),
            "answer": SpanAnswer(span=_source_span(span, step)),
            "attributes": {"span_collapses": _collapses(span, row)},
        }

    def _rdcap(self, row: Row, step: int) -> dict[str, Any]:
        entries = row.get("dense_captions")
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise RowError("no dense captions")
        total = int_of(row, "total_frames")
        told = [(span_of(entry, total), _one_line(text_of(entry, "caption"))) for entry in entries]
        told.sort(key=lambda item: (item[0].start_frame, item[0].end_frame))
        lines = ["[{}, {}]: {}".format(*_placeholders(span, step), caption) for span, caption in told]
        segments = tuple(Segment(span=_source_span(span, step), caption=caption) for span, caption in told)
        num_collapsed = sum(_collapses(span, row) for span, _ in told)
        return {
            "task": "rdcap" if self._context.regions else "video_caption",
            "dimension": "when",
            "turns": dialogue(published.RDCAP if self._context.regions else _PLAIN_RDCAP, "\n".join(lines)),
            "answer": DenseAnswer(segments=segments),
            "attributes": {"span_collapses": num_collapsed > 0, "num_collapsed_spans": num_collapsed},
        }


def _placeholders(span: TimeSpan, step: int) -> tuple[str, str]:
    return frame_placeholder(span.start_frame * step), frame_placeholder(span.end_frame * step)


def _source_span(span: TimeSpan, step: int) -> TimeSpan:
    return TimeSpan(start_frame=span.start_frame * step, end_frame=span.end_frame * step)


def _collapses(span: TimeSpan, row: Row) -> bool:
    """Whether a span begins and ends on the same of 32 shown frames: no answer can overlap it."""
    total = int_of(row, "total_frames")
    start, end = rescale_span(span, total, min(total, _GRID_FRAMES))
    return start == end


def _is_empty(box: Any) -> bool:
    try:
        x1, y1, x2, y2 = (float(value) for value in box)
    except (TypeError, ValueError) as error:
        raise RowError("no valid box", str(box)[:80]) from error
    return x1 >= x2 or y1 >= y2


def _one_line(text: str) -> str:
    return plain_text(" ".join(text.split()))
