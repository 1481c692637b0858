"""What is asked together, how work is shared out, and what is known of work that is not finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from perceptlm.clients import EachAloneClient, GenerationRequest, ScriptedClient, answers_alone, needs_media
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.generation import Share, clusters_of, make_chunks, read_answers
from perceptlm.eval.questions import Question, make_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.schema import Sample

SETTINGS = EvalSettings(num_frames=4, variants=("own", "zero"), num_resamples=50)


@pytest.fixture(scope="module")
def questions(clip_samples: Callable[[int, str], list[Sample]]) -> tuple[Question, ...]:
    """Seven questions about each of five clips and two about each of five images, clip by clip."""
    samples = [sample for clip in range(5) for sample in clip_samples(clip, "benchmark")]
    return make_questions(samples, 4)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 17, 100])
def test_chunks_break_no_cluster_that_fits(questions: tuple[Question, ...], size: int) -> None:
    chunks = make_chunks(questions, size)
    assert [question for chunk in chunks for question in chunk] == list(questions)
    assert all(0 < len(chunk) <= size for chunk in chunks)
    runs = clusters_of(questions)
    assert [len(run) for run in runs] == [7, 2] * 5
    if size >= 7:
        starts = {chunk[0].sample.id for chunk in chunks}
        assert starts <= {run[0].sample.id for run in runs}
        assert all(len(a) + len(clusters_of(b)[0]) > size for a, b in pairwise(chunks))


@pytest.mark.parametrize("total", [1, 2, 3, 10, 11])
def test_shares_are_all_of_the_work_once(questions: tuple[Question, ...], total: int) -> None:
    runs = clusters_of(questions)
    shares = [Share(number=number, total=total).of(runs) for number in range(1, total + 1)]
    assert [run for share in shares for run in share] == runs
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert len({Share(number=number, total=total).file_name for number in range(1, total + 1)}) == total


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3", "1.0/2"])
def test_a_share_is_number_and_total(text: str) -> None:
    with pytest.raises(UsageError, match="no share of the work"):
        Share.parse(text)


def test_shares_are_read_with_the_rest_and_the_first_file_counts(tmp_path: Path) -> None:
    def line(name: str, text: str) -> str:
        return json.dumps({"id": name, "variant": "own", "text": text, "finish_reason": "stop"}) + "\n"

    (tmp_path / "answers.jsonl").write_text(line("b", "second") + line("c", "late"))
    (tmp_path / "answers-1-of-2.jsonl").write_text(line("a", "first") + line("b", "first") + line("d", "torn")[:-3])
    found = read_answers(tmp_path)
    assert {name: answer.text for (_, name), answer in found.items()} == {"a": "first", "b": "first", "c": "late"}
    (tmp_path / "answers-2-of-2.jsonl").write_text('{"id": 3}\n')
    with pytest.raises(DataError, match=r"answers-2-of-2.jsonl:1: not an answer"):
        read_answers(tmp_path)


class EachClient(ScriptedClient):
    """Says what it was asked, and dies when told to."""

    def __init__(self, die_after: int | None = None) -> None:
        super().__init__(lambda request: "(A)")
        self.asked: list[str] = []
        self.die_after = die_after

    def answer_each(self, asked: Any) -> Iterator[Any]:
        for key, request in asked:
            if self.die_after == len(self.asked):
                raise KeyboardInterrupt
            self.asked.append(key)
            yield from super().answer_each([(key, request)])


@pytest.mark.parametrize("die_after", [0, 1, 44, 89])
def test_a_client_that_answers_alone_is_asked_only_what_is_missing(
    die_after: int, tiny_world: Path, tmp_path: Path
) -> None:
    first = EachClient(die_after)
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, tiny_world, tmp_path / "out", SETTINGS)
    second = EachClient()
    evaluate(second, tiny_world, tmp_path / "out", SETTINGS)
    assert len(first.asked) == die_after
    assert len(set(first.asked) | set(second.asked)) == len(first.asked) + len(second.asked) == 90


def test_clients_say_how_they_are_to_be_asked(fake_client: Any) -> None:
    scripted, fake = ScriptedClient({}), fake_client(lambda _: "")
    assert isinstance(scripted, EachAloneClient)
    assert (answers_alone(scripted), answers_alone(fake)) == (True, False)
    assert needs_media(scripted)
    results = scripted.answer_each((n, GenerationRequest(str(n), ())) for n in range(2))
    assert [(key, result.finish_reason) for key, result in results] == [(0, "error"), (1, "error")]
