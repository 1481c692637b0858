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

from perceptlm import artifact
from perceptlm.clients import GenerationClient
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.baselines import TrainingAnswers, constant_units, text_baselines
from perceptlm.eval.benchmarks.plm_videobench.metrics import suite_average
from perceptlm.eval.breakdown import breakdown, write_breakdown
from perceptlm.eval.generation import ANSWERS, Answer, Answers, generate_answers
from perceptlm.eval.judges.procedural import JUDGE_NAME
from perceptlm.eval.outcomes import Row, Score
from perceptlm.eval.pictures import PictureSource
from perceptlm.eval.questions import Question, first_questions, make_questions
from perceptlm.eval.scoring import score_answer
from perceptlm.eval.settings import ROW_NAMES, EvalSettings
from perceptlm.eval.summary import summarise_row
from perceptlm.exchange.jsonl import write_records
from perceptlm.schema import BENCHMARK_TASKS, Split

KIND = "eval"
ROWS, SCORES = "rows.jsonl", "scores.json"


def evaluate(
    client: GenerationClient,
    dataset: Path,
    out: Path,
    settings: EvalSettings,
    *,
    blind_client: GenerationClient | None = None,
    inputs: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Publish the evaluation of `client` on `dataset` (a world artifact) as `out`, going on from a killed run.

    `blind_client` answers the variant `trained_blind`: the same recipe trained without pixels. `inputs` names the
    artifacts the clients were loaded from, for the manifest. Raises UsageError for variants without a client,
    ArtifactError for a dataset of another kind, ClientError when too many requests fail.
    """
    artifact.require_kind(dataset, "world")
    if ("trained_blind" in settings.variants) != (blind_client is not None):
        raise UsageError("the variant 'trained_blind' needs a model trained without pixels, and only it does")
    recipe: dict[str, Any] = {"settings": settings.to_dict(), "model": client.identity.to_dict()}
    if blind_client is not None:
        recipe["blind_model"] = blind_client.identity.to_dict()
    clients = dict.fromkeys(settings.variants, client)
    if blind_client is not None:
        clients["trained_blind"] = blind_client

    def make(partial: Path) -> None:
        if (partial / SCORES).exists() and not (partial / ANSWERS).exists():
            return  # killed between its last step and publishing
        everything = load_questions(dataset, settings.split, settings.num_frames)
        questions = first_questions(everything, settings.limit)
        pictures = PictureSource(dataset, everything, num_frames=settings.num_frames, seed=settings.seed)
        answers = generate_answers(clients, questions, pictures, partial / ANSWERS, settings)
        rows = score_rows(questions, answers, settings)
        training = TrainingAnswers(load_questions(dataset, "train", settings.num_frames), seed=settings.seed)
        scores = {"model": client.identity.to_dict(), **summarise(rows, questions, training, settings)}
        constants = {
            name: constant_units(name, [q for q in questions if q.row == name], training, settings)
            for name in ROW_NAMES
        }
        write_records(partial / ROWS, rows)
        write_breakdown(partial, breakdown(rows, constants, settings))
        text = json.dumps(scores, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        artifact.write_atomic(partial / SCORES, text.encode())
        (partial / ANSWERS).unlink()

    return artifact.build(
        out,
        kind=KIND,
        recipe=recipe,
        make=make,
        inputs={"data": dataset, **(inputs or {})},
        seeds={"eval": settings.seed},
        overwrite=overwrite,
    )


def load_questions(dataset: Path, split: Split, num_frames: int) -> tuple[Question, ...]:
    """Return the questions of a split in dataset order; DataError if there are none."""
    with _collector_paused():
        questions = make_questions(SampleSet.open(dataset, split).samples, num_frames)
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


def score_rows(questions: Sequence[Question], answers: Answers, settings: EvalSettings) -> list[Row]:
    """Return one scored row per question and variant: variants in order, questions in dataset order."""
    rows = []
    for variant in settings.variants:
        for question in questions:
            answer = answers[variant, question.sample.id]
            if answer.error is not None:
                score = Score(outcome="error", reason=answer.error)
            else:
                score = score_answer(question, answer.text, settings.profile)
            rows.append(_make_row(question, answer, score))
    return rows


def summarise(
    rows: Sequence[Row], questions: Sequence[Question], training: TrainingAnswers, settings: EvalSettings
) -> dict[str, Any]:
    """Return what `scores.json` holds beside the model's name: every table row that has questions, and the average."""
    tasks = {}
    for name in ROW_NAMES:
        asked = [question for question in questions if question.row == name]
        if asked:
            tasks[name] = summarise_row(name, [row for row in rows if row.row == name], settings)
            tasks[name]["baselines"] |= text_baselines(name, asked, training, settings)
    scores: dict[str, float] = {
        name: tasks[name]["score"] for name in BENCHMARK_TASKS if name in tasks and tasks[name]["score"] is not None
    }
    return {
        "judge": JUDGE_NAME,
        "profile": settings.profile,
        "num_frames": settings.num_frames,
        "confidence": settings.confidence,
        "interval": "percentile bootstrap over clusters (source clips)",
        "average": suite_average(scores) if len(scores) == len(BENCHMARK_TASKS) else None,
        "tasks": tasks,
    }


def _make_row(question: Question, answer: Answer, score: Score) -> Row:
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
        }
    )
