"""What an evaluation will ask for, before it asks: requests, calls to the judge, tokens and money.

Calls are counted exactly where the answers are already there, and estimated elsewhere by the rules in `RULES`, which
every forecast repeats. This module asks nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from perceptlm.clients.token_estimate import TOKEN_RULE, estimated_tokens
from perceptlm.config import Config
from perceptlm.eval.benchmarks.plm_videobench.metrics import pairs_to_judge
from perceptlm.eval.judges.protocol import JudgeCall
from perceptlm.eval.judging import Texts
from perceptlm.eval.pictures import is_asked, num_shown
from perceptlm.eval.questions import Question
from perceptlm.eval.scoring import calls_of
from perceptlm.eval.settings import EvalSettings
from perceptlm.schema import DenseAnswer, Turn

JUDGE_REPLY_TOKENS = 40

RULES = (
    "an answer still missing is taken to be as long as the reference, and different from all others, so that it needs "
    "a call of its own; a dense caption: as many segments as in the reference, of equal length, one call for each pair "
    "that overlaps",
    f"{TOKEN_RULE}; a judge's reply is {JUDGE_REPLY_TOKENS} tokens",
    "calls that are tried again, and prompts that a server keeps and sells for less, are not counted",
)


class Prices(Config):
    """Money per million tokens, in whatever currency; None where it is not known."""

    model_in: float | None = None
    model_out: float | None = None
    judge_in: float | None = None
    judge_out: float | None = None


class Share(Config):
    """One side of a forecast: requests, and the tokens that go in and come out."""

    num_requests: int
    num_tokens_in: int
    num_tokens_out: int
    cost: float | None


class Forecast(Config):
    """What is still to be asked. `num_cached_calls` were judged before; None where there is no cache to look into."""

    questions: dict[str, int]
    variants: tuple[str, ...]
    num_requests: int
    """Of the whole evaluation, answered ones included."""
    model: Share
    judge: Share
    num_exact_calls: int
    """Calls to the judge about answers that are there; the others are estimated."""
    num_cached_calls: int | None
    rules: tuple[str, ...] = RULES

    def lines(self) -> list[str]:
        """Return the forecast for a terminal."""
        rows = ", ".join(f"{row} {count}" for row, count in self.questions.items())
        lines = [f"would send {self.num_requests} requests: {rows}, each shown {', '.join(self.variants)}"]
        for name, share in (("model", self.model), ("judge", self.judge)):
            money = "" if share.cost is None else f", cost {share.cost:.2f}"
            tokens = f"about {share.num_tokens_in:,} tokens in and {share.num_tokens_out:,} out"
            lines.append(f"{name}: {share.num_requests} still to ask, {tokens}{money}")
        known = "" if self.num_cached_calls is None else f", {self.num_cached_calls} of them in the cache"
        lines.append(f"judge calls counted exactly: {self.num_exact_calls}{known}; the others by rule")
        return [*lines, *(f"rule: {rule}" for rule in self.rules)]


def forecast(
    questions: Sequence[Question],
    settings: EvalSettings,
    texts: Texts,
    *,
    turns_of: Callable[[JudgeCall], Sequence[Turn]] | None = None,
    num_cached: Callable[[Iterable[JudgeCall]], int] | None = None,
    prices: Prices | None = None,
) -> Forecast:
    """Return what evaluating `questions` still takes; `texts` are the answers that are there.

    `turns_of` says what a judge is asked (None: a judge that is free), `num_cached` how many of some calls have a
    reply. What is cached is taken off the judge's requests in proportion.
    """
    prices = prices or Prices()
    model_in = model_out = num_missing = 0
    exact: dict[JudgeCall, None] = {}
    estimated: list[JudgeCall] = []
    for variant in settings.variants:
        for question in (question for question in questions if is_asked(question, variant)):
            text = texts.get((variant, question.sample.id))
            if text is not None:
                if turns_of is not None:
                    exact.update(dict.fromkeys(calls_of(question, text, settings.profile)))
                continue
            num_missing += 1
            model_in += estimated_tokens((turn.text for turn in question.turns), num_shown(question, variant))
            model_out += min(estimated_tokens([question.reference]), settings.max_new_tokens.of(question.row))
            if turns_of is not None:
                estimated += _expected_calls(question)
    calls = [*exact, *estimated]
    cached = num_cached(exact) if num_cached is not None else None
    judge_in = (
        sum(estimated_tokens(turn.text for turn in turns_of(call)) for call in calls) if turns_of is not None else 0
    )
    num_left = len(calls) - (cached or 0)
    judge_in = judge_in * num_left // max(1, len(calls))
    return Forecast(
        questions=dict(Counter(question.row for question in questions)),
        variants=settings.variants,
        num_requests=sum(is_asked(question, variant) for variant in settings.variants for question in questions),
        model=_share(num_missing, model_in, model_out, prices.model_in, prices.model_out),
        judge=_share(num_left, judge_in, num_left * JUDGE_REPLY_TOKENS, prices.judge_in, prices.judge_out),
        num_exact_calls=len(exact),
        num_cached_calls=cached,
    )


def _expected_calls(question: Question) -> list[JudgeCall]:
    """Return as many calls, of such texts, as an answer like the reference needs."""
    answer = question.sample.answer
    if not isinstance(answer, DenseAnswer):
        return calls_of(question, question.reference)
    spans = [question.shown_span(segment.span) for segment in answer.segments]
    edges = [question.num_frames * place / len(spans) for place in range(len(spans) + 1)]
    pairs = pairs_to_judge(spans, list(pairwise(edges)))
    texts = [segment.caption for segment in answer.segments]
    return [JudgeCall("caption", None, texts[g], texts[p]) for g, p in pairs]


def _share(num: int, tokens_in: int, tokens_out: int, price_in: float | None, price_out: float | None) -> Share:
    known = price_in is not None or price_out is not None
    cost = (tokens_in * (price_in or 0) + tokens_out * (price_out or 0)) / 1e6 if known else None
    return Share(num_requests=num, num_tokens_in=tokens_in, num_tokens_out=tokens_out, cost=cost)
