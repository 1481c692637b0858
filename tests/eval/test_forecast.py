"""What an evaluation is said to take before it runs, against counts by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perceptlm.clients.token_estimate import CHARACTERS_PER_TOKEN, TOKENS_PER_PICTURE
from perceptlm.eval.forecast import JUDGE_REPLY_TOKENS, Prices, forecast
from perceptlm.eval.generation import kept_texts
from perceptlm.eval.judges.wording import STRICT
from perceptlm.eval.judging import needed_calls
from perceptlm.eval.questions import Question, make_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.schema import Sample

SETTINGS = EvalSettings(num_frames=8, variants=("own", "zero"))


@pytest.fixture
def questions(clip_samples: Callable[[int, str], list[Sample]]) -> tuple[Question, ...]:
    return make_questions(clip_samples(0, "benchmark"), 8)


def test_with_the_answers_calls_are_counted_exactly(questions: tuple[Question, ...]) -> None:
    texts: dict[Any, str] = {("own", question.sample.id): question.reference for question in questions}
    texts |= {("zero", question.sample.id): "nothing" for question in questions}
    found = forecast(questions, SETTINGS, texts, turns_of=STRICT.turns, num_cached=lambda calls: len(list(calls)) // 2)
    calls = needed_calls(questions, texts, SETTINGS)
    assert found.num_exact_calls == len(calls)
    assert found.num_cached_calls == len(calls) // 2
    assert found.judge.num_requests == len(calls) - len(calls) // 2
    assert found.model.num_requests == found.model.num_tokens_in == 0
    assert found.model.cost is None


def test_without_answers_calls_and_tokens_follow_the_rules(questions: tuple[Question, ...]) -> None:
    prices = Prices(model_in=2.0, model_out=4.0, judge_out=1e6)
    asked = [question for question in questions if question.row == "sgqa"]
    found = forecast(asked, SETTINGS, {}, turns_of=STRICT.turns, prices=prices)
    tokens = -(-len(asked[0].prompt) // CHARACTERS_PER_TOKEN) + 8 * TOKENS_PER_PICTURE
    assert (found.num_requests, found.model.num_requests, found.judge.num_requests) == (2, 2, 2)
    assert found.model.num_tokens_in == 2 * tokens
    out = -(-len(asked[0].reference) // CHARACTERS_PER_TOKEN)
    assert found.model.num_tokens_out == 2 * out
    assert found.model.cost == pytest.approx((2 * tokens * 2 + 2 * out * 4) / 1e6)
    assert found.judge.num_tokens_out == 2 * JUDGE_REPLY_TOKENS
    assert found.judge.cost == pytest.approx(2 * JUDGE_REPLY_TOKENS)
    assert any("rule: " in line for line in found.lines())


def test_a_dense_caption_takes_a_call_per_overlapping_pair(questions: tuple[Question, ...]) -> None:
    (dense,) = (question for question in questions if question.row == "rdcap")
    # Segments [0, 1], [1, 5], [5, 7] of 8 frames beside thirds [0, 2.67], [2.67, 5.33], [5.33, 8].
    assert forecast([dense], SETTINGS, {}, turns_of=STRICT.turns).judge.num_requests == 2 * 5


def test_a_free_judge_takes_nothing(questions: tuple[Question, ...]) -> None:
    found = forecast(questions, SETTINGS, {})
    assert found.judge.num_requests == found.judge.num_tokens_in == 0


def test_answers_of_an_unfinished_run_count(tiny_world: Path, fake_client: Any, tmp_path: Path) -> None:
    client = fake_client(lambda request: "It jumps.")
    client.die_after = 10
    settings = SETTINGS.model_copy(update={"num_samples_per_chunk": 5})
    with pytest.raises(KeyboardInterrupt):
        evaluate(client, tiny_world, tmp_path / "out", settings)
    log = tmp_path / "out.partial" / "answers.jsonl"
    with open(log, "ab") as file:
        file.write(b'{"id":"to')  # the run may be writing this very line
    size = log.stat().st_size
    assert len(kept_texts(tmp_path / "out")) == 10
    assert log.stat().st_size == size
    assert kept_texts(tmp_path / "elsewhere") == {}
