"""LLaVA's JSON and the training JSONL of the public PLM code: conversations about images, a video, or nothing.

Of pairwise judgements, `conversations` ends with a question, and `chosen` and `rejected` (`from`, `value`) answer it.
A row has `image` (a path or several), `video` (with `start_time`, `end_time` in seconds, and `bbox_map`: frame -> box
or null) or neither, and `conversations` (`from`, `value`) or `text`. `bbox` ([x, y, w, h] in pixels of a `width` x
`height` picture) fills `<|bboxN|>` in the text. Sources: facts/reference-implementation.md sections 2.5, 2.7 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.rows import (
    Row,
    RowError,
    attributes_of,
    dialogue,
    make_boxes,
    plain_text,
    seconds_of,
    text_of,
)
from perceptlm.errors import DataError
from perceptlm.schema import BoxTrack, MediaRef, Sample, Task, TextAnswer, Turn
from perceptlm.schema.placeholders import resolve_boxes

_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}


class Conversations:
    """Rows of either kind; `has_own_keys` is false because their ids are often missing or repeated."""

    columns = ()
    has_own_keys = False

    def __init__(self, context: Context) -> None:
        self._context = context

    def convert(self, row: Row, place: str) -> Sample:
        """Return a conversation about what the row shows."""
        media = self._media(row)
        regions = _regions(row, media)
        num_boxes = sum(region.shown_as == "text" for region in regions)
        rejected = None
        if row.get("chosen") is not None or row.get("rejected") is not None:
            turns, rejected = _judged(row, num_boxes)
        elif isinstance(row.get("text"), str) and "conversations" not in row:
            turns = dialogue("", text_of(row, "text"))
        else:
            turns = turns_of(row.get("conversations"), num_boxes=num_boxes)
        return self._context.sample(
            place,
            media,
            task=self._context.task or _task(row, media),
            turns=turns,
            answer=TextAnswer(text=turns[-1].text),
            rejected=rejected,
            cluster=media[0].path if media else f"{self._context.format}.{place}",
            regions=regions,
            attributes=attributes_of(row, source_id="id"),
        )

    def _media(self, row: Row) -> tuple[MediaRef, ...]:
        files, image, video = self._context.media, row.get("image"), row.get("video")
        if image and video:
            raise RowError("an image and a video")
        if video:
            return (files.video(_path(video), start=seconds_of(row, "start_time"), end=seconds_of(row, "end_time")),)
        return tuple(
            files.image(_path(path)) for path in (image if isinstance(image, list) else [image] if image else [])
        )


def turns_of(conversations: Any, *, num_boxes: int = 0) -> tuple[Turn, ...]:
    """Return a conversation's turns; what an assistant says before anyone asked is left out, as in the public code.

    RowError for anything but turns of user and assistant that end with the assistant.
    """
    if not isinstance(conversations, list):
        raise RowError("no conversation")
    turns: list[Turn] = []
    for entry in conversations:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("value"), str):
            raise RowError("no conversation", "an entry has no 'value'")
        role = _ROLES.get(str(entry.get("from")))
        if role is None:
            raise RowError("unknown role", str(entry.get("from"))[:40])
        if role != "assistant" or any(turn.role == "user" for turn in turns):
            turns.append(Turn(role=role, text=_checked(entry["value"], num_boxes)))
    roles = [turn.role for turn in turns[turns[:1] != [] and turns[0].role == "system" :]]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise RowError("turns do not alternate up to an answer", ", ".join(roles)[:80])
    if not turns[-1].text.strip():
        raise RowError("empty answer")
    return tuple(turns)


def _judged(row: Row, num_boxes: int) -> tuple[tuple[Turn, ...], str]:
    """Return the turns of a row with two answers, up to the better one, and the worse one."""
    conversations = row.get("conversations")
    if not isinstance(conversations, list):
        raise RowError("no conversation")
    answers = {}
    for name in ("chosen", "rejected"):
        entry = row.get(name)
        if not isinstance(entry, Mapping) or not isinstance(entry.get("value"), str):
            raise RowError(f"no answer in '{name}'", f"found {type(entry).__name__}")
        if _ROLES.get(str(entry.get("from"))) != "assistant":
            raise RowError(f"'{name}' is not the assistant's", str(entry.get("from"))[:40])
        answers[name] = entry
    turns = turns_of([*conversations, answers["chosen"]], num_boxes=num_boxes)
    rejected = _checked(answers["rejected"]["value"], num_boxes)
    if not rejected.strip():
        raise RowError("empty answer", "in 'rejected'")
    if rejected.strip() == turns[-1].text.strip():
        raise RowError("both answers are the same")
    return turns, rejected


def _checked(text: str, num_boxes: int) -> str:
    """Return a text in which nothing but the boxes there are, if any, is to be filled in."""
    try:
        plain_text(resolve_boxes(text, [""] * num_boxes) if num_boxes else text)
    except RowError:
        raise
    except DataError as error:
        raise RowError("text speaks of a box that is not there", error.message) from error
    return text


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise RowError("no file name", f"found {type(value).__name__}")
    return value


def _task(row: Row, media: Sequence[MediaRef]) -> Task:
    is_caption = "conversations" not in row
    if not media:
        return "text_qa"
    if media[0].kind == "video":
        return "video_caption" if is_caption else "video_qa"
    if row.get("bbox"):
        return "grounding"
    return "image_caption" if is_caption else "image_qa"


def _regions(row: Row, media: Sequence[MediaRef]) -> tuple[BoxTrack, ...]:
    if row.get("bbox_map"):
        return _tracked(row["bbox_map"], media)
    boxes = row.get("bbox") or []
    if not boxes:
        return ()
    if len(media) != 1 or media[0].kind != "image" or not isinstance(boxes, list):
        raise RowError("boxes without a single image")
    (image,) = media
    # Boxes are measured on a picture of the row's size, whatever size the file has.
    try:
        across, down = (
            image.width / float(row.get("width") or image.width),
            image.height / float(row.get("height") or image.height),
        )
        scaled = [(x * across, y * down, (x + width) * across, (y + height) * down) for x, y, width, height in boxes]
    except (TypeError, ValueError, ArithmeticError) as error:
        raise RowError("no valid box", str(boxes)[:80]) from error
    return tuple(
        make_boxes({0: box}, media=image, subject=f"box {number}", shown_as="text") for number, box in enumerate(scaled)
    )


def _tracked(boxes: Any, media: Sequence[MediaRef]) -> tuple[BoxTrack, ...]:
    if len(media) != 1 or media[0].kind != "video" or not isinstance(boxes, Mapping):
        raise RowError("a map of boxes without a single video")
    if not all(str(frame).isdecimal() for frame in boxes):
        raise RowError("no valid box", "a key is no frame number")
    seen = {int(frame): box for frame, box in boxes.items() if box is not None}
    return (make_boxes(seen, media=media[0], subject="subject"),) if seen else ()
