"""Scores of single answers, and what is not a score."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from perceptlm.eval.outcomes import Score
from perceptlm.eval.questions import Question, make_questions
from perceptlm.eval.scoring import score_answer
from perceptlm.schema import Sample

HOSTILE = ("", "\0", "<|image|><|eot_id|>", "]" * 1000, "[1e309, 2]", "NaN", "\U0001f600 <script>alert()</script>")


@pytest.fixture
def questions(clip_samples: Callable[[int, str], list[Sample]]) -> dict[str, Question]:
    """One question per row, of clip 3: the yellow boat jumps once from frame 6 to 18."""
    found = make_questions(clip_samples(3, "benchmark"), 24)
    return {question.row: question for question in reversed(found)}


def test_the_reference_scores_one_everywhere(questions: dict[str, Question]) -> None:
    for row, question in questions.items():
        score = score_answer(question, question.reference)
        assert score.outcome == "value"
        assert score.score == pytest.approx(1.0), row
        assert not score.parse_failed


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_scores_zero(questions: dict[str, Question], text: str) -> None:
    for question in questions.values():
        assert score_answer(question, text).score == 0.0


def test_unreadable_answers_are_counted(questions: dict[str, Question]) -> None:
    assert all(score_answer(questions[row], "no idea").parse_failed for row in ("fgqa", "rtloc", "rdcap"))
    assert all(score_answer(question, " ").parse_failed for question in questions.values())


def test_partly_right_answers_score_partly(questions: dict[str, Question]) -> None:
    assert score_answer(questions["rtloc"], "[6, 12]").score == pytest.approx(0.25)
    assert score_answer(questions["rcap"], "The yellow boat jumps twice.").score == pytest.approx(0.75)
    dense = score_answer(questions["rdcap"], "[6, 18]: The yellow boat jumps once.").score
    assert dense == pytest.approx(0.5)
    assert score_answer(questions["sgqa"], "twice").score == 0.0


def test_the_profile_changes_how_an_answer_is_read(questions: dict[str, Question]) -> None:
    assert score_answer(questions["rtloc"], "(6, 18)").score == 1.0
    assert score_answer(questions["rtloc"], "(6, 18)", "lmms-eval-0.7.2").score == 0.0
    assert score_answer(questions["fgqa"], ".").score == 0.0
    assert score_answer(questions["fgqa"], ".", "lmms-eval-0.7.2").score == 1.0


def test_an_event_on_one_shown_frame_is_degenerate(clip_samples: Callable[[int, str], list[Sample]]) -> None:
    question = next(q for q in make_questions(clip_samples(0, "benchmark"), 1) if q.row == "rtloc")
    score = score_answer(question, question.reference)
    assert score.degenerate
    assert score.score == 0.0


def test_a_reference_without_facts_is_not_scored(make_sample: Callable[..., Sample]) -> None:
    for task in ("sgqa", "rcap", "image_caption", "image_qa"):
        sample = make_sample(task, 0, "benchmark", "x", {"type": "text", "text": "x"})
        score = score_answer(make_questions([sample], 8)[0], "x")
        assert (score.outcome, score.score) == ("unscored", None)
        assert "no facts" in str(score.reason)


def test_an_answer_of_the_wrong_kind_is_not_scored(make_sample: Callable[..., Sample]) -> None:
    for task in ("fgqa", "rtloc", "rdcap"):
        sample = make_sample(task, 0, "benchmark", "x", {"type": "text", "text": "x"})
        assert score_answer(make_questions([sample], 8)[0], "x").outcome == "unscored"


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "value"},
        {"outcome": "value", "score": 1.5},
        {"outcome": "error"},
        {"outcome": "error", "score": 0.0, "reason": "x"},
        {"outcome": "value", "score": 0.0, "reason": "x"},
    ],
)
def test_a_score_is_a_value_or_has_a_reason(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Score.model_validate(fields)
