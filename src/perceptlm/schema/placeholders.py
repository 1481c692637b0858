"""What a text leaves open until it is shown: frame numbers, boxes, and where its images stand.

A Sample speaks of source frames; a model sees `n` sampled frames and is asked for numbers 0..n-1 (PLM-VideoBench:
`f * n // total_frames`; of a clip, both are counted from its beginning and in its steps). So a record's text holds
placeholders, and whoever shows it to a model resolves them for the `n` in use. Only text of dataset records is
resolved, never what a user types; boxes alone are, if regions come with the question.

    <|frame:17|>     the sampled-frame number of source frame 17
    <|last_frame|>   n - 1
    <|num_frames|>   n
    <|bbox0|>        the box of region 0 of an image, such as [020,031,083,093]

Users may write the last one, as records do: `<image>` marks where one of several images stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from perceptlm.errors import DataError
from perceptlm.schema.records import TimeSpan, Turn

LAST_FRAME = "<|last_frame|>"
NUM_FRAMES = "<|num_frames|>"
IMAGE_MARKER = "<image>"
_FRAME = re.compile(r"<\|frame:([0-9]+)\|>")
_BOX = re.compile(r"<\|bbox([0-9]+)\|>")
_MARKER_LINE = re.compile(r"(?:<image>|<video>)\n?|\n(?:<image>|<video>)$")
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


def shown_number(source_frame: int, frames: range, num_frames: int) -> int:
    """Return the sampled-frame number of a source frame where `num_frames` of `frames` are shown.

    DataError if it is not within `frames`.
    """
    if not frames.start <= source_frame < frames.stop:
        where = f"{len(frames)}" if frames.start == 0 else f"frames {frames.start} to {frames.stop - 1} in its clip"
        raise DataError(f"text speaks of frame {source_frame}, but the video has {where}")
    return rescale_frame((source_frame - frames.start) // frames.step, len(frames), num_frames)


def resolve(text: str, *, frames: range, num_frames: int, boxes: Sequence[str | None] = ()) -> str:
    """Replace every placeholder for a video of which `num_frames` of `frames` are shown.

    `boxes` say the box of every region as text, or None of one that has no such text. DataError names what a
    placeholder speaks of and is not there.
    """

    def number(match: re.Match[str]) -> str:
        digits = match.group(1)
        return str(shown_number(int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS, frames, num_frames))

    text = resolve_boxes(_FRAME.sub(number, text), boxes)
    return text.replace(LAST_FRAME, str(num_frames - 1)).replace(NUM_FRAMES, str(num_frames))


def holds_placeholder(text: str) -> bool:
    """Whether a text, as a person or model wrote it, would be taken for one with frames or boxes to fill in."""
    return LAST_FRAME in text or NUM_FRAMES in text or bool(_FRAME.search(text) or _BOX.search(text))


def box_placeholder(region: int) -> str:
    """Return the placeholder for the box of a region."""
    return f"<|bbox{region}|>"


def resolve_boxes(text: str, boxes: Sequence[str | None]) -> str:
    """Replace every placeholder of a box; DataError for one of a region that is not there, or has no box as text."""

    def box(match: re.Match[str]) -> str:
        digits = match.group(1)
        if len(digits) > _MAX_DIGITS or int(digits) >= len(boxes):
            raise DataError(f"text speaks of box {digits[:_MAX_DIGITS]}, but there are {len(boxes)} regions")
        found = boxes[int(digits)]
        if found is None:
            raise DataError(f"text speaks of box {digits}, but region {digits} is not a box of an image")
        return found

    return _BOX.sub(box, text)


def marks_images(turns: Sequence[Turn], kinds: Sequence[str]) -> bool:
    """Whether images stand within the text: there are several, and the user's turns mark them."""
    marked = any(IMAGE_MARKER in turn.text for turn in turns if turn.role == "user")
    return marked and len(kinds) > 1 and "video" not in kinds


def texts_around_images(turns: Sequence[Turn], kinds: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each turn's text as the pieces between the images that stand in it; `kinds` are those of the media.

    Several images stand where the user's turns mark them with `<image>`, in order, or all before the first text if
    none is marked. A video or a single image always stands before the first text, and markers in that text
    (`<image>` or `<video>`, with the end of their line) mean nothing. A text without media is left as it is.
    Sources: facts/reference-implementation.md 2.3 and 2.7, where nothing counts the markers. DataError if there are
    more or fewer of them than images.
    """
    texts: list[tuple[str, ...]] = [(turn.text,) for turn in turns]
    first = next((place for place, turn in enumerate(turns) if turn.role == "user"), None)
    if not kinds or first is None:
        return texts
    if len(kinds) == 1 or "video" in kinds:
        texts[first] = (_MARKER_LINE.sub("", turns[first].text),)
        return texts
    if not marks_images(turns, kinds):
        return texts
    split = [tuple(turn.text.split(IMAGE_MARKER)) if turn.role == "user" else (turn.text,) for turn in turns]
    num_markers = sum(len(pieces) - 1 for pieces in split)
    if num_markers != len(kinds):
        raise DataError(
            f"{num_markers} markers {IMAGE_MARKER} in the text, but {len(kinds)} images",
            hint="mark each image once, or none",
        )
    return split
