"""The controls show what they say, and are asked only where that is something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perceptlm.eval.frame_cache import FrameCache
from perceptlm.eval.generation import asked_keys
from perceptlm.eval.outcomes import PARTIAL_VARIANTS
from perceptlm.eval.pictures import PictureSource, is_asked, num_shown
from perceptlm.eval.questions import Question, make_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_lines
from perceptlm.media.write_video import write_video
from perceptlm.schema import Sample

NUM_FRAMES = 8


@pytest.fixture(scope="module")
def questions(
    clip_samples: Callable[[int, str], list[Sample]], tiny_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Question]:
    """Questions about two clips whose every frame has a grey of its own."""
    root = tmp_path_factory.mktemp("media")
    (root / "benchmark" / "videos").mkdir(parents=True)
    for clip in range(2):
        frames = np.broadcast_to(np.arange(24, dtype=np.uint8)[:, None, None, None] * 8 + 20 + clip, (24, 32, 32, 3))
        write_video(root / "benchmark" / "videos" / f"{clip}.mp4", np.ascontiguousarray(frames), Fraction(8))
    samples = [sample for clip in range(2) for sample in clip_samples(clip, "benchmark")]
    return [q for q in make_questions(samples, NUM_FRAMES, root=root) if q.row != "image"]


def of_row(questions: list[Question], row: str) -> Question:
    return next(question for question in questions if question.row == row)


def greys(media: Any) -> list[int]:
    """Return the grey of each picture's last pixel, where no box is drawn."""
    return [int(picture[31, 31, 0]) for item in media for picture in item.pictures]


@pytest.mark.parametrize("row", ["fgqa", "rcap"])
def test_a_single_frame_is_the_middle_one_with_its_box(row: str, questions: list[Question]) -> None:
    source = PictureSource(questions, seed=0)
    question = of_row(questions, row)
    (own,), (single,) = source.media(question, "own"), source.media(question, "single_frame")
    assert single.kind == "video"
    assert len(single.pictures) == num_shown(question, "single_frame") == 1
    assert np.array_equal(single.pictures[0], own.pictures[NUM_FRAMES // 2])
    assert source.media(question, "single_frame")[0] is single


@pytest.mark.parametrize("row", ["fgqa", "rcap"])
def test_shuffled_frames_are_the_same_frames_in_another_order(row: str, questions: list[Question]) -> None:
    source = PictureSource(questions, seed=0)
    question = of_row(questions, row)
    own, shuffled = greys(source.media(question, "own")), greys(source.media(question, "shuffled_frames"))
    assert own == sorted(own)
    assert len(set(own)) == NUM_FRAMES
    assert sorted(shuffled) == own
    assert shuffled != own
    assert shuffled == greys(PictureSource(questions, seed=0).media(question, "shuffled_frames"))
    orders = {tuple(greys(PictureSource(questions, seed=seed).media(question, "shuffled_frames"))) for seed in range(5)}
    assert len(orders) > 1


def test_two_frames_are_always_swapped(questions: list[Question]) -> None:
    question = of_row(questions, "fgqa")
    two = replace(question, num_frames=2)
    for seed in range(6):
        source = PictureSource([two], seed=seed)
        assert greys(source.media(two, "shuffled_frames")) == greys(source.media(two, "own"))[::-1]


def test_without_the_box_it_is_the_plain_clip(questions: list[Question]) -> None:
    source = PictureSource(questions, seed=0)
    boxed, plain = of_row(questions, "rcap"), of_row(questions, "fgqa")
    (own,), (bare,) = source.media(boxed, "own"), source.media(boxed, "no_box")
    red = [bool((picture[..., 0].astype(int) - picture[..., 1] > 100).any()) for picture in own.pictures]
    assert any(red)
    assert not any((picture[..., 0].astype(int) - picture[..., 1] > 100).any() for picture in bare.pictures)
    assert bare is source.media(plain, "own")[0]


def test_frames_are_chosen_as_the_profile_says(questions: list[Question]) -> None:
    """24 frames at 8 a second: with 3 wanted, lmms-eval's FGQA shows one a second, all else is spread evenly."""
    shown = {}
    for profile in ("strict", "lmms-eval-0.7.2"):
        for row in ("fgqa", "rcap"):
            question = replace(of_row(questions, row), num_frames=3, profile=profile)  # type: ignore[arg-type]
            shown[profile, row] = greys(PictureSource([question], seed=0).media(question, "own"))
    firsts = [shown["lmms-eval-0.7.2", "fgqa"].pop(0)] + [shown[key].pop(0) for key in shown if key[1] == "rcap"]
    assert len(set(firsts)) == 1
    assert shown["lmms-eval-0.7.2", "rcap"] == shown["strict", "rcap"] == shown["strict", "fgqa"][1:]
    assert shown["lmms-eval-0.7.2", "fgqa"] != shown["strict", "rcap"]


def test_text_only_shows_nothing(questions: list[Question]) -> None:
    assert PictureSource(questions, seed=0).media(questions[0], "text_only") == ()
    assert num_shown(questions[0], "text_only") == 0


def test_controls_that_change_nothing_are_not_asked(clip_samples: Callable[[int, str], list[Sample]]) -> None:
    questions = make_questions(clip_samples(0, "benchmark"), NUM_FRAMES)
    asked = {variant: {q.row for q in questions if is_asked(q, variant)} for variant in PARTIAL_VARIANTS}
    assert asked["no_box"] == {"rcap", "rtloc", "rdcap"}
    assert asked["single_frame"] == asked["shuffled_frames"] == {"fgqa", "sgqa", "rcap", "rtloc", "rdcap"}
    settings = EvalSettings(num_frames=NUM_FRAMES, variants=("own", "no_box", "text_only"))
    keys = asked_keys(questions, settings)
    assert len(keys) == len(set(keys)) == 9 + 3 + 9


def test_a_clip_is_decoded_once_for_all_tasks_and_controls(questions: list[Question]) -> None:
    frames = FrameCache()
    source = PictureSource(questions, seed=0, frames=frames)
    for question in source.in_order(questions):
        for variant in ("own", "zero", "other", *PARTIAL_VARIANTS):
            source.media(question, variant)  # type: ignore[arg-type]
    assert frames.num_decoded == 2


def test_controls_are_scored_beside_the_model(tiny_world: Path, fake_client: Any, tmp_path: Path) -> None:
    variants = ("own", "text_only", *PARTIAL_VARIANTS)
    settings = EvalSettings(num_frames=NUM_FRAMES, variants=variants, num_resamples=50)
    client = fake_client(lambda request: "(A)" if request.media else "(B)")
    out = evaluate(client, tiny_world, tmp_path / "out", settings)
    rows = [record for _, record in read_lines(out / "rows.jsonl")]
    shown = {(row["variant"], row["num_frames"]) for row in rows if row["row"] == "rcap"}
    assert shown == {("own", 8), ("text_only", 0), ("single_frame", 1), ("shuffled_frames", 8), ("no_box", 8)}
    tasks = json.loads((out / "scores.json").read_text())["tasks"]
    assert set(tasks["rcap"]["controls"]) == set(PARTIAL_VARIANTS)
    assert set(tasks["fgqa"]["controls"]) == {"single_frame", "shuffled_frames"}
    assert tasks["image"]["controls"] == {}
    assert set(tasks["fgqa"]["blind_variants"]) == {"text_only"}
    assert tasks["fgqa"]["controls"]["single_frame"]["paired"]["difference"] == 0.0
