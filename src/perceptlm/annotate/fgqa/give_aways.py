"""Answers that give themselves away by length or wording, in one item and over many, without asking any model.

Knows no video and no judgement of meaning: a finding says what to look at, not that the item is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from perceptlm.annotate.fgqa.groups import BinaryQuestion
from perceptlm.annotate.fgqa.text_only import upper_tail
from perceptlm.annotate.fgqa.text_rules import words_of

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


@dataclass(frozen=True)
class RuleResult:
    """How often a rule that sees no video picks the answer, over many pairs. Ties are left out."""

    num_pairs: int
    num_right: int
    p_value: float


_Measure = Callable[[str, str], float]
_RULES: dict[str, _Measure] = {
    "longest": lambda question, text: len(words_of(text)),
    "shortest": lambda question, text: -len(words_of(text)),
    "most_question_words": lambda question, text: len((set(words_of(question)) - _COMMON) & set(words_of(text))),
    "first_option": lambda question, text: 0.0,
}


def rule_bias(pairs: Sequence[BinaryQuestion]) -> dict[str, RuleResult]:
    """Return for each blind rule how often it is right over a whole data set; a small `p_value` means it is too often.

    Pairs of one group share their answer, so that p values are somewhat too small; read them as a warning.
    """
    found = {}
    for name, measure in _RULES.items():
        outcomes = []
        for pair in pairs:
            first, second = (measure(pair.question, text) for text in pair.options)
            if name == "first_option":
                outcomes.append(pair.answer_index == 0)
            elif first != second:
                outcomes.append(pair.answer_index == int(second > first))
        right = sum(outcomes)
        found[name] = RuleResult(len(outcomes), right, upper_tail(right, len(outcomes)))
    return found
