"""Asking: questions to a client in every variant, each answer kept on disk at once, so that a killed run goes on.

Answers stand in `answers.jsonl` of the work directory, those of a share of the work in `answers-2-of-4.jsonl`; all of
these files are read, one is written. Knows neither how answers are scored nor what the model is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from perceptlm import artifact
from perceptlm.clients import GenerationClient, GenerationRequest, GenerationResult, answers_alone, needs_media
from perceptlm.config import Config
from perceptlm.errors import ClientError, DataError, MediaError, UsageError
from perceptlm.eval.outcomes import BAD_MEDIA, Variant
from perceptlm.eval.pictures import PictureSource, is_asked
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import JsonlAppender, read_whole_lines
from perceptlm.locks import locked
from perceptlm.log import logger, progress

ANSWERS = "answers.jsonl"
NO_ANSWER = "no answer was recorded"
_MAX_FAILURES_IN_A_ROW = 20
"""So many requests that failed one after the other say that the server is down: asking on would only take hours."""

Key = tuple[Variant, str]
"""A variant and the id of a Sample."""


class Answer(Config):
    """What a model said to one question in one variant."""

    id: str
    variant: Variant
    text: str
    finish_reason: Literal["stop", "length", "error"]
    error: str | None = None
    not_asked: str | None = None
    """Why the question was never put to the model: one of `outcomes.NOT_ASKED`. Never kept on disk."""


Answers = dict[Key, Answer]


class Share(Config):
    """Part `number` (from 1) of `total` parts of the work."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `2/4`; UsageError for anything else."""
        number, _, total = text.partition("/")
        if number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total):
            return cls(number=int(number), total=int(total))
        raise UsageError(f"'{text}' is no share of the work", hint="--shard 1/4 to --shard 4/4 for four processes")

    @property
    def file_name(self) -> str:
        """Where this share's answers stand."""
        return f"answers-{self.number}-of-{self.total}.jsonl"

    def of(self, chunks: Sequence[list[Question]]) -> list[list[Question]]:
        """Return this share: consecutive chunks, so that clips shown as another's are mostly its own too."""
        start, stop = ((part * len(chunks)) // self.total for part in (self.number - 1, self.number))
        return list(chunks[start:stop])


@dataclass
class _Work:
    """One run of asking: what there is, what failed, and where new answers go."""

    settings: EvalSettings
    pictures: PictureSource
    answers: Answers
    total: int
    write: Callable[[Answer], None]
    advance: Callable[[int], None]
    failed: Answers = field(default_factory=dict)
    unseen: Answers = field(default_factory=dict)
    num_failures_in_a_row: int = 0

    def requests(
        self, asked: Iterable[tuple[Key, Question]], client: GenerationClient
    ) -> Iterator[tuple[Key, GenerationRequest]]:
        """Yield the requests, without those whose pictures cannot be read: these are noted as not asked."""
        for key, question in asked:
            try:
                yield key, make_request(question, key[0], self.pictures if needs_media(client) else None, self.settings)
            except MediaError as error:
                if key not in self.unseen:
                    logger.warning("%s, shown '%s', is not asked: %s", key[1], key[0], error)
                self.unseen[key] = no_answer(key, not_asked=BAD_MEDIA)

    def take(self, key: Key, result: GenerationResult) -> None:
        """Keep one answer; ClientError if too many requests failed."""
        variant, name = key
        answer = Answer(id=name, variant=variant, text=_writable(result.text), finish_reason=result.finish_reason)
        if result.error is not None or result.finish_reason == "error":
            said = _writable(result.error or "no reason given")
            self.failed[key] = answer.model_copy(update={"error": said, "finish_reason": "error"})
            self.num_failures_in_a_row += 1
            _check_failures(self.failed, self.total, self.settings, self.num_failures_in_a_row)
            return
        self.num_failures_in_a_row = 0
        if key not in self.answers:
            self.failed.pop(key, None)
            self.answers[key] = answer
            self.write(answer)


def generate_answers(
    clients: Mapping[Variant, GenerationClient],
    questions: Sequence[Question],
    pictures: PictureSource,
    folder: Path,
    settings: EvalSettings,
    *,
    share: Share | None = None,
) -> Answers:
    """Ask every question in every variant, keeping answers in `folder` as they come; answers already there stay.

    A client that answers each request alone is asked what is missing, and nothing else; what fails is tried once more
    at the end. Another is asked in fixed chunks, and one of which an answer is missing is asked again as a whole, so
    that a resumed run gives the model the same batches as an uninterrupted one. Failed requests are not kept: the next
    run tries them again. A question whose pictures cannot be read is not asked, and is no failure. With `share` only
    that part is asked. Raises ClientError if too many requests fail, UsageError if another process writes the same
    file, and MediaError if no question's own pictures can be read; a share may have none that can.
    """
    looked_at = any(needs_media(client) for client in clients.values())
    ordered = pictures.in_order(questions) if looked_at else questions
    alone = all(answers_alone(client) for client in clients.values())
    chunks = clusters_of(ordered) if alone else make_chunks(ordered, settings.num_samples_per_chunk)
    if share is not None:
        chunks = share.of(chunks)
    asked = [question for chunk in chunks for question in chunk]
    total = len(asked_keys(asked, settings))
    with _only_writer(folder / (ANSWERS if share is None else share.file_name)) as path:
        answers = read_answers(folder)
        with JsonlAppender(path) as file, progress("variant") as bar:
            task = bar.add_task("ask", total=total, variant="")
            work = _Work(settings, pictures, answers, total, file.write, lambda number: bar.advance(task, number))
            for client in dict.fromkeys(clients[variant] for variant in settings.variants):
                variants = [variant for variant in settings.variants if clients[variant] is client]
                bar.update(task, variant=", ".join(variants))
                if answers_alone(client):
                    _ask_each(client, variants, asked, work)
                else:
                    _ask_together(client, variants, chunks, work)
    found = work.unseen | work.failed | work.answers
    own = [answer for (variant, _), answer in found.items() if variant == "own"]
    if share is None and own and all(answer.not_asked is not None for answer in own):
        hint = "plm eval doctor says what is wrong with each"
        raise MediaError("no media file could be read", path=questions[0].root, hint=hint)
    return found


def recorded_answers(folder: Path, questions: Sequence[Question], settings: EvalSettings) -> Answers:
    """Return what was answered; a question that was not becomes an error. ClientError if those are too many."""
    answers, failed = read_answers(folder), {}
    keys = asked_keys(questions, settings)
    for variant, name in keys:
        if (variant, name) not in answers:
            failed[variant, name] = no_answer((variant, name), error=NO_ANSWER)
    _check_failures(failed, len(keys), settings)
    return failed | answers


def no_answer(key: Key, **why: str) -> Answer:
    """Return what stands in the place of an answer that there is none of."""
    return Answer(id=key[1], variant=key[0], text="", finish_reason="error", **why)


def asked_keys(questions: Sequence[Question], settings: EvalSettings) -> list[Key]:
    """Return what is asked: variants in order, questions in order, without controls that show nothing else."""
    return [
        (variant, question.sample.id)
        for variant in settings.variants
        for question in questions
        if is_asked(question, variant)
    ]


def kept_texts(out: Path) -> dict[Key, str]:
    """Return the answers that an unfinished evaluation to `out` has so far; it may still be running."""
    folder = artifact.partial_path(out)
    return {key: answer.text for key, answer in read_answers(folder).items()} if folder.is_dir() else {}


def make_chunks(questions: Sequence[Question], size: int) -> list[list[Question]]:
    """Return consecutive chunks of at most `size` questions that break no cluster, if it is not larger than that."""
    chunks: list[list[Question]] = [[]]
    for run in clusters_of(questions):
        if chunks[-1] and len(chunks[-1]) + len(run) > size:
            chunks.append([])
        while len(run) > size:
            chunks[-1], run = run[:size], run[size:]
            chunks.append([])
        chunks[-1] += run
    return [chunk for chunk in chunks if chunk]


def clusters_of(questions: Sequence[Question]) -> list[list[Question]]:
    """Return the questions in their order, those of one cluster that stand together as one list."""
    return [list(run) for _, run in groupby(questions, key=lambda question: question.sample.cluster)]


def make_request(
    question: Question, variant: Variant, pictures: PictureSource | None, settings: EvalSettings
) -> GenerationRequest:
    """Return the request for one question in one variant (greedy decoding); without `pictures`, of its text only."""
    return GenerationRequest(
        id=question.sample.id,
        turns=question.turns,
        media=() if pictures is None else pictures.media(question, variant),
        max_new_tokens=settings.max_new_tokens.of(question.row),
        seed=settings.seed,
    )


def _ask_each(client: Any, variants: Sequence[Variant], questions: Sequence[Question], work: _Work) -> None:
    """Ask what is missing, and once more what failed; answers are taken as they come."""
    for attempt in range(2):
        missing: list[tuple[Key, Question]] = []
        for question in questions:
            for variant in variants:
                key = (variant, question.sample.id)
                if is_asked(question, variant) and key not in work.answers:
                    missing.append((key, question))
        if attempt == 0:
            work.advance(sum(is_asked(q, variant) for q in questions for variant in variants) - len(missing))
        for key, result in client.answer_each(work.requests(missing, client)):
            work.take(key, result)
            if attempt == 0:
                work.advance(1)


def _ask_together(
    client: GenerationClient, variants: Sequence[Variant], chunks: Sequence[list[Question]], work: _Work
) -> None:
    """Ask every chunk of which an answer is missing, as a whole."""
    for chunk in chunks:
        for variant in variants:
            asked = [question for question in chunk if is_asked(question, variant)]
            keys: list[Key] = [(variant, question.sample.id) for question in asked]
            if not all(key in work.answers for key in keys):
                requests = dict(work.requests(zip(keys, asked, strict=True), client))
                for key, result in zip(requests, _generate(client, list(requests.values())), strict=True):
                    work.take(key, result)
                    work.advance(1)
            else:
                work.advance(len(keys))


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


def _check_failures(failed: Answers, total: int, settings: EvalSettings, num_in_a_row: int = 0) -> None:
    too_many = len(failed) > settings.max_error_share * total
    if too_many or (num_in_a_row >= _MAX_FAILURES_IN_A_ROW and settings.max_error_share < 1):
        last = next(reversed(failed.values()))
        limit = f"more than max_error_share {settings.max_error_share:g}" if too_many else "many in a row"
        raise ClientError(
            f"{len(failed)} of {total} requests failed, {limit}; the last: {last.error}",
            hint="the answers so far are kept: mend the model or server and run the same command again",
        )


@contextmanager
def _only_writer(path: Path) -> Iterator[Path]:
    path.touch()
    try:
        with locked(path, wait=False):
            yield path
    except BlockingIOError as error:
        raise UsageError(
            f"another process is writing {path}",
            hint="wait for it, or share the work out with --shard 1/2 and --shard 2/2",
        ) from error


def answer_files(folder: Path) -> list[Path]:
    """Return the files of answers in a work directory."""
    return sorted(folder.glob("answers*.jsonl"))


def read_answers(folder: Path) -> Answers:
    """Return all answers of a work directory, except a last line that is being written; the first of two counts."""
    answers: Answers = {}
    for path in answer_files(folder):
        for number, record in read_whole_lines(path):
            try:
                answer = Answer.model_validate(record)
            except ValidationError as error:
                hint = "remove the file"
                raise DataError("not an answer of an evaluation", path=path, line=number, hint=hint) from error
            answers.setdefault((answer.variant, answer.id), answer)
    return answers
