"""How one answer to one PLM-VideoBench question becomes a score in [0, 1] (facts/evaluation.md section 1).

| task  | score of one question | unit of the row |
|---|---|---|
| FGQA  | the right option is named | group of binary questions, all of them right |
| SGQA  | the judge says the answer is right | question |
| RCap  | the judge's fact F1 | question |
| RTLoc | mean of [IoU > t], t = .3 .5 .7 .9 | question |
| RDCap | SODA_c: F1 of the best ordered matching of IoU x judge | question |

An answer that cannot be read scores 0 and is counted. This module asks no model and opens no file.
"""

from __future__ import annotations

from perceptlm.eval.benchmarks.plm_videobench.metrics import mean_recall, soda_c, temporal_iou
from perceptlm.eval.benchmarks.plm_videobench.parsing import (
    Profile,
    lmms_option_is_correct,
    parse_option,
    parse_segments,
    parse_span,
)
from perceptlm.eval.judges.procedural import judge_answer, judge_caption
from perceptlm.eval.outcomes import Score
from perceptlm.eval.questions import Question
from perceptlm.schema import ChoiceAnswer, DenseAnswer, SpanAnswer, TextAnswer

NO_FACTS = "the reference states no facts to judge by"


def score_choice(question: Question, text: str, profile: Profile = "strict") -> Score:
    """Score a multiple-choice answer: 1 for the right option."""
    answer = question.sample.answer
    if not isinstance(answer, ChoiceAnswer):
        return _wrong_kind(question, "options")
    if profile != "strict":
        right = lmms_option_is_correct(text, f"({chr(ord('a') + answer.index)})")
        return Score(outcome="value", score=float(right), parsed=text.split(" ")[0])
    chosen = parse_option(text, answer.options)
    return Score(outcome="value", score=float(chosen == answer.index), parsed=chosen, parse_failed=chosen is None)


def score_open_answer(question: Question, text: str) -> Score:
    """Score a free answer to a question: 1 if the judge calls it right."""
    answer = question.sample.answer
    if not isinstance(answer, TextAnswer):
        return _wrong_kind(question, "text")
    if not answer.facts:
        return Score(outcome="unscored", reason=NO_FACTS)
    right = judge_answer(text, question.reference, answer.facts)
    return Score(outcome="value", score=float(right), parse_failed=not text.strip())


def score_caption(question: Question, text: str) -> Score:
    """Score a caption by the judge."""
    answer = question.sample.answer
    if not isinstance(answer, TextAnswer):
        return _wrong_kind(question, "text")
    if not answer.facts:
        return Score(outcome="unscored", reason=NO_FACTS)
    value = judge_caption(text, question.reference, answer.facts)
    return Score(outcome="value", score=value, parse_failed=not text.strip())


def score_span(question: Question, text: str, profile: Profile = "strict") -> Score:
    """Score a "[start, end]" answer by mean recall."""
    answer = question.sample.answer
    if not isinstance(answer, SpanAnswer):
        return _wrong_kind(question, "a span")
    reference = question.shown_span(answer.span)
    span = parse_span(text, profile)
    value = 0.0 if span is None else mean_recall(temporal_iou(span, reference))
    return Score(
        outcome="value",
        score=value,
        parsed=None if span is None else list(span),
        parse_failed=span is None,
        degenerate=reference[0] == reference[1],
    )


def score_dense_caption(question: Question, text: str, profile: Profile = "strict") -> Score:
    """Score a dense caption by SODA_c with the judge. Reference segments are in order of start, as Samples are."""
    answer = question.sample.answer
    if not isinstance(answer, DenseAnswer):
        return _wrong_kind(question, "segments")
    reference = [question.shown_span(segment.span) for segment in answer.segments]
    predicted = parse_segments(text, profile)

    def judge(g: int, p: int) -> float:
        segment = answer.segments[g]
        return judge_caption(predicted[p].caption, segment.caption, segment.facts)

    result = soda_c(reference, [(segment.start, segment.end) for segment in predicted], judge)
    return Score(
        outcome="value",
        score=result.f1,
        parsed=[[segment.start, segment.end, segment.caption] for segment in predicted],
        parse_failed=not predicted,
        degenerate=any(start == end for start, end in reference),
    )


def _wrong_kind(question: Question, wanted: str) -> Score:
    reason = f"the reference of a {question.sample.task} question must hold {wanted}"
    return Score(outcome="unscored", reason=reason)
