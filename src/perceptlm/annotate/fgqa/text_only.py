"""The text-only filter: a distractor that a model tells from the answer without the video is no use.

Every pair of a set is asked in both orders and two wordings. The number right of the whole set is held against guessing
with an exact binomial test; of a set that is told, every pair that was right more often than not is left out. The
orders of one pair are not independent when a model holds a firm preference: an innocent set of n pairs is then told
right with chance 1 / 2^n, more often than `alpha` says. The filter errs towards rejecting. A single pair is never
told: four replies cannot be that surprising. Knows no item, no life cycle and no video.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from perceptlm.annotate.fgqa.groups import BinaryQuestion
from perceptlm.clients.asking import ask_all
from perceptlm.clients.protocol import GenerationClient, GenerationRequest, GenerationResult
from perceptlm.config import digest_of
from perceptlm.errors import DataError
from perceptlm.schema import Turn
from perceptlm.statistics import binomial_upper_tail

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
class PairCount:
    """How often one pair was told right, of the replies that name a letter."""

    num_trials: int
    num_right: int


@dataclass(frozen=True)
class TextOnlyReplies:
    """What a model said of the pairs of one set, in their order. `failure`: it could not be made to answer."""

    key: str
    counts: tuple[PairCount, ...]
    num_unreadable: int
    failure: str | None = None


@dataclass(frozen=True)
class TextOnlyVerdict:
    """What follows. `told` are places in the set; `p_value` the chance of as many right by guessing, or more."""

    p_value: float
    is_rejected: bool
    told: tuple[int, ...]


def about(question: str, answer: str) -> str:
    """Return the digest of what a check is about: with another question or answer it says nothing."""
    return digest_of({"question": question, "answer": answer})


def prompts_of(pairs: Sequence[BinaryQuestion]) -> list[str]:
    """Return all that is asked about a set."""
    return [text for pair in pairs for _, text, _ in _questions(pair)]


def ask_text_only(
    client: GenerationClient, sets: Iterable[tuple[str, Sequence[BinaryQuestion]]]
) -> Generator[TextOnlyReplies, None, None]:
    """Ask about sets of pairs, each by its key and without media; yield the replies to each as soon as all are there.

    DataError for a set without pairs.
    """
    open_sets: dict[str, _OpenSet] = {}

    def requests() -> Iterator[tuple[tuple[str, int, str], GenerationRequest]]:
        for key, pairs in sets:
            if not pairs:
                raise DataError(f"item {key}: the text-only filter needs at least one pair")
            found = [(place, *asked) for place, pair in enumerate(pairs) for asked in _questions(pair)]
            open_sets[key] = _OpenSet([[] for _ in pairs], num_missing=len(found))
            for place, name, text, letter in found:
                turns = (Turn(role="user", text=text),)
                yield (key, place, letter), GenerationRequest(name, turns, max_new_tokens=MAX_NEW_TOKENS)

    for (key, place, letter), result in ask_all(client, requests()):
        if open_sets[key].take(place, letter, result):
            yield open_sets.pop(key).replies(key)


@dataclass
class _OpenSet:
    right: list[list[bool]]
    num_missing: int
    num_unreadable: int = 0
    failure: str | None = None

    def take(self, place: int, letter: str, result: GenerationResult) -> bool:
        """Count one reply; return whether it was the last."""
        said = _letter(result.text)
        if result.error is not None:
            self.failure = result.error
        elif said is None:
            self.num_unreadable += 1
        else:
            self.right[place].append(said == letter)
        self.num_missing -= 1
        return self.num_missing == 0

    def replies(self, key: str) -> TextOnlyReplies:
        counts = tuple(PairCount(len(found), sum(found)) for found in self.right)
        return TextOnlyReplies(key, counts, self.num_unreadable, self.failure)


def _questions(pair: BinaryQuestion) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the text and the right letter of each question about a pair."""
    for wording, prompt in enumerate(PROMPTS):
        for order in (0, 1):
            first, second = pair.options if order == 0 else pair.options[::-1]
            text = prompt.format(question=pair.question, first=first, second=second)
            yield f"{pair.uid}.text_only.{wording}.{order}", text, "AB"[pair.answer_index ^ order]


def _letter(text: str) -> str | None:
    """Return the letter that a reply begins with. One that runs on into a word, as in "A question", is an article."""
    found = re.match(r"\W*([ABab])[^\S\n]*(?:$|\n|[^\w\s'])", text)
    return None if found is None else found.group(1).upper()


def are_readable(counts: Sequence[PairCount], num_unreadable: int) -> bool:
    """Whether enough replies name a letter: a filter that saw nothing must not pass a set."""
    num_read = sum(count.num_trials for count in counts)
    return num_read > 0 and num_read >= MIN_READABLE * (num_read + num_unreadable)


def judge_text_only(counts: Sequence[PairCount], *, alpha: float = 0.05) -> TextOnlyVerdict:
    """Return what the replies about a set say of its pairs."""
    p_value = binomial_upper_tail(sum(count.num_right for count in counts), sum(count.num_trials for count in counts))
    is_rejected = p_value <= alpha
    told = tuple(place for place, count in enumerate(counts) if is_rejected and 2 * count.num_right > count.num_trials)
    return TextOnlyVerdict(p_value, is_rejected, told)
