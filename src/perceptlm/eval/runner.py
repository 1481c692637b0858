"""Evaluate a model on a world or on datasets of released benchmarks: ask, score, summarise, publish.

The published directory holds `rows.jsonl` (every question in every variant), `scores.json`, and `breakdown.json`
(scores by dimension, question family and what clips show). Answers are kept as they come, so a killed evaluation goes
on where it was. The model is a client handed in by the caller; this module knows neither weights nor servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from perceptlm import artifact
from perceptlm.clients import GenerationClient, ModelIdentity, needs_media
from perceptlm.errors import UsageError
from perceptlm.eval.baselines import TrainingAnswers, constant_units, text_baselines
from perceptlm.eval.benchmarks.images.corpus import with_captions_scored
from perceptlm.eval.breakdown import breakdown, write_breakdown
from perceptlm.eval.ceiling import noise_ceilings
from perceptlm.eval.coverage import Dropped, Gaps, coverage_of_rows, find_gaps
from perceptlm.eval.datasets import (
    EvalData,
    check_data,
    collector_past_records,
    collector_paused,
    load_questions,
    training_questions,
)
from perceptlm.eval.frame_cache import FrameCache
from perceptlm.eval.generation import (
    Answer,
    Answers,
    Share,
    answer_files,
    asked_keys,
    generate_answers,
    no_answer,
    read_answers,
    recorded_answers,
)
from perceptlm.eval.judges.protocol import Judge, JudgeIdentity, Verdicts
from perceptlm.eval.judging import judge_answers
from perceptlm.eval.outcomes import Judgement, Row, Score, Variant
from perceptlm.eval.pictures import PictureSource, num_shown
from perceptlm.eval.questions import Question, first_questions
from perceptlm.eval.scoring import PROCEDURAL, score_with_judgements
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, RowName
from perceptlm.eval.summary import Unit, average_with_interval, summarise_row
from perceptlm.eval.traits import Attributes, EventCounts, count_events, traits_of
from perceptlm.exchange.jsonl import write_records
from perceptlm.statistics import METHOD

KIND = "eval"
ROWS, SCORES = "rows.jsonl", "scores.json"


Phase = Literal["all", "ask", "score"]
"""Ask and score, only ask (what is asked stays in `OUT.partial`), or only score what was asked before."""


def evaluate(
    client: GenerationClient,
    data: Path | Sequence[EvalData],
    out: Path,
    settings: EvalSettings,
    *,
    judge: Judge = PROCEDURAL,
    clients: Mapping[Variant, GenerationClient] | None = None,
    inputs: Mapping[str, Path] | None = None,
    frames: FrameCache | None = None,
    phase: Phase = "all",
    share: Share | None = None,
    check: Callable[[Sequence[Question]], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Publish the evaluation of `client` on `data` (a world, or datasets) as `out`, going on from a killed run.

    `judge` says what answers and captions are worth; who it is is part of the result's identity.
    `clients` answer variants in the stead of `client`: `trained_blind`, the same recipe trained without pixels, has its
    own. `inputs` names the artifacts the clients were loaded from, for the manifest. With the phase "ask", or a `share`
    of the work, nothing is published and the work directory returned. `check` may refuse what is to be asked, by an
    error. Raises UsageError for variants without a client,
    ArtifactError for data of another kind, ClientError when too many requests fail, of the model or of the judge.
    """
    sources = [EvalData(data)] if isinstance(data, Path) else list(data)
    check_data(sources)
    other = dict(clients or {})
    if ("trained_blind" in settings.variants) != ("trained_blind" in other):
        raise UsageError("the variant 'trained_blind' needs a model trained without pixels, and only it does")
    by_variant = dict.fromkeys(settings.variants, client) | other
    recipe: dict[str, Any] = {"settings": settings.to_dict(), "model": client.identity.to_dict()}
    recipe["judge"] = judge.identity.to_dict()
    for variant, used in other.items():
        recipe["blind_model" if variant == "trained_blind" else f"{variant}_model"] = used.identity.to_dict()
    only_ask = phase == "ask" or share is not None

    def make(partial: Path) -> None:
        if (partial / SCORES).exists():  # killed between its last step and publishing
            _remove_answers(partial)
            return
        everything = load_questions(sources, settings)
        if check is not None:
            check(first_questions(everything, settings.limit))
        with collector_past_records():
            asked = _ask(partial, by_variant, sources, everything, settings, frames, share, ask=phase != "score")
            if not only_ask:
                _write_results(partial, client.identity, asked, sources, settings, judge)

    return artifact.build(
        out,
        kind=KIND,
        recipe=recipe,
        make=make,
        inputs={**_named(sources), **(inputs or {})},
        seeds={"eval": settings.seed},
        overwrite=overwrite,
        unfinished=only_ask,
    )


