"""What a record tells about its question, measured by hand; and the same in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from perceptlm.eval.questions import make_question
from perceptlm.eval.traits import box_share, clip_seconds, count_events, describe_attributes, traits_of
from perceptlm.schema import BoxTrack, Sample

MakeSample = Callable[..., Sample]


def test_length_box_and_events(make_sample: MakeSample) -> None:
    region = BoxTrack(subject="cat", boxes={0: (0, 0, 16, 16), 4: (-16, 0, 16, 32)})  # a quarter, and half of 32x32
    told = [
        make_question(
            make_sample("rtloc", 0, "benchmark", "x", {"type": "span", "span": {"start_frame": a, "end_frame": b}},
                        id=f"{a}", regions=[region], attributes={"domain": "home"}), 8)
        for a, b in ((0, 4), (6, 9), (12, 18))
    ]  # fmt: skip
    questions = [question for question in told if question]
    found = traits_of(questions[0], count_events(questions))
    assert found == {"clip_seconds": 3.0, "box_share": 0.375, "num_events": 3, "domain": "home"}
    again = [*questions, questions[0]]
    assert traits_of(questions[0], count_events(again))["num_events"] == 3  # the same event asked about twice
    assert "num_events" not in traits_of(questions[0], {})


def test_a_record_that_says_more_is_believed(make_sample: MakeSample) -> None:
    segments = [{"span": {"start_frame": 0, "end_frame": 9}, "caption": "a"}]
    dense = make_sample("rdcap", 0, "benchmark", "x", {"type": "dense", "segments": segments})
    question = make_question(dense, 8)
    assert question is not None
    assert traits_of(question, {})["num_events"] == 1
    said = make_question(dense.model_copy(update={"attributes": {"num_events": 5}}), 8)
    assert said is not None
    assert traits_of(said, {})["num_events"] == 5


def test_clips_steps_and_images(make_sample: MakeSample) -> None:
    video = make_sample("sgqa", 0, "benchmark", "x", {"type": "text", "text": "x"})
    clip = video.media[0].model_copy(update={"start_seconds": "1", "end_seconds": "2"})
    assert clip_seconds(video.model_copy(update={"media": (clip,)})) == pytest.approx(
        9 / 8
    )  # frames 8 to 16 of 8 a second
    fast = video.media[0].model_copy(update={"frame_step": 4})
    assert clip_seconds(video.model_copy(update={"media": (fast,)})) == pytest.approx(3.0)
    image = make_sample("image_qa", 0, "benchmark", "x", {"type": "text", "text": "x"})
    assert clip_seconds(image) is None
    assert box_share(image) is None


def test_attributes_in_words() -> None:
    attributes = {"num_things": 1, "num_events": 3, "occlusion": "much", "held_out": True, "egocentric": False, "x": 2}
    assert describe_attributes(attributes) == [
        "thing and action held out of training",
        "3 events",
        "1 thing",
        "hidden: much",
        "x: 2",
    ]
    assert describe_attributes({"held_out": False, "egocentric": True, "speed": "fast"}) == [
        "seen by its wearer",
        "thing and action seen in training",
        "speed: fast",
    ]
    assert describe_attributes({"clip_seconds": 4.25, "box_share": 0.0754, "question_type": "count"}) == [
        "box: 7.5 % of the picture",
        "4.25 s",
        "question type: count",
    ]
