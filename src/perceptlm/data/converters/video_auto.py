"""PLM-Video-Auto: captions and questions about videos of YT-1B and Ego4D, written by models.

The names of its columns are not confirmed (facts/paper.md section 10). Each field is read from the first column of a
plausible name, or from the one that the user names; where a field is not found, the error lists the columns there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.conversations import turns_of
from perceptlm.data.converters.rows import Row, RowError, attributes_of, dialogue, fill_path, seconds_of, text_of
from perceptlm.errors import UsageError
from perceptlm.schema import Answer, ChoiceAnswer, Sample, Task, TextAnswer, Turn, benchmark_prompts

VideoSet = Literal["yt1b-caption", "yt1b-mcqa", "ego4d-caption", "ego4d-qa"]
TASKS: dict[VideoSet, Task] = {
    "yt1b-caption": "video_caption", "yt1b-mcqa": "mcq", "ego4d-caption": "video_caption", "ego4d-qa": "video_qa",
}  # fmt: skip

FIELDS: dict[str, tuple[str, ...]] = {
    "video": ("video", "video_path", "video_id", "video_uid", "source_video_id", "uid", "vid"),
    "start": ("start_time", "start", "start_sec", "start_seconds", "source_start_time", "clip_start"),
    "end": ("end_time", "end", "end_sec", "end_seconds", "source_end_time", "clip_end"),
    "conversations": ("conversations", "conversation", "messages"),
    "caption": ("caption", "captions", "dense_caption", "text"),
    "question": ("question", "query"),
    "options": ("options", "choices", "candidates"),
    "answer": ("answer", "correct_answer", "response"),
    "id": ("id", "uuid", "qa_id", "segment_id", "scene_id"),
}
"""Every field, and the columns in which it is looked for."""
_TEXTS = ("conversations", "caption", "question and answer")
_CAPTION_PROMPT = "Describe the video in detail."
_OPTION_MARKS = ") .:"


def map_columns(columns: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return from which column each field is read; UsageError listing the columns where one is missing."""
    seen = f"the columns are {', '.join(columns)}"
    hint = "name them: --column video=COLUMN --column start=COLUMN --column caption=COLUMN"
    for field, column in given.items():
        if field not in FIELDS:
            raise UsageError(f"there is no field '{field}'", hint=f"fields: {', '.join(FIELDS)}")
        if column not in columns:
            raise UsageError(f"there is no column '{column}' for the field '{field}'; {seen}")
    found = {field: column for field, names in FIELDS.items() for column in reversed(names) if column in columns}
    found |= given
    if "video" not in found:
        raise UsageError(f"no column is known to name the video; {seen}", hint=hint)
    if not {"conversations", "caption"} & set(found) and not {"question", "answer"} <= set(found):
        raise UsageError(f"no column is known to hold {', '.join(_TEXTS[:-1])} or {_TEXTS[-1]}; {seen}", hint=hint)
    return found


class VideoAuto:
    """Rows of one of the four sets, read as `context.columns` says."""

    columns: tuple[str, ...]
    has_own_keys = False

    def __init__(self, context: Context, video_set: VideoSet) -> None:
        self._context = context
        self._set = video_set
        self.columns = tuple(context.columns.values())

    def convert(self, row: Row, place: str) -> Sample:
        """Return the caption of, or the question about, a video or a clip of one."""
        fields = {field: row.get(column) for field, column in self._context.columns.items()}
        path = fill_path(self._context.video_path, {**row, **fields})
        video = self._context.media.video(path)
        if self._context.clips == "source":
            video = self._context.media.video(path, start=seconds_of(fields, "start"), end=seconds_of(fields, "end"))
        turns, answer = _told(fields)
        return self._context.sample(
            place,
            (video,),
            task=self._context.task or TASKS[self._set],
            turns=turns,
            answer=answer,
            cluster=path,
            attributes=attributes_of(fields, source_id="id"),
        )


def _told(fields: Row) -> tuple[tuple[Turn, ...], Answer]:
    if "conversations" in fields:
        turns = turns_of(fields["conversations"])
        return turns, TextAnswer(text=turns[-1].text)
    if "question" not in fields or "answer" not in fields:
        caption = text_of(fields, "caption")
        return dialogue(_CAPTION_PROMPT, caption), TextAnswer(text=caption)
    question, reply = text_of(fields, "question"), text_of(fields, "answer")
    if not fields.get("options"):
        return dialogue(question, reply), TextAnswer(text=reply)
    options = _options(fields["options"])
    index = _right(options, reply)
    asked = benchmark_prompts.FGQA.format(question=question, options=benchmark_prompts.option_lines(options))
    said = f"({benchmark_prompts.LETTERS[index]}) {options[index]}"
    return dialogue(asked, said), ChoiceAnswer(options=options, index=index)


def _options(value: Any) -> tuple[str, ...]:
    texts = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(texts, list) or not 2 <= len(texts) <= len(benchmark_prompts.LETTERS):
        raise RowError("no options")
    return tuple(text_of({"options": text}, "options") for text in texts)


def _right(options: Sequence[str], reply: str) -> int:
    """Return the option that a reply is, word for word or by its letter."""
    if reply in options:
        return options.index(reply)
    letter = reply.lstrip("(")[:1]
    rest = reply.lstrip("(")[1:2]
    if letter in benchmark_prompts.LETTERS[: len(options)] and letter and (not rest or rest in _OPTION_MARKS):
        return benchmark_prompts.LETTERS.index(letter)
    raise RowError("answer is none of the options", reply)
