"""How one answer to one PLM-VideoBench question becomes a score in [0, 1] (facts/evaluation.md section 1).

| task  | score of one question | unit of the row |
|---|---|---|
| FGQA  | the right option is named | group of binary questions, all of them right |
| SGQA  | the judge says the answer is right | question |
| RCap  | the judge's score | question |
| RTLoc | mean of [IoU > t], t = .3 .5 .7 .9 | question |
| RDCap | SODA_c: F1 of the best ordered matching of IoU x judge | question |

An answer that cannot be read scores 0 and is counted. Where the judge failed there is no score, but bounds. This module
asks no model and opens no file: it says what to ask a judge (`*_calls`), and reads the verdicts that are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping

from perceptlm.eval.benchmarks.plm_videobench.metrics import mean_recall, pairs_to_judge, soda_c, temporal_iou
from perceptlm.eval.benchmarks.plm_videobench.parsing import (
    CaptionedSegment,
    lmms_option_is_correct,
    parse_option,
    parse_segments,
    parse_span,
)
from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, Profile
from perceptlm.eval.judges.protocol import JudgeCall, Verdict, Verdicts
from perceptlm.eval.outcomes import Score
from perceptlm.eval.questions import Question
from perceptlm.schema import ChoiceAnswer, DenseAnswer, SpanAnswer, TextAnswer

NOT_JUDGED = "not judged"


def score_choice(question: Question, text: str, profile: Profile = "strict") -> Score:
    """Score a multiple-choice answer: 1 for the right option."""
    answer = question.sample.answer
    if not isinstance(answer, ChoiceAnswer):
        return _wrong_kind(question, "options")
    if profile == LMMS:
        right = lmms_option_is_correct(text, f"({chr(ord('a') + answer.index)})")
        return Score(outcome="value", score=float(right), parsed=text.split(" ")[0])
    chosen = parse_option(text, answer.options)
    return Score(outcome="value", score=float(chosen == answer.index), parsed=chosen, parse_failed=chosen is None)


def open_answer_call(question: Question, text: str) -> JudgeCall | None:
    """Return what to ask a judge about a free answer; None if the reference is no text."""
    answer = question.sample.answer
    if not isinstance(answer, TextAnswer):
        return None
    return JudgeCall("answer", question.plain, question.reference, text, answer.facts)


def caption_call(question: Question, text: str) -> JudgeCall | None:
    """Return what to ask a judge about a caption; None if the reference is no text."""
    answer = question.sample.answer
    if not isinstance(answer, TextAnswer):
        return None
    return JudgeCall("caption", None, question.reference, text, answer.facts)


def score_judged(question: Question, text: str, call: JudgeCall | None, verdicts: Verdicts) -> Score:
    """Score a free answer or a caption as the judge does."""
    if call is None:
        return _wrong_kind(question, "text")
    verdict = _verdict(call, verdicts)
    if verdict.value is None:
        return Score(outcome="unscored", reason=failure_reason(verdict))
    return Score(
        outcome="value",
        score=verdict.value,
        off_scale=not 0 <= verdict.value <= 1,
        high=None if verdict.reason is None else 1.0,
        parse_failed=not text.strip(),
    )


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


def dense_calls(question: Question, text: str, profile: Profile = "strict") -> dict[tuple[int, int], JudgeCall]:
    """Return what to ask a judge about a dense caption, by (reference, predicted) segment.

    Pairs that do not overlap in time are left out: they count nothing whatever a judge says of them.
    """
    answer = question.sample.answer
    if not isinstance(answer, DenseAnswer):
        return {}
    predicted = parse_segments(text, profile)
    calls = {}
    for g, p in pairs_to_judge(_reference_spans(question, answer), _spans(predicted)):
        segment = answer.segments[g]
        calls[g, p] = JudgeCall("caption", None, segment.caption, predicted[p].caption, segment.facts)
    return calls


def score_dense_caption(
    question: Question,
    text: str,
    profile: Profile,
    calls: Mapping[tuple[int, int], JudgeCall],
    verdicts: Verdicts,
) -> Score:
    """Score a dense caption by SODA_c with the judge; `calls` are its `dense_calls`.

    Reference segments are in order of start, as Samples are. Where the judge failed on a pair, its score may be
    anything: the bounds are SODA_c with 0 and with 1 for all of them. Bounds that are equal are the score; so is the 0
    that lmms-eval gives to what it cannot read.
    """
    answer = question.sample.answer
    if not isinstance(answer, DenseAnswer):
        return _wrong_kind(question, "segments")
    reference, predicted = _reference_spans(question, answer), parse_segments(text, profile)
    found = {pair: _verdict(call, verdicts) for pair, call in calls.items()}

    def soda(if_failed: float) -> float:
        def value(g: int, p: int) -> float:
            verdict = found[g, p]
            return if_failed if verdict.value is None or verdict.reason is not None else verdict.value

        return soda_c(reference, _spans(predicted), value).f1

    low = soda(0.0)
    high = soda(1.0) if any(verdict.reason is not None for verdict in found.values()) else low
    unknown = [verdict for verdict in found.values() if verdict.value is None]
    scored = low == high or not unknown
    return Score(
        outcome="value" if scored else "unscored",
        score=low if scored else None,
        reason=None if scored else failure_reason(unknown[0]),
        off_scale=not 0 <= low <= 1,
        low=None if low == high else low,
        high=None if low == high else high,
        parsed=[[segment.start, segment.end, segment.caption] for segment in predicted],
        parse_failed=not predicted,
        degenerate=any(start == end for start, end in reference),
    )


def failure_reason(verdict: Verdict) -> str:
    """Return why a judge's verdict is no score, without what differs from call to call."""
    return f"judge: {(verdict.reason or NOT_JUDGED).partition(':')[0]}"


def _verdict(call: JudgeCall, verdicts: Verdicts) -> Verdict:
    return verdicts.get(call) or Verdict(None, reason=NOT_JUDGED)


def _reference_spans(question: Question, answer: DenseAnswer) -> list[tuple[int, int]]:
    return [question.shown_span(segment.span) for segment in answer.segments]


def _spans(segments: tuple[CaptionedSegment, ...]) -> list[tuple[float, float]]:
    return [(segment.start, segment.end) for segment in segments]


def _wrong_kind(question: Question, wanted: str) -> Score:
    reason = f"the reference of a {question.sample.task} question must hold {wanted}"
    return Score(outcome="unscored", reason=reason)
