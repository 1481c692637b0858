"""The noise ceiling, worked out by hand: references of one record, and of records that ask the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perceptlm.eval.ceiling import noise_ceilings
from perceptlm.eval.judges.protocol import JudgeCall, Verdict
from perceptlm.eval.questions import make_question
from perceptlm.eval.scoring import PROCEDURAL
from perceptlm.eval.settings import EvalSettings
from perceptlm.schema import Sample

SETTINGS = EvalSettings(num_frames=8, variants=("own",), num_resamples=50)
MakeSample = Callable[..., Sample]


def span(start: int, end: int) -> dict[str, Any]:
    return {"type": "span", "span": {"start_frame": start, "end_frame": end}}


def located(make_sample: MakeSample, clip: int, number: int, start: int, end: int) -> Any:
    text = f"[<|frame:{start}|>, <|frame:{end}|>]"
    return make_question(make_sample("rtloc", clip, "benchmark", text, span(start, end), id=f"{clip}-{number}"), 8)


def test_two_records_that_ask_the_same_are_references_of_each_other(make_sample: MakeSample) -> None:
    questions = [
        located(make_sample, 0, 0, 0, 12), located(make_sample, 0, 1, 0, 18),  # shown 0 to 4 and 0 to 6: IoU 2/3
        located(make_sample, 1, 0, 0, 12), located(make_sample, 1, 1, 15, 21),  # apart
        located(make_sample, 2, 0, 0, 12),  # alone
    ]  # fmt: skip
    found = noise_ceilings(questions, PROCEDURAL, SETTINGS)
    assert list(found) == ["rtloc"]
    assert found["rtloc"]["n"] == 4
    assert found["rtloc"]["score"] == pytest.approx((0.5 + 0.5 + 0 + 0) / 4)
    assert found["rtloc"]["ci_low"] <= 0.25 <= found["rtloc"]["ci_high"]


def test_references_of_one_record(make_sample: MakeSample) -> None:
    answer = {"type": "text", "text": "two", "others": ["two", "two", "two", "three"]}
    attributes = {"benchmark": "vqav2"}
    sample = make_sample("image_qa", 0, "benchmark", "two", answer, attributes=attributes)
    question = make_question(sample, 8)
    assert question is not None
    found = noise_ceilings([question], PROCEDURAL, SETTINGS)
    assert list(found) == [question.row] == ["vqav2"]
    # Each of four meets three like-minded of the other four: mean over leaving out one of these, (1 + 3 x 2/3) / 4.
    assert found["vqav2"]["score"] == pytest.approx(4 / 5 * 0.75)


def test_a_judge_is_asked_once_about_each_pair(make_sample: MakeSample) -> None:
    class Halves:
        identity = PROCEDURAL.identity
        calls: list[JudgeCall] = []  # noqa: RUF012

        def judge(self, calls: Any) -> list[Verdict]:
            self.calls += calls
            return [Verdict(0.5) if number else Verdict(None, reason="broken") for number, _ in enumerate(calls)]

    questions = [
        make_question(make_sample("rcap", 0, "benchmark", text, {"type": "text", "text": text}, id=text), 8)
        for text in ("A dog.", "A cat.", "A cow.")
    ]
    judge: Any = Halves()
    found = noise_ceilings(questions, judge, SETTINGS)["rcap"]  # type: ignore[arg-type]
    assert len(judge.calls) == 6
    assert (found["score"], found["n"]) == (0.5, 3)


def test_without_several_references_there_is_no_ceiling(clip_samples: Any) -> None:
    questions = [make_question(sample, 8) for clip in range(2) for sample in clip_samples(clip, "benchmark")]
    assert noise_ceilings([question for question in questions if question], PROCEDURAL, SETTINGS) == {}
