"""The noise ceiling: what people's answers score against each other's, by the same metric and judge as a model's.

A model that agrees with people better than they do with one another has learnt the references, not the task. There is
a ceiling only where there are several references: of one record (ten people of VQAv2), or of several records that ask
the same about the same pictures. Opens no media.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from perceptlm.eval.judges.procedural import ProceduralJudge
from perceptlm.eval.judges.protocol import Judge, Verdicts
from perceptlm.eval.questions import Question
from perceptlm.eval.record_checks import asked_about
from perceptlm.eval.scoring import calls_of, score_answer
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, RowName
from perceptlm.eval.summary import Unit, score_with_interval
from perceptlm.schema import ChoiceAnswer, TextAnswer

RULE = "leave one out: the mean score of every reference as an answer, against the others"

LeftOut = tuple[Question, str]
"""A question with all references but one, and the one that was left out, as an answer to it."""


def noise_ceilings(
    questions: Sequence[Question], judge: Judge, settings: EvalSettings
) -> dict[RowName, dict[str, Any]]:
    """Return score, interval and n of the ceiling of every row of the table that has one.

    What a judge must be asked about them, it is asked here. Raises ClientError as the judge does.
    """
    asked = [*_within_records(questions), *_between_records(questions)]
    calls = dict.fromkeys(call for question, text in asked for call in calls_of(question, text, settings.profile))
    verdicts: Verdicts = judge if isinstance(judge, ProceduralJudge) else {}
    if calls and not isinstance(judge, ProceduralJudge):
        verdicts = dict(zip(calls, judge.judge(list(calls)), strict=True))
    found: dict[RowName, dict[str, Any]] = {}
    for row in ROW_NAMES:
        units = _units([item for item in asked if item[0].row == row], settings, verdicts)
        if units:
            found[row] = {**score_with_interval(units, row, settings), "rule": RULE}
    return found


def _within_records(questions: Iterable[Question]) -> list[LeftOut]:
    found = []
    for question in questions:
        answer = question.sample.answer
        if isinstance(answer, TextAnswer) and answer.others:
            for place, text in enumerate(answer.references):
                rest = [*answer.references[:place], *answer.references[place + 1 :]]
                others = answer.model_copy(update={"text": rest[0], "others": tuple(rest[1:])})
                sample = question.sample.model_copy(update={"answer": others})
                found.append((replace(question, sample=sample), text))
    return found


def _between_records(questions: Iterable[Question]) -> list[LeftOut]:
    """Pair questions that ask the same: each is answered by the references of the others."""
    groups: dict[Hashable, list[Question]] = defaultdict(list)
    for question in questions:
        if not isinstance(question.sample.answer, ChoiceAnswer):
            groups[asked_about(question)].append(question)
    return [
        (question, other.reference)
        for group in groups.values()
        for question in group
        for other in group
        if other is not question
    ]


def _units(asked: Sequence[LeftOut], settings: EvalSettings, verdicts: Verdicts) -> list[Unit]:
    """Return one unit per question: the mean over what was left out, where it has a score."""
    scores: dict[str, list[float]] = defaultdict(list)
    clusters: dict[str, str] = {}
    for question, text in asked:
        score = score_answer(question, text, settings.profile, verdicts).score
        if score is not None:
            scores[question.sample.id].append(score)
            clusters[question.sample.id] = question.sample.cluster
    means = {name: sum(values) / len(values) for name, values in scores.items()}
    return [Unit(name, clusters[name], value, value, value) for name, value in means.items()]
