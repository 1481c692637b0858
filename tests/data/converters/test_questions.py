"""FGQA and SGQA rows of the released schemas."""

from __future__ import annotations

from typing import Any

import pytest

from perceptlm.data.converters.media_files import OUTSIDE
from perceptlm.errors import UsageError
from perceptlm.schema import ChoiceAnswer, Sample


def human(**changes: Any) -> dict[str, Any]:
    metadata = {
        "source_video_id": "long", "source_dataset": "COIN", "source_start_time": 1.5, "source_end_time": 3.25,
        "what_description": "Cut", "q_type": "counting", "q_subtype": "", "domain": "cooking", "is_audited": 1,
    }  # fmt: skip
    metadata |= changes.pop("metadata", {})
    row = {"qa_id": "q0", "segment_id": "s0", "question": "How many cuts?", "answer": "Three.", "metadata": metadata}
    return row | changes


def bench(index: int = 0, **changes: Any) -> dict[str, Any]:
    options = {"option_0": "To the left.", "option_1": "To the right."}
    row = {
        "uid": "u_0", "qa_uid": "u", "video": "cut.mp4", "question": "Where to?", "answer": options[f"option_{index}"],
        "options": options, "answer_index": index,
        "metadata": {
            "source_video_id": "long", "source_dataset": "COIN", "source_start_time": 0.0, "source_end_time": 2.0,
            "question_type": "movement direction", "source_domain": "cooking",
        },
    }  # fmt: skip
    return row | changes


def test_a_human_question_is_about_a_clip_of_its_source_video(converted: Any) -> None:
    (sample,) = converted("human-fgqa", [human()])
    (media,) = sample.media
    assert (media.path, media.num_frames, media.frames_per_second) == ("COIN/long.mp4", 48, "8")
    assert (media.start_seconds, media.end_seconds) == ("1.5", "3.25")
    assert media.frames == range(12, 27)
    assert (sample.id, sample.task, sample.split) == ("human-fgqa.q0", "video_qa", "train")
    assert [turn.text for turn in sample.turns] == ["How many cuts?", "Three."]
    assert (sample.dimension, sample.cluster) == (None, "COIN/long")
    assert sample.attributes == {
        "question_type": "counting", "domain": "cooking", "source_dataset": "COIN", "is_audited": True,
    }  # fmt: skip
    assert sample.origin.kind == "person"
    assert sample.origin.revision.startswith("sha256:")
    assert sample.origin.licence == "LicenseRef-PLM-Video-Human"


def test_clips_that_were_cut_are_shown_whole(converted: Any) -> None:
    (sample,) = converted("human-fgqa", [human(segment_id="cut")], video_path="{segment_id}.mp4", clips="cut")
    assert (sample.media[0].path, sample.media[0].frames) == ("cut.mp4", range(16))


def test_binary_items_of_one_question_share_their_group(converted: Any) -> None:
    first, second = converted("bench-fgqa", [bench(0), bench(1, uid="u_1")])
    assert (first.split, first.task, first.group) == ("benchmark", "fgqa", "bench-fgqa.u")
    assert second.group == first.group
    assert (
        first.question
        == "Question: Where to?\nOptions:\n(A) To the left.\n(B) To the right.\nOnly give the best option."
    )
    assert (first.reference, second.reference) == ("(A) To the left.", "(B) To the right.")
    assert second.answer == ChoiceAnswer(options=("To the left.", "To the right."), index=1)
    assert first.origin.licence == "CC-BY-4.0"


def test_smart_glasses(converted: Any) -> None:
    row = {"uid": "7", "video": "cut.mp4", "question": "What is it?", "answer": "A cup.", "domain": "kitchen"}
    (sample,) = converted("bench-sgqa", [row])
    assert sample.question.startswith("The following question is asked by the camera wearer at the end of the video.  ")
    assert sample.question.endswith("video content: What is it?")
    assert (sample.id, sample.task, sample.cluster) == ("bench-sgqa.7", "sgqa", "cut.mp4")
    assert sample.attributes == {"domain": "kitchen"}


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("human-fgqa", human(qa_id="x", metadata={"source_video_id": "absent"}), "no such media file"),
        ("human-fgqa", human(qa_id="x", metadata={"source_video_id": "../../x"}), OUTSIDE),
        ("human-fgqa", human(qa_id="x", metadata={"source_end_time": 1.5}), "makes no valid clip"),
        ("human-fgqa", human(qa_id="x", metadata={"source_end_time": 60.0}), "clip ends after the video"),
        ("human-fgqa", human(qa_id="x", metadata={"source_start_time": -1.0}), "no time in 'source_start_time'"),
        ("human-fgqa", human(qa_id="x", answer=" "), "no text in 'answer'"),
        ("human-fgqa", human(qa_id="x", answer="In <|frame:3|>."), "text holds a placeholder"),
        ("human-fgqa", human(), "id was already used"),
        ("bench-fgqa", bench(uid="x", answer="Up."), "answer is not the option it names"),
        ("bench-fgqa", bench(uid="x", answer_index=2), "answer is not the option it names"),
        ("bench-fgqa", bench(uid="x", video="broken.mp4"), "media file cannot be read"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used(converted: Any, dropped: Any, name: str, row: dict[str, Any], reason: str) -> None:
    good = human() if name == "human-fgqa" else bench()
    found: list[Sample] = converted(name, [good, row])
    assert len(found) == 1
    assert dropped() == [(1, reason)]


def test_the_benchmark_is_not_for_training(converted: Any) -> None:
    with pytest.raises(UsageError, match="bench-fgqa is not converted into the split 'train'"):
        converted("bench-fgqa", [bench()], split="train")
