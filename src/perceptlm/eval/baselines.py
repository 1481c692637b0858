"""What the table would show without a model: guessing, one fixed answer, and the reference answers themselves.

A number means nothing until it is above these. Everything learnt here is learnt on the training split. This module
looks at no picture and asks no model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from perceptlm.eval.benchmarks.plm_videobench.metrics import mean_recall, multi_binary_chance, temporal_iou
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile
from perceptlm.eval.outcomes import Score
from perceptlm.eval.questions import Question
from perceptlm.eval.scoring import JUDGED_ROWS, score_answer
from perceptlm.eval.settings import EvalSettings, RowName
from perceptlm.eval.summary import Unit, make_units, mean_score
from perceptlm.schema import ChoiceAnswer, SpanAnswer
from perceptlm.seeding import generator

NUM_CANDIDATES = 48
"""Different answers tried as a constant, the most frequent ones first."""
NUM_TRIALS = 96
"""Training questions each candidate is tried on."""
NUM_DRAWS = 8
"""Random answers per question."""

_CHANCE_RULES: dict[RowName, str] = {
    "fgqa": "exact: mean over groups of 0.5 to the number of questions",
    "rtloc": "exact: mean over all spans of the shown frames with start before end",
}
NOT_COMPUTED = "not computed: every answer tried would be a call to the judge"
_RANDOM_ANSWER = f"mean over {NUM_DRAWS} answers drawn from training questions of the same template, or any option"


class TrainingAnswers:
    """Training questions by row and template; questions of an unseen template fall back on their whole row.

    `constants` holds the best constant answers found so far, by row, template and profile.
    """

    def __init__(self, questions: Sequence[Question], *, seed: int) -> None:
        self.constants: dict[tuple[RowName, str, Profile], str] = {}
        self._seed = seed
        self._pools: dict[tuple[RowName, str], list[Question]] = defaultdict(list)
        for question in questions:
            for template in (question.sample.template, ""):
                self._pools[question.row, template].append(question)

    def template_for(self, question: Question) -> str | None:
        """Return the question's template if training has it, "" if only its row, None if neither."""
        for template in (question.sample.template, ""):
            if (question.row, template) in self._pools:
                return template
        return None

    def draw(self, row: RowName, template: str, number: int, purpose: str) -> list[Question]:
        """Return at most `number` different questions, a seeded choice in stable order."""
        pool = self._pools[row, template]
        if len(pool) <= number:
            return list(pool)
        random = generator(self._seed, purpose, row, template)
        return [pool[index] for index in sorted(random.choice(len(pool), size=number, replace=False).tolist())]

    def most_frequent(self, row: RowName, template: str) -> list[str]:
        """Return the most frequent different reference answers, ties in a seeded order."""
        counts = Counter(question.reference for question in self._pools[row, template])
        texts = sorted(counts)
        order = generator(self._seed, "candidates", row, template).permutation(len(texts)).tolist()
        ranked = sorted(order, key=lambda index: -counts[texts[index]])
        return [texts[index] for index in ranked[:NUM_CANDIDATES]]


def text_baselines(
    row: RowName,
    questions: Sequence[Question],
    training: TrainingAnswers,
    settings: EvalSettings,
    *,
    judge_is_free: bool = True,
) -> dict[str, Any]:
    """Return chance, constant and oracle of one row, each with its score and the rule it follows.

    They judge many thousands of answers: without a judge that is free, rows that need one have none of them. Without
    training questions there is no constant answer, and chance only where it needs none.
    """
    if row in JUDGED_ROWS and not judge_is_free:
        return {name: {"score": None, "rule": NOT_COMPUTED} for name in ("chance", "constant", "oracle")}
    templates = {training.template_for(question) for question in questions} - {None}
    chosen = {template: best_constant(row, template, training, settings) for template in sorted(map(str, templates))}
    found = {
        "chance": {
            "score": _chance(row, questions, training, settings),
            "rule": _CHANCE_RULES.get(row, _RANDOM_ANSWER),
        },
        "constant": {
            "score": mean_score(constant_units(row, questions, training, settings)),
            "rule": "the one answer per question template that scores best on training questions",
            "answers": {template or "any other template": answer for template, answer in chosen.items()},
        },
        "oracle": {
            "score": mean_score(_units(questions, lambda question: question.reference, settings)),
            "rule": "reference answers through the same parser and metric; below 1 where a reference cannot be met",
        },
    }
    return found if templates else {name: entry for name, entry in found.items() if name != "constant"}


