"""Frame numbers in text: written in source frames, shown in sampled frames.

A Sample speaks of source frames; a model sees `n` sampled frames and is asked for numbers 0..n-1 (PLM-VideoBench:
`f * n // total_frames`). So a record's text holds placeholders, and whoever shows it to a model resolves them for
the `n` in use. Only text of dataset records is resolved, never what a user types.

    <|frame:17|>     the sampled-frame number of source frame 17
    <|last_frame|>   n - 1
    <|num_frames|>   n
"""

from __future__ import annotations

import re

from perceptlm.errors import DataError
from perceptlm.schema.records import TimeSpan

LAST_FRAME = "<|last_frame|>"
NUM_FRAMES = "<|num_frames|>"
_FRAME = re.compile(r"<\|frame:([0-9]+)\|>")
_MAX_DIGITS = 12


def frame_placeholder(source_frame: int) -> str:
    """Return the placeholder for a source frame."""
    return f"<|frame:{source_frame}|>"


def rescale_frame(source_frame: int, total_frames: int, num_frames: int) -> int:
    """Return the sampled-frame number of a source frame: `source_frame * num_frames // total_frames`."""
    return source_frame * num_frames // total_frames


def rescale_span(span: TimeSpan, total_frames: int, num_frames: int) -> tuple[int, int]:
    """Return (start, end) in sampled frames; equal numbers mean an event too short to be recalled."""
    return (
        rescale_frame(span.start_frame, total_frames, num_frames),
        rescale_frame(span.end_frame, total_frames, num_frames),
    )


def resolve(text: str, *, total_frames: int, num_frames: int) -> str:
    """Replace every placeholder for a video of `total_frames` shown as `num_frames`; DataError if out of range."""

    def number(match: re.Match[str]) -> str:
        digits = match.group(1)
        if len(digits) > _MAX_DIGITS or int(digits) >= total_frames:
            raise DataError(f"text speaks of frame {digits[:_MAX_DIGITS]}, but the video has {total_frames}")
        return str(rescale_frame(int(digits), total_frames, num_frames))

    text = _FRAME.sub(number, text)
    return text.replace(LAST_FRAME, str(num_frames - 1)).replace(NUM_FRAMES, str(num_frames))
