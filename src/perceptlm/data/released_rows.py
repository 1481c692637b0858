"""Samples -> rows as PLM-VideoBench is released: what the converters of `converters/` read, written.

Columns: facts/paper.md section 8, facts/evaluation.md 1.1 to 1.6. What a row has no column for is left behind: facts,
templates, what scores are broken down by. Texts must be in the published wording (`schema.benchmark_prompts`). Frame
numbers are those of the file, of which every frame counts. Opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from perceptlm.errors import DataError
from perceptlm.schema import (
    REGION_TASKS,
    BoxTrack,
    ChoiceAnswer,
    DenseAnswer,
    Sample,
    SpanAnswer,
    TextAnswer,
    TimeSpan,
    benchmark_prompts,
)

Row = dict[str, Any]
BOXES = "metadata/metadata_test.jsonl"


def table_file(task: str) -> str:
    """Return the name of a task's table inside a release."""
    return f"{task}/plm_{task}_test.jsonl"


def released_rows(samples: Sequence[Sample], *, source: str, key: str) -> list[Row]:
    """Return the rows of Samples of one task, in their order.

    `source` is the name of the data set (FGQA's `source_dataset`); uids begin with `key`, or are whole numbers in
    region tasks. The Samples of one group must follow one another. DataError for a Sample that no row can say.
    """
    rows: list[Row] = []
    group, num_groups, place = None, 0, 0
    for number, sample in enumerate(samples):
        if sample.task in REGION_TASKS:
            rows.append(_region_row(sample, number))
        elif sample.task == "sgqa":
            rows.append(_sgqa_row(sample, f"{key}s{number:05d}"))
        else:
            place = place + 1 if sample.group is not None and sample.group == group else 0
            num_groups += place == 0
            group = sample.group
            rows.append(_fgqa_row(sample, f"{key}q{num_groups - 1:05d}", place, source))
    return rows


def box_rows(samples: Sequence[Sample]) -> list[Row]:
    """Return the lines of `metadata_test.jsonl`: a box, or null where it does not show, per frame of every subject."""
    found: dict[tuple[str, int], Row] = {}
    for sample in samples:
        region = _region(sample)
        key = (_video(sample), _masklet_id(sample))
        boxes = {
            str(frame): [_number(value) for value in region.boxes[frame]] if frame in region.boxes else None
            for frame in sample.frames
        }
        row = {"video": key[0], "masklet_id": key[1], "bbox": boxes}
        if found.setdefault(key, row) != row:
            raise DataError(f"sample {sample.id}: {key[0]} has other boxes of masklet {key[1]} elsewhere")
    return [found[key] for key in sorted(found)]


def _fgqa_row(sample: Sample, qa_uid: str, place: int, source: str) -> Row:
    answer, media = sample.answer, sample.media[0]
    if sample.task != "fgqa" or not isinstance(answer, ChoiceAnswer) or len(answer.options) != 2:
        raise DataError(f"sample {sample.id} of task {sample.task} is no question with two options")
    options = {f"option_{number}": option for number, option in enumerate(answer.options)}
    return {
        # Grouped by either: by qa_uid, or by what stands before the first "_" of uid.
        "uid": f"{qa_uid}_{place}",
        "qa_uid": qa_uid,
        "video": _video(sample),
        "question": _fields(sample, benchmark_prompts.FGQA)["question"],
        "answer": answer.options[answer.index],
        "options": options,
        "answer_index": answer.index,
        "metadata": {
            "source_video_id": PurePosixPath(media.path).stem,
            "source_dataset": source,
            "source_start_time": 0.0,
            "source_end_time": round(float(media.num_frames / Fraction(media.frames_per_second or 1)), 3),
            "question_type": str(sample.attributes.get("question_type", "")),
            "source_domain": str(sample.attributes.get("domain", "")),
        },
    }


def _sgqa_row(sample: Sample, uid: str) -> Row:
    return {
        "uid": uid,
        "video": _video(sample),
        "question": _fields(sample, benchmark_prompts.SGQA)["question"],
        "answer": _text(sample),
        "domain": str(sample.attributes.get("domain", "")),
    }


def _region_row(sample: Sample, uid: int) -> Row:
    video, answer = _video(sample), sample.answer
    row: Row = {"uid": uid, "video": video, "masklet_id": _masklet_id(sample), "total_frames": len(sample.frames)}
    if sample.task == "rcap" and sample.span is not None:
        return row | {"caption": _text(sample)} | _span(sample.span)
    if isinstance(answer, SpanAnswer):
        return row | {"caption": _fields(sample, benchmark_prompts.RTLOC)["caption"]} | _span(answer.span)
    if isinstance(answer, DenseAnswer):
        return row | {"dense_captions": [_span(part.span) | {"caption": part.caption} for part in answer.segments]}
    raise DataError(f"sample {sample.id} has no answer of task {sample.task}")


def _fields(sample: Sample, prompt: str) -> dict[str, str]:
    found = benchmark_prompts.fields_of(prompt, sample.question)
    if found is None:
        raise DataError(f"sample {sample.id} is not asked in the published wording: {sample.question[:80]!r}")
    return found


def _text(sample: Sample) -> str:
    if not isinstance(sample.answer, TextAnswer):
        raise DataError(f"sample {sample.id} has no text as its answer")
    return sample.answer.text


def _video(sample: Sample) -> str:
    return PurePosixPath(sample.media[0].path).name


def _region(sample: Sample) -> BoxTrack:
    if len(sample.regions) != 1 or not isinstance(sample.regions[0], BoxTrack):
        raise DataError(f"sample {sample.id} has no one region of boxes")
    return sample.regions[0]


def _masklet_id(sample: Sample) -> int:
    number = _region(sample).subject.rpartition("-")[2]
    if not number.isdecimal():
        raise DataError(f"sample {sample.id}: its subject '{_region(sample).subject}' ends in no number")
    return int(number)


def _span(span: TimeSpan) -> Row:
    return {"start_frame": span.start_frame, "end_frame": span.end_frame}


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
