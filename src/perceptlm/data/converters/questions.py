"""Questions with one answer: FGQA of PLM-Video-Human (open) and PLM-VideoBench (two options), and SGQA.

Columns: facts/paper.md section 8. A question of PLM-Video-Human has no options: it is a plain question about a clip,
not an item of the benchmark's FGQA. The binary items of one `qa_uid` share their group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.rows import (
    Row,
    RowError,
    attributes_of,
    dialogue,
    fill_path,
    int_of,
    seconds_of,
    text_of,
)
from perceptlm.schema import ChoiceAnswer, MediaRef, Sample, TextAnswer, benchmark_prompts


class HumanFgqa:
    """`fgqa/plm_fgqa_train.parquet`."""

    columns = ("qa_id", "segment_id", "question", "answer", "metadata")
    has_own_keys = True

    def __init__(self, context: Context) -> None:
        self._context = context

    def convert(self, row: Row, place: str) -> Sample:
        """Return an open question about a clip."""
        metadata = _metadata(row)
        reply = text_of(row, "answer")
        attributes = attributes_of(
            metadata, question_type="q_type", question_subtype="q_subtype", domain="domain",
            source_dataset="source_dataset",
        )  # fmt: skip
        if isinstance(metadata.get("is_audited"), int):
            attributes["is_audited"] = bool(metadata["is_audited"])
        return self._context.sample(
            text_of(row, "qa_id"),
            (_clip(self._context, row, metadata),),
            task="video_qa",
            turns=dialogue(text_of(row, "question"), reply),
            answer=TextAnswer(text=reply),
            cluster=_source(metadata),
            attributes=attributes,
        )


class BenchFgqa:
    """`fgqa` of PLM-VideoBench: a question with a right and a wrong option."""

    columns = ("uid", "qa_uid", "video", "question", "answer", "options", "answer_index", "metadata")
    has_own_keys = True

    def __init__(self, context: Context) -> None:
        self._context = context

    def convert(self, row: Row, place: str) -> Sample:
        """Return a choice between two options."""
        group = f"{self._context.format}.{text_of(row, 'qa_uid')}"
        try:
            return self._convert(row, group)
        except RowError as error:
            raise RowError(error.reason, error.detail, group=group) from error

    def _convert(self, row: Row, group: str) -> Sample:
        metadata, options = _metadata(row), _options(row)
        index = int_of(row, "answer_index")
        if index >= len(options) or options[index] != text_of(row, "answer"):
            raise RowError("answer is not the option it names", f"option {index}")
        question = benchmark_prompts.FGQA.format(
            question=text_of(row, "question"), options=benchmark_prompts.option_lines(options)
        )
        return self._context.sample(
            text_of(row, "uid"),
            (_clip(self._context, row, metadata),),
            task="fgqa",
            turns=dialogue(question, f"({benchmark_prompts.LETTERS[index]}) {options[index]}"),
            answer=ChoiceAnswer(options=options, index=index),
            cluster=_source(metadata),
            group=group,
            attributes=attributes_of(
                metadata, question_type="question_type", domain="source_domain", source_dataset="source_dataset"
            ),
        )


class BenchSgqa:
    """`sgqa` of PLM-VideoBench: what the wearer of the camera asks at the end of a video."""

    columns = ("uid", "video", "question", "answer")
    has_own_keys = True

    def __init__(self, context: Context) -> None:
        self._context = context

    def convert(self, row: Row, place: str) -> Sample:
        """Return an open question."""
        reply = text_of(row, "answer")
        return self._context.sample(
            text_of(row, "uid"),
            (self._context.media.video(fill_path(self._context.video_path, row)),),
            task="sgqa",
            turns=dialogue(benchmark_prompts.SGQA.format(question=text_of(row, "question")), reply),
            answer=TextAnswer(text=reply),
            cluster=text_of(row, "video"),
            attributes=attributes_of(row, domain="domain"),
        )


def _metadata(row: Row) -> Mapping[str, Any]:
    value = row.get("metadata")
    if not isinstance(value, Mapping):
        raise RowError("no metadata")
    return value


def _source(metadata: Mapping[str, Any]) -> str:
    """Return the name of the recording, for intervals by cluster."""
    return f"{text_of(metadata, 'source_dataset')}/{text_of(metadata, 'source_video_id')}"


def _clip(context: Context, row: Row, metadata: Mapping[str, Any]) -> MediaRef:
    path = fill_path(context.video_path, {**metadata, **row})
    if context.clips == "cut":
        return context.media.video(path)
    return context.media.video(
        path, start=seconds_of(metadata, "source_start_time"), end=seconds_of(metadata, "source_end_time")
    )


def _options(row: Row) -> tuple[str, ...]:
    value = row.get("options")
    if not isinstance(value, Mapping):
        raise RowError("no options")
    return tuple(text_of(value, f"option_{number}") for number in range(len(value)))