def constant_units(
    row: RowName,
    questions: Sequence[Question],
    training: TrainingAnswers,
    settings: EvalSettings,
    *,
    judge_is_free: bool = True,
) -> list[Unit]:
    """Return the units of a row's questions when each is answered by its template's constant, if judging is free."""
    if row in JUDGED_ROWS and not judge_is_free:
        return []

    def answer(question: Question) -> str:
        template = training.template_for(question)
        return "" if template is None else best_constant(row, template, training, settings)

    return _units(questions, answer, settings)


def best_constant(row: RowName, template: str, training: TrainingAnswers, settings: EvalSettings) -> str:
    """Return the answer that, given to every training question of a template, scores best; the first among equals.

    It is looked for once: `training` remembers it.
    """
    key = (row, template, settings.profile)
    if key not in training.constants:
        training.constants[key] = _find_constant(row, template, training, settings)
    return training.constants[key]


def _find_constant(row: RowName, template: str, training: TrainingAnswers, settings: EvalSettings) -> str:
    trials = training.draw(row, template, NUM_TRIALS, "trials")
    if isinstance(trials[0].sample.answer, SpanAnswer):
        return _best_span(trials)
    if isinstance(trials[0].sample.answer, ChoiceAnswer):
        candidates = [f"({chr(ord('A') + index)})" for index in range(len(trials[0].sample.answer.options))]
    else:
        candidates = training.most_frequent(row, template)

    def value(text: str) -> float:
        return fmean(score_answer(question, text, settings.profile).score or 0.0 for question in trials)

    return max(candidates, key=value)


def _best_span(trials: Sequence[Question]) -> str:
    """Return the best "[start, end]" on the grid of the most frames any trial shows."""
    spans = _all_spans(max(question.num_frames for question in trials))
    totals = np.zeros(len(spans))
    for question in trials:
        totals += _recalls(question, spans)
    start, end = spans[int(np.argmax(totals))]
    return f"[{start}, {end}]"


def _chance(
    row: RowName, questions: Sequence[Question], training: TrainingAnswers, settings: EvalSettings
) -> float | None:
    if row == "fgqa":
        return multi_binary_chance(question.unit for question in questions)
    if row == "rtloc":
        return fmean(float(_recalls(question, _all_spans(question.num_frames)).mean()) for question in questions)
    scores: list[float] = []
    for question in questions:
        answer = question.sample.answer
        if isinstance(answer, ChoiceAnswer):
            scores.append(1 / len(answer.options))
            continue
        template = training.template_for(question)
        if template is None:
            continue
        pool = training.draw(row, template, NUM_TRIALS, "guesses")
        picks = generator(settings.seed, "chance", question.sample.id).integers(len(pool), size=NUM_DRAWS).tolist()
        for pick in picks:
            value = score_answer(question, pool[pick].reference, settings.profile).score
            if value is not None:
                scores.append(value)
    return fmean(scores) if scores else None


def _all_spans(num_frames: int) -> list[tuple[int, int]]:
    return [(start, end) for start in range(num_frames) for end in range(start + 1, num_frames)] or [(0, 0)]


def _recalls(question: Question, spans: Sequence[tuple[int, int]]) -> np.typing.NDArray[np.float64]:
    answer = question.sample.answer
    if not isinstance(answer, SpanAnswer):
        return np.zeros(len(spans))
    reference = question.shown_span(answer.span)
    return np.array([mean_recall(temporal_iou(span, reference)) for span in spans])


def _units(questions: Sequence[Question], answer: Callable[[Question], str], settings: EvalSettings) -> list[Unit]:
    scored: list[tuple[str, str, Score]] = [
        (question.unit, question.sample.cluster, score_answer(question, answer(question), settings.profile))
        for question in questions
    ]
    return make_units(scored)
