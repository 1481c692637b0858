"""Judging a whole evaluation: every call once, whatever the number of questions and variants that need it.

Which calls are needed is `scoring`'s matter, who answers them the judge's. This module reads no reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perceptlm.eval.datasets import collector_paused
from perceptlm.eval.judges.procedural import ProceduralJudge
from perceptlm.eval.judges.protocol import Judge, JudgeCall, Verdicts
from perceptlm.eval.outcomes import Variant
from perceptlm.eval.questions import Question
from perceptlm.eval.scoring import calls_of
from perceptlm.eval.settings import EvalSettings

Texts = Mapping[tuple[Variant, str], str]
"""Answers by variant and question id; a question that has none needs no judge."""


def needed_calls(questions: Sequence[Question], texts: Texts, settings: EvalSettings) -> list[JudgeCall]:
    """Return the different calls that scores of `texts` need, in order of first need."""
    calls: dict[JudgeCall, None] = {}
    for variant in settings.variants:
        for question in questions:
            text = texts.get((variant, question.sample.id))
            if text is not None:
                calls.update(dict.fromkeys(calls_of(question, text, settings.profile)))
    return list(calls)


def judge_answers(questions: Sequence[Question], texts: Texts, judge: Judge, settings: EvalSettings) -> Verdicts:
    """Return the verdicts on all that scores need. Raises ClientError when too many calls get no reply."""
    if isinstance(judge, ProceduralJudge):
        return judge  # costs nothing, and is asked when a score is made
    with collector_paused():
        calls = needed_calls(questions, texts, settings)
    return dict(zip(calls, judge.judge(calls), strict=True))