def _named(sources: Sequence[EvalData]) -> dict[str, Path]:
    """Return the datasets by name for the manifest: data, data_2, data_3."""
    return {f"data_{number}" if number > 1 else "data": item.directory for number, item in enumerate(sources, 1)}


@dataclass(frozen=True)
class Asked:
    """What was asked and answered, what could not be asked, and how many events subjects have."""

    questions: Sequence[Question]
    answers: Answers
    gaps: Gaps = field(default_factory=Gaps)
    events: EventCounts = field(default_factory=dict)


def _ask(
    partial: Path,
    clients: Mapping[Variant, GenerationClient],
    sources: Sequence[EvalData],
    everything: Sequence[Question],
    settings: EvalSettings,
    frames: FrameCache | None,
    share: Share | None,
    *,
    ask: bool,
) -> Asked:
    """Ask what can be asked of `everything`, or without `ask` only read what was answered before."""
    media_needed = ask and any(needs_media(client) for client in clients.values())
    checked = None if media_needed else () if ask else _unanswered(partial, everything)
    gaps = find_gaps(sources, everything, settings.split, media_of=checked)
    questions = first_questions(everything, settings.limit)
    askable = gaps.askable(questions)
    if ask:
        pictures = PictureSource(gaps.askable(everything), seed=settings.seed, frames=frames)
        answers = generate_answers(clients, askable, pictures, partial, settings, share=share)
    else:
        answers = recorded_answers(partial, askable, settings)
    for key in asked_keys(questions, settings):
        if key[1] in gaps.unaskable:
            answers[key] = no_answer(key, not_asked=gaps.unaskable[key[1]])
    return Asked(questions, answers, gaps, count_events(everything))


def _unanswered(partial: Path, questions: Sequence[Question]) -> set[str]:
    """Return the questions without a recorded answer: their media may have been missing when the others were asked."""
    answered = {name for _, name in read_answers(partial)}
    return {question.sample.id for question in questions} - answered


def _write_results(
    partial: Path,
    model: ModelIdentity,
    asked: Asked,
    sources: Sequence[EvalData],
    settings: EvalSettings,
    judge: Judge,
) -> None:
    questions = asked.questions
    texts = {key: item.text for key, item in asked.answers.items() if item.error is None and item.not_asked is None}
    verdicts = judge_answers(questions, texts, judge, settings)
    with collector_paused():
        rows = score_rows(questions, asked.answers, settings, verdicts, asked.events)
    learnt_from = training_questions(sources, settings)
    training = TrainingAnswers(learnt_from, seed=settings.seed)
    with collector_paused():
        scores = {"model": model.to_dict(), **summarise(rows, questions, training, settings, judge.identity)}
        for name, found in scores["tasks"].items():
            own = [row for row in rows if row.row == name and row.variant == "own"]
            lost = Dropped() if settings.limit else asked.gaps.dropped.get(name, Dropped())
            found["coverage"] = coverage_of_rows(own, lost).to_dict()
        for name, ceiling in noise_ceilings(questions, judge, settings).items():
            scores["tasks"][name]["ceiling"] = ceiling
        constants = _constants(questions, training, settings, judge) if learnt_from else {}
        write_records(partial / ROWS, rows)
        write_breakdown(partial, breakdown(rows, constants, settings))
    text = json.dumps(scores, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    artifact.write_atomic(partial / SCORES, text.encode())
    _remove_answers(partial)


def _remove_answers(partial: Path) -> None:
    for path in answer_files(partial):
        path.unlink()


def score_rows(
    questions: Sequence[Question],
    answers: Answers,
    settings: EvalSettings,
    verdicts: Verdicts = PROCEDURAL,
    events: EventCounts | None = None,
) -> list[Row]:
    """Return one scored row per question and variant: variants in order, questions in dataset order."""
    rows = []
    by_id = {question.sample.id: question for question in questions}
    traits = {question.sample.id: traits_of(question, events or {}) for question in questions}
    for variant, name in asked_keys(questions, settings):
        question, answer = by_id[name], answers[variant, name]
        judgements: tuple[Judgement, ...] = ()
        if answer.not_asked is not None:
            score = Score(outcome="unscored", reason=answer.not_asked)
        elif answer.error is not None:
            score = Score(outcome="error", reason=answer.error)
        else:
            score, judgements = score_with_judgements(question, answer.text, settings.profile, verdicts)
        rows.append(_make_row(question, answer, score, judgements, traits[name]))
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
        "limit": settings.limit,
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


def _make_row(
    question: Question, answer: Answer, score: Score, judgements: tuple[Judgement, ...], traits: Attributes
) -> Row:
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
            "num_frames": num_shown(question, answer.variant),
            "template": sample.template,
            "dimension": sample.dimension,
            "cluster": sample.cluster,
            "group": sample.group,
            "attributes": traits,
            "judgements": judgements,
        }
    )
