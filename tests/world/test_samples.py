"""What is true of every Sample of a split: form, groups, spans, prompts, splits, and that nothing depends on luck."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from perceptlm.eval.benchmarks.plm_videobench.parsing import parse_option
from perceptlm.schema import BENCHMARK_TASKS, REGION_TASKS, Sample
from perceptlm.schema.placeholders import resolve
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.lexicon import OUT_OF_FRAME
from perceptlm.world.samples import samples_of_split
from perceptlm.world.splits import HELD_OUT_PAIRS

NUM = 160


@pytest.fixture(scope="module")
def records(make_record: Callable) -> list[ClipRecord]:
    clips = [make_record("benchmark", index, "ego" if index % 4 == 0 else "video") for index in range(NUM)]
    return clips + [make_record("benchmark", index, "image") for index in range(NUM)]


@pytest.fixture(scope="module")
def samples(records: list[ClipRecord]) -> list[Sample]:
    return samples_of_split(records, 5)


def of(samples: list[Sample], task: str) -> list[Sample]:
    return [sample for sample in samples if sample.task == task]


def test_same_records_and_seed_give_the_same_samples(records: list[ClipRecord], samples: list[Sample]) -> None:
    assert samples_of_split(records, 5) == samples
    assert samples_of_split(records, 6) != samples


def test_samples_survive_their_own_json(records: list[ClipRecord], samples: list[Sample]) -> None:
    again = [ClipRecord.model_validate_json(record.model_dump_json()) for record in records]
    assert samples_of_split(again, 5) == samples


def test_ids_are_unique_and_samples_stay_with_their_clip(samples: list[Sample], records: list[ClipRecord]) -> None:
    assert len({sample.id for sample in samples}) == len(samples)
    order = [record.scene.id for record in records]
    assert [order.index(sample.cluster) for sample in samples] == sorted(order.index(s.cluster) for s in samples)
    assert all(sample.origin.kind == "program" and sample.origin.licence == "CC0-1.0" for sample in samples)


def test_every_task_is_there_and_often(samples: list[Sample]) -> None:
    counts = Counter(sample.task for sample in samples)
    assert set(counts) == {
        "image_caption", "image_qa", "video_caption", "video_qa", "mcq", "text_reading", "counting", *BENCHMARK_TASKS,
    }  # fmt: skip
    num_ordinary = NUM * 3 // 4
    assert counts["rcap"] > 2 * num_ordinary
    assert counts["rtloc"] > 2 * num_ordinary
    assert counts["rdcap"] > num_ordinary
    assert counts["sgqa"] > 2 * (NUM - num_ordinary)
    assert counts["fgqa"] / 3 > 2 * NUM


def test_fgqa_groups_have_three_questions_about_one_truth(samples: list[Sample]) -> None:
    groups: dict[str | None, list[Sample]] = defaultdict(list)
    for sample in of(samples, "fgqa"):
        groups[sample.group].append(sample)
    assert None not in groups
    for group in groups.values():
        assert len(group) == 3
        assert len({sample.cluster for sample in group}) == 1
        assert len({sample.template for sample in group}) == 1
        truths = {sample.answer.options[sample.answer.index] for sample in group}
        wrong = {sample.answer.options[1 - sample.answer.index] for sample in group}
        assert len(truths) == 1
        assert len(wrong) == 3
        for sample in group:
            assert sample.reference == f"The answer is {sample.answer.options[sample.answer.index]}."


def test_answers_to_choices_are_read_as_the_right_option(samples: list[Sample]) -> None:
    for sample in of(samples, "fgqa") + of(samples, "mcq"):
        assert parse_option(sample.reference, sample.answer.options) == sample.answer.index


def test_mcq_has_four_different_options(samples: list[Sample]) -> None:
    places = Counter()
    for sample in of(samples, "mcq"):
        assert len(set(sample.answer.options)) == 4
        places[sample.answer.index] += 1
    assert min(places.values()) > 0.15 * places.total()


def test_benchmark_prompts_are_the_published_ones(samples: list[Sample]) -> None:
    starts = {
        "fgqa": "Question: ", "rcap": "Give a detailed description of the events occurring in the region marked",
        "rtloc": "Given the region marked by the red rectangle in the video, please provide the start and end",
        "rdcap": "Create a dense caption of the subject's actions within the red rectangles, including",
        "sgqa": "The following question is asked by the camera wearer at the end of the video.  Provide a",
    }  # fmt: skip
    for sample in samples:
        if sample.task in starts:
            assert sample.question.startswith(starts[sample.task])
    assert all(sample.question.endswith("\nOnly give the best option.") for sample in of(samples, "fgqa"))


def test_training_varies_its_prompts(make_record: Callable) -> None:
    train = samples_of_split([make_record("train", index, "video") for index in range(60)], 5)
    for task in ("rdcap", "video_caption"):
        assert len({sample.question for sample in of(train, task)}) == 4
    assert not any(sample.attributes["held_out"] for sample in train)


def test_dense_segments_cover_the_video_without_overlap(samples: list[Sample]) -> None:
    for sample in of(samples, "rdcap"):
        ends = -1
        for segment in sample.answer.segments:
            assert segment.span.start_frame == ends + 1
            ends = segment.span.end_frame
        assert ends == sample.media[0].num_frames - 1


def test_out_of_frame_is_where_no_box_is(make_record: Callable) -> None:
    record = make_record("benchmark", 1, "video")
    boxes = [{frame: box for frame, box in track.items() if frame < 20} for track in record.boxes]
    cut = record.model_copy(update={"boxes": tuple(boxes)})
    dense = of(samples_of_split([cut], 0), "rdcap")
    assert dense
    for sample in dense:
        last = sample.answer.segments[-1]
        assert last.caption == OUT_OF_FRAME
        assert (last.span.start_frame, last.span.end_frame) == (20, record.scene.num_frames - 1)


def test_region_tasks_point_at_one_subject(samples: list[Sample]) -> None:
    for sample in samples:
        assert (len(sample.regions) == 1) == (sample.task in REGION_TASKS)
        assert (sample.span is not None) == (sample.task == "rcap")


def test_spans_lie_where_the_subject_shows(samples: list[Sample]) -> None:
    for sample in of(samples, "rtloc"):
        span, boxes = sample.answer.span, sample.regions[0].boxes
        assert span.start_frame in boxes
        assert span.end_frame in boxes
        assert f"[<|frame:{span.start_frame}|>, <|frame:{span.end_frame}|>]" == sample.reference


def test_rtloc_captions_happen_once_to_their_subject(samples: list[Sample], records: list[ClipRecord]) -> None:
    scenes = {record.scene.id: record.scene for record in records}
    for sample in of(samples, "rtloc"):
        subject = int(sample.regions[0].subject.removeprefix("thing-"))
        action = sample.template.split(".")[1]
        assert sum(event.action == action for event in scenes[sample.cluster].events_of(subject)) == 1


def test_every_text_resolves_to_frame_numbers(samples: list[Sample]) -> None:
    for sample in samples:
        for turn in sample.turns:
            shown = resolve(turn.text, frames=sample.frames, num_frames=8)
            assert "<|" not in shown
            assert "{" not in shown


def test_wrong_options_have_the_held_out_status_of_the_truth(samples: list[Sample]) -> None:
    """Questions after the actor name an action: either all its options are held-out pairs or none is."""
    checked = 0
    for sample in of(samples, "fgqa"):
        if sample.template == "fgqa.actor_kind" and "jumps" in sample.question:
            kinds = [option.split(" ", 1)[1] for option in sample.answer.options]
            statuses = {(kind, "jump") in HELD_OUT_PAIRS for kind in kinds}
            assert statuses == {sample.attributes["held_out"]}
            checked += 1
    assert checked


def test_a_clip_where_nothing_can_be_told_gives_no_samples(make_record: Callable) -> None:
    record = make_record("train", 0, "video")
    empty = record.model_copy(update={"boxes": tuple({} for _ in record.boxes)})
    assert samples_of_split([empty], 0) == []
