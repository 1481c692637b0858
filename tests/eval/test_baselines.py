"""Chance, constants and oracle on a data set small enough to work out by hand."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

import pytest

from perceptlm.eval.baselines import TrainingAnswers, best_constant, text_baselines
from perceptlm.eval.benchmarks.images.table import IMAGE_ROWS
from perceptlm.eval.questions import Question, make_questions
from perceptlm.eval.scoring import score_answer
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, RowName
from perceptlm.schema import Sample

SETTINGS = EvalSettings(num_frames=8)
Clips = Callable[[int, str], list[Sample]]


@pytest.fixture
def benchmark(clip_samples: Clips) -> tuple[Question, ...]:
    return make_questions([s for clip in range(5) for s in clip_samples(clip, "benchmark")], 8)


@pytest.fixture
def training(clip_samples: Clips) -> TrainingAnswers:
    samples = [s for clip in range(8) for s in clip_samples(clip, "train")]
    return TrainingAnswers(make_questions(samples, 8), seed=0)


def of_row(questions: tuple[Question, ...], row: str) -> list[Question]:
    return [question for question in questions if question.row == row]


@pytest.mark.parametrize("row", [row for row in ROW_NAMES if row not in IMAGE_ROWS])
def test_oracle_is_one_and_above_the_rest(
    row: RowName, benchmark: tuple[Question, ...], training: TrainingAnswers
) -> None:
    found = text_baselines(row, of_row(benchmark, row), training, SETTINGS)
    assert found["oracle"]["score"] == pytest.approx(1.0)
    for name in ("chance", "constant"):
        assert 0.0 <= found[name]["score"] < 1.0
        assert found[name]["rule"]
    assert found == text_baselines(row, of_row(benchmark, row), training, SETTINGS)


def test_guessing_fgqa_is_worth_an_eighth(benchmark: tuple[Question, ...], training: TrainingAnswers) -> None:
    assert text_baselines("fgqa", of_row(benchmark, "fgqa"), training, SETTINGS)["chance"]["score"] == 0.125


def test_guessing_among_options_is_worth_their_share(make_sample: Callable[..., Sample]) -> None:
    answer = {"type": "choice", "options": ["a", "b", "c", "d"], "index": 1}
    image = {"kind": "image", "path": "images/0.png", "width": 32, "height": 32}
    asked = make_questions([make_sample("mcq", 0, "benchmark", "The answer is b.", answer, media=[image])], 8)
    found = text_baselines("image", asked, TrainingAnswers([], seed=0), SETTINGS)
    assert found["chance"]["score"] == 0.25


def test_guessing_spans_is_the_mean_over_all_spans(benchmark: tuple[Question, ...], training: TrainingAnswers) -> None:
    questions = of_row(benchmark, "rtloc")
    spans = [f"[{start}, {end}]" for start in range(8) for end in range(start + 1, 8)]
    expected = fmean(score_answer(question, span).score or 0.0 for question in questions for span in spans)
    assert text_baselines("rtloc", questions, training, SETTINGS)["chance"]["score"] == pytest.approx(expected)


def test_the_constant_is_the_best_training_answer_of_its_template(make_sample: Callable[..., Sample]) -> None:
    def sample(number: int, split: str, template: str, count: str) -> Sample:
        facts = [{"slot": "count", "value": count}]
        answer = {"type": "text", "text": count, "facts": facts}
        return make_sample("sgqa", number, split, f"{count} times", answer, template=template)

    counts = {"often": "3332", "seldom": "1112"}
    train = [sample(i, "train", name, count) for name, values in counts.items() for i, count in enumerate(values)]
    training = TrainingAnswers(make_questions(train, 8), seed=0)
    assert best_constant("sgqa", "often", training, SETTINGS) == "3 times"
    assert best_constant("sgqa", "seldom", training, SETTINGS) == "1 times"
    asked = make_questions([sample(0, "benchmark", "often", "3"), sample(1, "benchmark", "seldom", "2")], 8)
    found = text_baselines("sgqa", asked, training, SETTINGS)["constant"]
    assert found["score"] == 0.5
    assert found["answers"] == {"often": "3 times", "seldom": "1 times"}


def test_an_unseen_template_falls_back_on_the_whole_row(make_sample: Callable[..., Sample]) -> None:
    span = {"type": "span", "span": {"start_frame": 6, "end_frame": 20}}
    train = make_questions([make_sample("rtloc", i, "train", "x", span) for i in range(3)], 8)
    asked = make_questions([make_sample("rtloc", 0, "benchmark", "x", span, template="new")], 8)
    found = text_baselines("rtloc", asked, TrainingAnswers(train, seed=0), SETTINGS)["constant"]
    assert found["answers"] == {"any other template": "[2, 6]"}
    assert found["score"] == 1.0


def test_without_training_answers_there_is_no_constant(benchmark: tuple[Question, ...]) -> None:
    found = text_baselines("sgqa", of_row(benchmark, "sgqa"), TrainingAnswers([], seed=0), SETTINGS)
    assert "constant" not in found
    assert found["chance"]["score"] is None
