"""Evaluate a model on a world artifact: ask, score, summarise, publish.

The published directory holds `rows.jsonl` (every question in every variant), `scores.json`, and `breakdown.json`
(scores by dimension, question family and what clips show). Answers are kept as they come, so a killed evaluation goes
on where it was. The model is a client handed in by the caller; this module knows neither weights nor servers.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perceptlm import artifact
from perceptlm.clients import GenerationClient, GenerationRequest, GenerationResult
from perceptlm.config import Config
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import ClientError, DataError, UsageError
from perceptlm.eval.baselines import TrainingAnswers, constant_units, text_baselines
from perceptlm.eval.benchmarks.images.corpus import with_captions_scored
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile
from perceptlm.eval.breakdown import breakdown, write_breakdown
from perceptlm.eval.judges.protocol import Judge, JudgeIdentity, Verdicts
from perceptlm.eval.judging import judge_answers
from perceptlm.eval.outcomes import Judgement, Row, Score, Variant
from perceptlm.eval.pictures import PictureSource
from perceptlm.eval.questions import Question, first_questions, make_questions
from perceptlm.eval.scoring import PROCEDURAL, score_with_judgements
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, RowName
from perceptlm.eval.summary import Unit, average_with_interval, summarise_row
from perceptlm.exchange.jsonl import JsonlAppender, cut_torn_line, read_lines, write_records
from perceptlm.log import progress
from perceptlm.schema import Split
from perceptlm.statistics import METHOD

KIND = "eval"
ROWS, SCORES = "rows.jsonl", "scores.json"
_ANSWERS = "answers.jsonl"


class Answer(Config):
    """What a model said to one question in one variant."""

    id: str
    variant: Variant
    text: str
    finish_reason: str
    error: str | None = None


Answers = dict[tuple[Variant, str], Answer]


def evaluate(
    client: GenerationClient,
    dataset: Path,
    out: Path,
    settings: EvalSettings,
    *,
    judge: Judge = PROCEDURAL,
    blind_client: GenerationClient | None = None,
    inputs: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Publish the evaluation of `client` on `dataset` (a world artifact) as `out`, going on from a killed run.

    `judge` says what answers and captions are worth; who it is is part of the result's identity.
    `blind_client` answers the variant `trained_blind`: the same recipe trained without pixels. `inputs` names the
    artifacts the clients were loaded from, for the manifest. Raises UsageError for variants without a client,
    ArtifactError for a dataset of another kind, ClientError when too many requests fail, of the model or of the judge.
    """
    artifact.require_kind(dataset, "world")
    if ("trained_blind" in settings.variants) != (blind_client is not None):
        raise UsageError("the variant 'trained_blind' needs a model trained without pixels, and only it does")
    recipe: dict[str, Any] = {"settings": settings.to_dict(), "model": client.identity.to_dict()}
    recipe["judge"] = judge.identity.to_dict()
    if blind_client is not None:
        recipe["blind_model"] = blind_client.identity.to_dict()
    clients = dict.fromkeys(settings.variants, client)
    if blind_client is not None:
        clients["trained_blind"] = blind_client

    def make(partial: Path) -> None:
        if (partial / SCORES).exists() and not (partial / _ANSWERS).exists():
            return  # killed between its last step and publishing
        everything = load_questions(dataset, settings.split, settings.num_frames, settings.profile)
        questions = first_questions(everything, settings.limit)
        pictures = PictureSource(dataset, everything, num_frames=settings.num_frames, seed=settings.seed)
        answers = generate_answers(clients, questions, pictures, partial / _ANSWERS, settings)
        texts = {key: answer.text for key, answer in answers.items() if answer.error is None}
        verdicts = judge_answers(questions, texts, judge, settings)
        rows = score_rows(questions, answers, settings, verdicts)
        training = TrainingAnswers(load_questions(dataset, "train", settings.num_frames), seed=settings.seed)
        scores = {"model": client.identity.to_dict()}
        scores |= summarise(rows, questions, training, settings, judge.identity)
        write_records(partial / ROWS, rows)
        write_breakdown(partial, breakdown(rows, _constants(questions, training, settings, judge), settings))
        text = json.dumps(scores, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        artifact.write_atomic(partial / SCORES, text.encode())
        (partial / _ANSWERS).unlink()

    return artifact.build(
        out,
        kind=KIND,
        recipe=recipe,
        make=make,
        inputs={"data": dataset, **(inputs or {})},
        seeds={"eval": settings.seed},
        overwrite=overwrite,
    )


def load_questions(dataset: Path, split: Split, num_frames: int, profile: Profile = "strict") -> tuple[Question, ...]:
    """Return the questions of a split in dataset order, as `profile` asks them; DataError if there are none."""
    with _collector_paused():
        questions = make_questions(SampleSet.open(dataset, split).samples, num_frames, profile)
    if not questions:
        raise DataError(f"its split '{split}' holds no benchmark question", path=dataset)
    return questions


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Look for no garbage: among records, which are kept and know no cycles, that takes longer than reading them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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


def score_rows(
    questions: Sequence[Question], answers: Answers, settings: EvalSettings, verdicts: Verdicts = PROCEDURAL
) -> list[Row]:
    """Return one scored row per question and variant: variants in order, questions in dataset order."""
    rows = []
    for variant in settings.variants:
        for question in questions:
            answer = answers[variant, question.sample.id]
            if answer.error is not None:
                score = Score(outcome="error", reason=answer.error)
                rows.append(_make_row(question, answer, score, ()))
                continue
            score, judgements = score_with_judgements(question, answer.text, settings.profile, verdicts)
            rows.append(_make_row(question, answer, score, judgements))
    return with_captions_scored(rows, questions)


def summarise(
    rows: Sequence[Row],
    questions: Sequence[Question],
    training: TrainingAnswers,
    settings: EvalSettings,
    judge: JudgeIdentity = PROCEDURAL.identity,
) -> dict[str, Any]:
    """Return what `scores.json` holds beside the model's name: every table row that has questions, and the average."""
    tasks = {}
    for name in ROW_NAMES:
        asked = [question for question in questions if question.row == name]
        if asked:
            tasks[name] = summarise_row(name, [row for row in rows if row.row == name], settings, judge.label)
            tasks[name]["baselines"] |= text_baselines(name, asked, training, settings, judge_is_free=judge.is_free)
    return {
        "judge": judge.label,
        "judge_identity": judge.to_dict(),
        "profile": settings.profile,
        "num_frames": settings.num_frames,
        "confidence": settings.confidence,
        "interval": f"{METHOD} (source clips)",
        **average_with_interval(rows, settings),
        "tasks": tasks,
    }


def _constants(
    questions: Sequence[Question], training: TrainingAnswers, settings: EvalSettings, judge: Judge
) -> dict[RowName, list[Unit]]:
    """Return the units of every row as the constant answers score them."""
    found = {}
    for name in ROW_NAMES:
        asked = [question for question in questions if question.row == name]
        found[name] = constant_units(name, asked, training, settings, judge_is_free=judge.identity.is_free)
    return found


def _make_row(question: Question, answer: Answer, score: Score, judgements: tuple[Judgement, ...]) -> Row:
    sample = question.sample
    return Row.model_validate(
        {
            "id": sample.id,
            "row": question.row,
            "task": sample.task,
            "variant": answer.variant,
            "prompt": question.prompt,
            "prediction": answer.text,
            "finish_reason": answer.finish_reason,
            "reference": question.reference,
            "score": score,
            "num_frames": question.num_frames,
            "template": sample.template,
            "dimension": sample.dimension,
            "cluster": sample.cluster,
            "group": sample.group,
            "attributes": sample.attributes,
            "judgements": judgements,
        }
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


def kept_texts(out: Path) -> dict[tuple[Variant, str], str]:
    """Return the answers that an unfinished evaluation to `out` has so far; it may still be running."""
    path = artifact.partial_path(out) / _ANSWERS
    if not path.is_file():
        return {}
    whole = path.read_bytes().rpartition(b"\n")[0].split(b"\n")
    answers = (Answer.model_validate_json(line) for line in whole if line)
    return {(answer.variant, answer.id): answer.text for answer in answers}


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
