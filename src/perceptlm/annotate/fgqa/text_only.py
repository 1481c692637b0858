"""The text-only filter: a distractor set that a model tells from the answer without the video is no use.

Every pair is asked in both orders, several times over, of any number of models. The number right is held against
guessing with an exact binomial test. The orders of one pair are not independent when a model holds a firm preference:
an innocent set of n pairs is then told right with chance 1 / 2^n, more often than `alpha` says. The filter errs towards
rejecting; `solved_pairs` counts pairs that were right every time, for who wants the stricter unit.
Knows no item, no life cycle and no video.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perceptlm.annotate.fgqa.groups import BinaryQuestion
from perceptlm.clients.protocol import GenerationClient, GenerationRequest, GenerationResult
from perceptlm.errors import ClientError, DataError
from perceptlm.schema import Turn

PROMPTS: tuple[str, ...] = (
    "A question about a video that you cannot see, and two answers, one of which is right.\n"
    "Question: {question}\n(A) {first}\n(B) {second}\n"
    "Which is more likely to be right? Reply with the letter alone.",
    "Guess, without having seen the video, how this was answered.\n"
    "{question}\nA: {first}\nB: {second}\nReply with A or B and nothing else.",
)
"""Two wordings of our own, so that no single one decides."""
MAX_NEW_TOKENS = 8
MIN_READABLE = 0.5
"""Share of replies that must name a letter for a set to be decided on."""


@dataclass(frozen=True)
class TextOnlyResult:
    """What text-only models made of a set of pairs. `p_value`: chance of as many right by guessing, or more."""

    num_trials: int
    num_right: int
    num_unreadable: int
    num_pairs: int
    solved_pairs: int
    p_value: float
    rejected: bool
    models: tuple[str, ...]


def ask_text_only(
    clients: Sequence[GenerationClient], pairs: Sequence[BinaryQuestion], *, alpha: float = 0.05
) -> TextOnlyResult:
    """Ask the pairs of one item without media and return whether the set is rejected.

    Raises ClientError when a model cannot be asked, or when fewer than half of the replies name a letter: a filter that
    saw nothing must not pass a set. DataError without clients or pairs.
    """
    if not clients or not pairs:
        raise DataError("the text-only filter needs at least one model and one pair")
    right: dict[str, list[bool]] = {pair.uid: [] for pair in pairs}
    num_asked = 0
    for client in clients:
        requests, keys = _requests(pairs)
        num_asked += len(requests)
        for result in client.generate(requests):
            uid, letter = keys[result.id]
            said = _letter(result)
            if said is not None:
                right[uid].append(said == letter)
    outcomes = [outcome for found in right.values() for outcome in found]
    if len(outcomes) < MIN_READABLE * num_asked:
        raise ClientError(
            f"only {len(outcomes)} of {num_asked} replies to the text-only questions name a letter",
            hint="use a model that follows instructions",
        )
    p_value = upper_tail(sum(outcomes), len(outcomes))
    return TextOnlyResult(
        num_trials=len(outcomes),
        num_right=sum(outcomes),
        num_unreadable=num_asked - len(outcomes),
        num_pairs=len(pairs),
        solved_pairs=sum(bool(found) and all(found) for found in right.values()),
        p_value=p_value,
        rejected=p_value <= alpha,
        models=tuple(f"{client.identity.name}@{client.identity.revision}" for client in clients),
    )


def _requests(pairs: Sequence[BinaryQuestion]) -> tuple[list[GenerationRequest], dict[str, tuple[str, str]]]:
    requests, keys = [], {}
    for pair in pairs:
        for wording, prompt in enumerate(PROMPTS):
            for order in (0, 1):
                first, second = pair.options if order == 0 else pair.options[::-1]
                name = f"{pair.uid}.text_only.{wording}.{order}"
                text = prompt.format(question=pair.question, first=first, second=second)
                requests.append(GenerationRequest(name, (Turn(role="user", text=text),), max_new_tokens=MAX_NEW_TOKENS))
                keys[name] = (pair.uid, "AB"[pair.answer_index ^ order])
    return requests, keys


def _letter(result: GenerationResult) -> str | None:
    if result.error is not None:
        raise ClientError(f"the text-only model did not answer {result.id}: {result.error}")
    found = re.match(r"\W*([ABab])(?![\w'])", result.text)
    return None if found is None else found.group(1).upper()


def upper_tail(num_right: int, num_trials: int, chance: float = 0.5) -> float:
    """Return the exact binomial chance of at least `num_right` of `num_trials` by guessing."""
    if not 0 <= num_right <= num_trials:
        raise DataError(f"{num_right} right of {num_trials}")
    terms = (
        math.comb(num_trials, count) * chance**count * (1 - chance) ** (num_trials - count)
        for count in range(num_right, num_trials + 1)
    )
    return min(1.0, math.fsum(terms))
