"""Answers that give themselves away by length or wording, in one item and over many, without asking any model.

Knows no video and no judgement of meaning: a finding says what to look at, not that the item is wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from perceptlm.annotate.fgqa.groups import BinaryQuestion
from perceptlm.annotate.fgqa.text_rules import words_of
from perceptlm.config import Config
from perceptlm.statistics import binomial_upper_tail

GiveAwayCode = Literal["longest", "shortest", "form", "question_words", "absolutes"]
MUCH_LONGER = 1.6
"""So many times as many words as any distractor, and at least three more, tell an answer by its length."""
_ABSOLUTES = frozenset(["always", "never", "all", "none", "only", "nothing", "everything", "completely"])
_COMMON = frozenset(
    words_of(
        "a an and are as at be by did do does for from has have how in is it its of on or that the then there they "
        "this to was were what when where which who why with"
    )
)


@dataclass(frozen=True)
class GiveAway:
    """One finding, with a sentence for the person who mends it."""

    code: GiveAwayCode
    message: str


def give_aways(question: str, answer: str, distractors: Sequence[str]) -> tuple[GiveAway, ...]:
    """Return what tells the answer from all of its distractors at once."""
    if not distractors:
        return ()
    found = []
    length, others = len(words_of(answer)), [len(words_of(text)) for text in distractors]
    if length >= MUCH_LONGER * max(others) and length >= max(others) + 3:
        found.append(GiveAway("longest", f"the answer has {length} words, the longest distractor {max(others)}"))
    if MUCH_LONGER * length <= min(others) and length + 3 <= min(others):
        found.append(GiveAway("shortest", f"the answer has {length} words, the shortest distractor {min(others)}"))
    if all(_form(text) != _form(answer) for text in distractors) and len({_form(text) for text in distractors}) == 1:
        found.append(GiveAway("form", "only the answer is written in its way (capital letter, full stop, digits)"))
    asked = set(words_of(question)) - _COMMON
    shared = asked & set(words_of(answer))
    if shared and not any(asked & set(words_of(text)) for text in distractors):
        found.append(GiveAway("question_words", f"only the answer repeats the question's {sorted(shared)}"))
    if not _ABSOLUTES & set(words_of(answer)) and all(_ABSOLUTES & set(words_of(text)) for text in distractors):
        found.append(GiveAway("absolutes", "every distractor has a word such as 'always', and the answer has none"))
    return tuple(found)


def _form(text: str) -> tuple[bool, bool, bool]:
    return text[:1].isupper(), text.rstrip().endswith((".", "!", "?")), bool(re.search(r"\d", text))


class RuleResult(Config):
    """How often a rule that sees no video picks the answer, over many pairs. Ties are left out."""

    num_pairs: int
    num_right: int
    p_value: float
    """One-sided, against 1 of 2. Pairs of one group share their answer: somewhat too small, read it as a warning."""


class BlindBias(Config):
    """What tells answers from distractors without the video, over a whole data set."""

    num_questions: int
    give_aways: dict[str, int]
    """Number of questions by code of `give_aways`."""
    rules: dict[str, RuleResult]


_Measure = Callable[[str, str], float]
_RULES: dict[str, _Measure] = {
    "longest": lambda question, text: len(words_of(text)),
    "shortest": lambda question, text: -len(words_of(text)),
    "most_question_words": lambda question, text: len((set(words_of(question)) - _COMMON) & set(words_of(text))),
    "first_option": lambda question, text: 0.0,
}


class BlindBiasCounter:
    """Gathers `BlindBias` group by group, in constant memory."""

    def __init__(self) -> None:
        self._num_questions = 0
        self._give_aways: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()
        self._right: Counter[str] = Counter()

    def add(self, group: Sequence[BinaryQuestion]) -> None:
        """Count the pairs of one question, at least one."""
        self._num_questions += 1
        question, answer = group[0].question, group[0].options[group[0].answer_index]
        others = [pair.options[1 - pair.answer_index] for pair in group]
        self._give_aways.update(found.code for found in give_aways(question, answer, others))
        for pair in group:
            for name, measure in _RULES.items():
                first, second = (measure(question, text) for text in pair.options)
                if name != "first_option" and first == second:
                    continue
                self._pairs[name] += 1
                self._right[name] += pair.answer_index == int(second > first)

    def result(self) -> BlindBias:
        """Return what was found so far."""
        rules = {}
        for name in _RULES:
            number, right = self._pairs[name], self._right[name]
            rules[name] = RuleResult(num_pairs=number, num_right=right, p_value=binomial_upper_tail(right, number))
        return BlindBias(
            num_questions=self._num_questions, give_aways=dict(sorted(self._give_aways.items())), rules=rules
        )
