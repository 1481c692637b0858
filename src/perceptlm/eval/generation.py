"""Asking: questions to a client in every variant, each answer kept on disk at once, so that a killed run goes on.

Knows neither how answers are scored nor what the model is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from perceptlm.clients import GenerationClient, GenerationRequest, GenerationResult
from perceptlm.config import Config
from perceptlm.errors import ClientError, DataError
from perceptlm.eval.outcomes import Variant
from perceptlm.eval.pictures import PictureSource
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import JsonlAppender, cut_torn_line, read_lines
from perceptlm.log import progress

ANSWERS = "answers.jsonl"


class Answer(Config):
    """What a model said to one question in one variant."""

    id: str
    variant: Variant
    text: str
    finish_reason: str
    error: str | None = None


Answers = dict[tuple[Variant, str], Answer]


def generate_answers(
    clients: Mapping[Variant, GenerationClient],
    questions: Sequence[Question],
    pictures: PictureSource,
    path: Path,
    settings: EvalSettings,
) -> Answers:
    """Ask every question in every variant, keeping answers in `path` as they come; answers already there stay.

    Questions are asked in fixed chunks, those about the same pictures together. A chunk of which an answer is missing
    is asked again as a whole, so that a resumed run gives a model the same batches as an uninterrupted one. Failed
    requests are not kept: they are tried again by the next run.
    """
    answers = _read_answers(path)
    failed: Answers = {}
    total = len(questions) * len(settings.variants)
    size = settings.num_samples_per_chunk
    ordered = pictures.in_order(questions)
    chunks = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    with JsonlAppender(path) as file, progress("variant") as bar:
        task = bar.add_task("evaluate", total=total, variant="")
        for chunk in chunks:
            for variant in settings.variants:
                keys = [(variant, question.sample.id) for question in chunk]
                if all(key in answers for key in keys):
                    bar.advance(task, len(chunk))
                    continue
                bar.update(task, variant=variant)
                requests = [make_request(question, variant, pictures, settings) for question in chunk]
                for key, result in zip(keys, _generate(clients[variant], requests), strict=True):
                    bar.advance(task)
                    answer = Answer(
                        id=result.id,
                        variant=variant,
                        text=_writable(result.text),
                        finish_reason=result.finish_reason,
                    )
                    if result.error is not None or result.finish_reason == "error":
                        failed[key] = answer.model_copy(update={"error": _writable(result.error or "no reason given")})
                        _check_failures(failed, total, settings)
                    elif key not in answers:
                        answers[key] = answer
                        file.write(answer)
    return failed | answers


def make_request(
    question: Question, variant: Variant, pictures: PictureSource, settings: EvalSettings
) -> GenerationRequest:
    """Return the request for one question in one variant (greedy decoding)."""
    return GenerationRequest(
        id=question.sample.id,
        turns=question.turns,
        media=pictures.media(question, "zero" if variant == "trained_blind" else variant),
        max_new_tokens=settings.max_new_tokens.of(question.row),
        seed=settings.seed,
    )


def _generate(client: GenerationClient, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
    results = client.generate(requests)
    for request in requests:
        result = next(results, None)
        if result is None or result.id != request.id:
            raise ClientError(f"{client.identity.name}: no answer, or another one, to request {request.id}")
        yield result


def _writable(text: str) -> str:
    # JSON from a server may hold half of a surrogate pair, which no file can.
    return text.encode("utf-8", "replace").decode("utf-8")


def _check_failures(failed: Answers, total: int, settings: EvalSettings) -> None:
    if len(failed) > settings.max_error_share * total:
        last = next(reversed(failed.values()))
        raise ClientError(
            f"{len(failed)} of {total} requests failed, more than max_error_share {settings.max_error_share:g}; "
            f"the last: {last.error}",
            hint="the answers so far are kept: mend the model or server and run the same command again",
        )


def _read_answers(path: Path) -> Answers:
    if not path.exists():
        return {}
    answers = {}
    cut_torn_line(path)
    for number, record in read_lines(path):
        try:
            answer = Answer.model_validate(record)
        except ValidationError as error:
            raise DataError("not an answer of an evaluation", path=path, line=number, hint="remove the file") from error
        answers[answer.variant, answer.id] = answer
    return answers
