"""From Samples to questions: frame numbers, rows of the table, limits, and the pictures of the controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perceptlm.errors import DataError, UsageError
from perceptlm.eval.pictures import PictureSource, other_questions
from perceptlm.eval.questions import first_questions, make_question, make_questions, row_of
from perceptlm.schema import MediaRef, Sample, TimeSpan

Clips = Callable[[int, str], list[Sample]]


@pytest.fixture
def samples(clip_samples: Clips) -> list[Sample]:
    return [sample for clip in range(5) for sample in clip_samples(clip, "benchmark")]


def test_frame_numbers_are_those_of_the_shown_pictures(make_sample: Callable[..., Sample]) -> None:
    text = "Frames <|frame:9|> to <|last_frame|> of <|num_frames|>."
    turns = [{"role": "user", "text": text}, {"role": "assistant", "text": "[<|frame:9|>, <|frame:23|>]"}]
    span = {"type": "span", "span": {"start_frame": 9, "end_frame": 23}}
    question = make_question(make_sample("rtloc", 0, "benchmark", "", span, turns=turns), 8)
    assert question is not None
    assert question.prompt == "Frames 3 to 7 of 8."
    assert question.reference == "[3, 7]"
    assert [turn.text for turn in question.turns] == [question.prompt]
    assert question.shown_span(question.sample.answer.span) == (3, 7)  # type: ignore[union-attr]


def test_of_a_clip_frames_are_counted_from_its_beginning(make_sample: Callable[..., Sample]) -> None:
    span = {"type": "span", "span": {"start_frame": 12, "end_frame": 19}}
    sample = make_sample("rtloc", 0, "benchmark", "[<|frame:12|>, <|frame:19|>]", span)
    clip = MediaRef.model_validate(sample.media[0].to_dict() | {"start_seconds": "1", "end_seconds": "2.875"})
    question = make_question(sample.model_copy(update={"media": (clip,)}), 8)
    assert question is not None
    assert question.reference == "[2, 5]"
    assert question.shown_span(TimeSpan(start_frame=12, end_frame=19)) == (2, 5)
    with pytest.raises(DataError, match="frame 7, but the video has frames 8 to 23"):
        question.shown_span(TimeSpan(start_frame=7, end_frame=19))


def test_a_short_video_is_asked_about_in_its_own_frames(clip_samples: Clips) -> None:
    questions = make_questions(clip_samples(1, "benchmark"), 100)
    assert {question.num_frames for question in questions if question.row != "image"} == {24}


def test_every_benchmark_task_and_images_make_a_row(samples: list[Sample]) -> None:
    questions = make_questions(samples, 8)
    assert {question.row for question in questions} == {"fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"}
    assert not any(question.sample.task == "video_caption" for question in questions)


def test_a_limit_counts_items_and_never_cuts_a_group(samples: list[Sample]) -> None:
    questions = first_questions(make_questions(samples, 8), 4)
    groups = [question.unit for question in questions if question.row == "fgqa"]
    assert len(groups) == 12
    assert list(dict.fromkeys(groups)) == [f"benchmark-{clip}" for clip in range(4)]
    for row in ("sgqa", "rcap", "rtloc", "rdcap", "image"):
        assert sum(question.row == row for question in questions) == 4


def test_a_group_that_is_scattered_is_kept_whole(samples: list[Sample]) -> None:
    fgqa = [question for question in make_questions(samples, 8) if question.row == "fgqa"]
    scattered = sorted(fgqa, key=lambda question: question.sample.id[-1])
    kept = first_questions(scattered, 2)
    assert sorted(question.unit for question in kept) == ["benchmark-0"] * 3 + ["benchmark-1"] * 3


def test_a_sample_about_two_videos_is_refused(make_sample: Callable[..., Sample]) -> None:
    sample = make_sample("sgqa", 0, "benchmark", "x", {"type": "text", "text": "x"})
    with pytest.raises(DataError, match="benchmark-0-sgqa"):
        make_question(sample.model_copy(update={"media": sample.media * 2}), 8)


def test_other_pictures_are_a_derangement_of_clips(samples: list[Sample]) -> None:
    questions = make_questions(samples, 8)
    others = other_questions(questions, seed=3)
    assert set(others) == {question.sample.id for question in questions}
    for question in questions:
        other = others[question.sample.id]
        assert row_of(other.sample) == question.row
        assert other.sample.cluster != question.sample.cluster
    shown = [others[q.sample.id].sample.cluster for q in questions if q.row == "rcap"]
    assert sorted(shown) == sorted({q.sample.cluster for q in questions if q.row == "rcap"})
    assert others == other_questions(questions, seed=3)
    assert others != other_questions(questions, seed=4)


def test_the_other_clip_is_the_next_one_asked_about(tiny_world: Path, samples: list[Sample]) -> None:
    questions = make_questions(samples, 8, root=tiny_world)
    source = PictureSource(questions, seed=3)
    ordered = source.in_order(questions)
    assert sorted(q.sample.id for q in ordered) == sorted(q.sample.id for q in questions)
    assert [q.sample.id for q in source.in_order(questions[::-1])] != [q.sample.id for q in ordered]
    for kind in ("clip", "image"):
        circle = list(dict.fromkeys(q.sample.cluster for q in ordered if q.sample.cluster.startswith(kind)))
        assert len(circle) == 5
        others = other_questions(questions, seed=3)
        for question in ordered:
            if question.sample.cluster in circle:
                place = circle.index(question.sample.cluster)
                assert others[question.sample.id].sample.cluster == circle[(place + 1) % 5]
    # Those with a red box and those without stand together.
    shown = [(q.sample.cluster, bool(q.sample.regions)) for q in ordered]
    assert len(set(shown)) == len([pair for pair in zip(shown, [None, *shown], strict=False) if pair[0] != pair[1]])


def test_equal_pictures_are_one_object(tiny_world: Path, samples: list[Sample]) -> None:
    questions = make_questions(samples, 8, root=tiny_world)
    source = PictureSource(questions, seed=0)
    by_row = {question.row: question for question in questions if question.sample.cluster == "clip-0"}
    for variant in ("own", "zero"):
        (first,), (second,) = (source.media(by_row[row], variant) for row in ("fgqa", "sgqa"))  # type: ignore[arg-type]
        assert first is second
    (boxed,), (plain,) = (source.media(by_row[row], "own") for row in ("rcap", "fgqa"))
    assert boxed is not plain


def test_controls_have_the_shape_of_the_real_pictures(tiny_world: Path, samples: list[Sample]) -> None:
    questions = make_questions(samples, 8, root=tiny_world)
    source = PictureSource(questions, seed=0)
    for row in ("rcap", "image"):
        question = next(question for question in questions if question.row == row)
        (own,), (zero,), (other,) = (source.media(question, variant) for variant in ("own", "zero", "other"))
        assert own.kind == zero.kind == other.kind
        assert len(own.pictures) == question.num_frames
        assert [picture.shape for picture in own.pictures] == [picture.shape for picture in zero.pictures]
        assert not any(picture.any() for picture in zero.pictures)
        assert not all(map(np.array_equal, own.pictures, other.pictures))


def test_one_clip_alone_has_no_other(tiny_world: Path, clip_samples: Clips) -> None:
    questions = make_questions(clip_samples(0, "benchmark"), 8)
    source = PictureSource(questions, seed=0)
    with pytest.raises(UsageError, match="no other clip"):
        source.media(questions[0], "other")
