"""The table of profiles: what the documents show is what the code does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, PROFILES, TABLE, rules_of, table_lines
from perceptlm.eval.benchmarks.plm_videobench.prompts import (
    fgqa_prompt,
    fgqa_target,
    plain_question,
    profiled,
    rcap_prompt,
    rcap_stated_total,
    rtloc_prompt,
    sgqa_prompt,
)
from perceptlm.eval.questions import make_questions
from perceptlm.eval.settings import EvalSettings, TokenLimits
from perceptlm.schema import BENCHMARK_TASKS, Sample
from perceptlm.schema.benchmark_prompts import RDCAP, SGQA

DOCUMENT = Path(__file__).parents[4] / "docs" / "evaluation.md"
OPTIONS = ("With the right hand.", "With the left hand.")


def test_the_document_shows_the_table() -> None:
    assert "\n".join(table_lines()) in DOCUMENT.read_text(encoding="utf-8")


def test_every_task_has_rules_in_every_profile() -> None:
    assert set(TABLE) == {(task, profile) for task in BENCHMARK_TASKS for profile in PROFILES}
    assert rules_of("image_qa", "strict") is None
    for (task, profile), rules in TABLE.items():
        assert (rules.judge == "none") == (task in ("fgqa", "rtloc"))
        assert (rules.judge_failure == "zero") == (profile == LMMS and rules.judge != "none")
        assert (rules.parser == "lmms-eval") == (profile == LMMS and task in ("fgqa", "rtloc", "rdcap"))


def test_token_limits_are_the_profiles() -> None:
    assert EvalSettings(num_frames=32, profile=LMMS).max_new_tokens.sgqa == 16
    assert EvalSettings(num_frames=32, profile=LMMS).max_new_tokens.rcap == 512
    assert EvalSettings(num_frames=32).max_new_tokens.sgqa == 128
    own = TokenLimits(rcap=3)
    assert EvalSettings(num_frames=32, profile=LMMS, max_new_tokens=own).max_new_tokens == own


@pytest.mark.parametrize("profile", PROFILES)
def test_the_prompt_of_fgqa(profile: str) -> None:
    expected = "Question: How?\nOptions:\n(A) With the right hand.\n(B) With the left hand.\nOnly give the best option."
    expected += "{answer}" if profile == LMMS else ""
    assert fgqa_prompt("How?", OPTIONS, profile) == expected  # type: ignore[arg-type]
    assert fgqa_target(OPTIONS[1], OPTIONS) == "(B) With the left hand."


def test_the_other_prompts_differ_where_they_must() -> None:
    assert sgqa_prompt("Where?", LMMS) == sgqa_prompt("Where?", "strict") + "{answer}"
    assert sgqa_prompt("Where?", "paper") == sgqa_prompt("Where?", "strict")
    assert "frames [3, 10] in this 96 frame video" in rcap_prompt((3, 10), 96, 32, LMMS)
    for profile in ("paper", "strict"):
        assert "frames [3, 10] in this 32 frame video" in rcap_prompt((3, 10), 96, 32, profile)  # type: ignore[arg-type]
    assert [rcap_stated_total(96, 32, profile) for profile in PROFILES] == [32, 96, 32]
    assert "format (start, end) where" in rtloc_prompt("x {y}", 32, "paper")
    for profile in (LMMS, "strict"):
        prompt = rtloc_prompt("x {y}", 32, profile)  # type: ignore[arg-type]
        assert "format [start, end] where" in prompt
        assert "'x {y}' happens" in prompt
        assert "between 0 and 31 in this 32 frame video" in prompt
    assert {profiled(RDCAP, "rdcap", profile, total_frames=96) for profile in PROFILES} == {RDCAP}


def test_a_judge_is_told_the_question_alone() -> None:
    assert plain_question(SGQA.format(question="Where {is} it?"), "sgqa") == "Where {is} it?"
    assert plain_question("How many?", "image_qa") == "How many?"


def test_questions_are_asked_as_their_profile_says(make_sample: Callable[..., Sample]) -> None:
    turns = [
        {"role": "user", "text": "In <|num_frames|> frames, format [start, end]"},
        {"role": "assistant", "text": "x"},
    ]
    answer = {"type": "text", "text": "x"}
    asked = {}
    for task in ("sgqa", "rcap", "rtloc", "video_caption"):
        sample = make_sample(task, 0, "benchmark", "x", answer, turns=turns)
        for profile in PROFILES:
            for question in make_questions([sample], 8, profile):
                asked[task, profile] = question.prompt
                assert question.turns[-1].text == question.prompt
                assert question.reference == "x"
    plain = "In 8 frames, format [start, end]"
    assert asked == {
        ("sgqa", "paper"): plain, ("sgqa", LMMS): plain + "{answer}", ("sgqa", "strict"): plain,
        ("rcap", "paper"): plain, ("rcap", LMMS): "In 24 frames, format [start, end]", ("rcap", "strict"): plain,
        ("rtloc", "paper"): "In 8 frames, format (start, end)", ("rtloc", LMMS): plain, ("rtloc", "strict"): plain,
    }  # fmt: skip
