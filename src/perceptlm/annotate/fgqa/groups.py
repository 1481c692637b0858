"""Binary groups for MBAcc: the agreed answer against each confirmed distractor, in an order that tells nothing.

A pair's order depends on the item's key and the distractor alone: the same in every run, and a distractor added or
dropped moves no other pair. Scored as PLM-VideoBench scores FGQA: a group counts when every pair is right
(facts/evaluation.md 1.2).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import model_validator

from perceptlm.annotate.fgqa.text_rules import same_text
from perceptlm.config import Config
from perceptlm.errors import DataError
from perceptlm.seeding import generator


class BinaryQuestion(Config):
    """One pair. `uid` is unique, `qa_uid` names the group; both as in the released test set."""

    uid: str
    qa_uid: str
    question: str
    options: tuple[str, str]
    answer_index: int

    @model_validator(mode="after")
    def _in_range(self) -> BinaryQuestion:
        if self.answer_index not in (0, 1):
            raise ValueError(f"answer_index {self.answer_index} is neither 0 nor 1")
        return self


def binary_group(
    key: str, question: str, answer: str, distractors: Sequence[str], *, seed: int = 0
) -> tuple[BinaryQuestion, ...]:
    """Return one pair per distractor, in the order given.

    DataError for no distractor, one that says the same as the answer, or one that stands there twice.
    """
    if not distractors:
        raise DataError(f"item {key}: a group needs at least one distractor")
    for number, text in enumerate(distractors):
        if any(same_text(text, other) for other in (answer, *distractors[:number])):
            raise DataError(f"item {key}: distractor {number} says the same as the answer or as another distractor")
    found = []
    for number, text in enumerate(distractors):
        place = int(generator(seed, "mbacc order", key, text).integers(2))
        options = (answer, text) if place == 0 else (text, answer)
        found.append(
            BinaryQuestion(uid=f"{key}.{number}", qa_uid=key, question=question, options=options, answer_index=place)
        )
    return tuple(found)
