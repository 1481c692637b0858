"""One answer to one score, in two steps: what to ask a judge, then the score from its verdicts.

The rows are the five PLM-VideoBench tasks, and images: a caption scores as the judge says, a question 1 if the judge
calls the answer right (or the right option is named) and 0 otherwise. This module asks no model and opens no file.
"""

from __future__ import annotations

from perceptlm.eval.benchmarks.images.table import IMAGE_METRICS, IMAGE_ROWS
from perceptlm.eval.benchmarks.images.tasks import is_image_benchmark, score_image
from perceptlm.eval.benchmarks.plm_videobench import tasks
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile
from perceptlm.eval.judges.procedural import JUDGE_NAME, ProceduralJudge
from perceptlm.eval.judges.protocol import JudgeCall, Verdict, Verdicts
from perceptlm.eval.outcomes import MAX_REPLY_CHARACTERS, Judgement, Score
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import RowName
from perceptlm.schema import ChoiceAnswer

PROCEDURAL = ProceduralJudge()
"""Needs no call in advance: it is asked when a score is made."""

_Calls = dict[tuple[int, int] | None, JudgeCall]
"""What to ask: by pair of segments for a dense caption, else under None."""

JUDGED_ROWS: frozenset[RowName] = frozenset({"sgqa", "rcap", "rdcap", "image"})
"""Rows that a judge decides."""


def metric_of(row: RowName, judge: str = JUDGE_NAME) -> str:
    """Return what a row's score is, in words that name the judge."""
    right = "; right means F1 = 1 on the asked slots" if judge == JUDGE_NAME else ""
    metrics: dict[RowName, str] = {
        "fgqa": "multi-binary accuracy: share of groups with every question right",
        "sgqa": f"accuracy by judge ({judge}{right})",
        "rcap": f"mean judge score ({judge})",
        "rtloc": "mean recall at temporal IoU > 0.3, 0.5, 0.7, 0.9",
        "rdcap": f"SODA_c: temporal IoU x judge score ({judge})",
        "image": f"mean of question accuracy and caption score by judge ({judge})",
        **{row: IMAGE_METRICS[row] for row in IMAGE_ROWS},
    }
    return metrics[row]


def calls_of(question: Question, text: str, profile: Profile = "strict") -> list[JudgeCall]:
    """Return what a judge must be asked about `text` as the answer to `question`."""
    return list(_calls(question, text, profile).values())


def score_answer(question: Question, text: str, profile: Profile = "strict", verdicts: Verdicts = PROCEDURAL) -> Score:
    """Score `text` as the answer to `question`; a call without a verdict makes the question unscored."""
    return _score(question, text, profile, _calls(question, text, profile), verdicts)


def score_with_judgements(
    question: Question, text: str, profile: Profile, verdicts: Verdicts
) -> tuple[Score, tuple[Judgement, ...]]:
    """Return `score_answer`, and the verdicts behind it as a row keeps them."""
    calls = _calls(question, text, profile)
    name = question.sample.id
    judgements = tuple(
        _judgement(name if pair is None else f"{name}/{pair[0]}/{pair[1]}", verdicts.get(call))
        for pair, call in calls.items()
    )
    return _score(question, text, profile, calls, verdicts), judgements


def _score(question: Question, text: str, profile: Profile, calls: _Calls, verdicts: Verdicts) -> Score:
    if is_image_benchmark(question):
        return score_image(question, text, profile)
    if question.row == "rtloc":
        return tasks.score_span(question, text, profile)
    if question.row == "rdcap":
        pairs = {pair: call for pair, call in calls.items() if pair is not None}
        return tasks.score_dense_caption(question, text, profile, pairs, verdicts)
    if question.row == "fgqa" or isinstance(question.sample.answer, ChoiceAnswer):
        return tasks.score_choice(question, text, profile)
    return tasks.score_judged(question, text, calls.get(None), verdicts)


def _calls(question: Question, text: str, profile: Profile) -> _Calls:
    without = question.row in ("fgqa", "rtloc") or isinstance(question.sample.answer, ChoiceAnswer)
    if without or is_image_benchmark(question):
        return {}
    if question.row == "rdcap":
        return dict(tasks.dense_calls(question, text, profile).items())
    if question.row == "rcap" or question.sample.task == "image_caption":
        call = tasks.caption_call(question, text)
    else:
        call = tasks.open_answer_call(question, text)
    return {} if call is None else {None: call}


def _judgement(name: str, verdict: Verdict | None) -> Judgement:
    verdict = verdict or Verdict(None, reason=tasks.NOT_JUDGED)
    return Judgement(
        id=name,
        value=verdict.value,
        reply=None if verdict.reply is None else verdict.reply[:MAX_REPLY_CHARACTERS],
        reason=verdict.reason,
        by_fallback=verdict.parsed_by_fallback,
        num_tries=verdict.num_tries,
    )
