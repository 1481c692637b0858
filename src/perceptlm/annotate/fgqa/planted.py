"""Planted wrong proposals: whether a submission copied one, and whether a submission agrees with what gold expects.

A copied wrong proposal is the only trace of copying that agreement cannot hide (facts/annotation.md 0.5). Nothing of
this may reach an annotator. How often a person copies is the quality engine's to estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from perceptlm.annotate.fgqa.payloads import BlindAnswer, Choice, Compare, Distractor, Payload, QuestionCheck, Step
from perceptlm.annotate.fgqa.text_rules import same_text, words_of
from perceptlm.annotate.fgqa.view import Proposal

Copying = Literal["copied", "resisted"]
NEARLY = 0.85
"""Two answers sharing so much of their words, in order, are one copied and touched up."""


def copied_planted(step: Step, payload: Payload, planted: Sequence[Proposal]) -> Copying | None:
    """Return whether a submission took over a planted wrong proposal it was shown; None where it could not have.

    `planted` are those of the item that are wrong on purpose and were on the screen. For a choice the proposal's text
    is the option's place; a planted distractor is one that is true, so that calling it certainly false follows it.
    """
    answers = [item for item in planted if item.kind == "answer"]
    choices = [item for item in planted if item.kind == "choice"]
    taken: bool | None = None
    if isinstance(payload, BlindAnswer) and answers:
        taken = any(nearly_same(payload.answer, item.text) for item in answers)
    elif isinstance(payload, Compare) and any(item.id == payload.proposal_id for item in answers):
        shown = next(item for item in answers if item.id == payload.proposal_id)
        taken = payload.same_meaning or (payload.merged is not None and nearly_same(payload.merged, shown.text))
    elif isinstance(payload, Choice) and step in ("choice", "choice_after") and choices:
        taken = any(str(payload.choice) == item.text for item in choices)
    elif isinstance(payload, Distractor) and any(item.id == payload.distractor_id for item in planted):
        taken = payload.verdict == "certainly_false"
    return None if taken is None else "copied" if taken else "resisted"


def nearly_same(first: str, second: str) -> bool:
    """Whether one text is the other, or the other with a word or two changed.

    A text of fewer than six words must be the same: there one word is the whole difference.
    """
    if same_text(first, second):
        return True
    one, other = words_of(first), words_of(second)
    if min(len(one), len(other)) < 6:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= NEARLY


def agrees_with_gold(payload: Payload, expected: Mapping[str, Any]) -> bool | None:
    """Return whether a submission is what gold expects; None where only a person can tell (a free answer worded anew).

    `expected` holds part of a payload: `verdict`, `reason`, `choice`, `answers` (all accepted wordings), and `evidence`
    with which the submitted interval must share at least half of the two together.
    """
    if "evidence" in expected and not _overlaps(payload, expected["evidence"]):
        return False
    if isinstance(payload, QuestionCheck | Distractor):
        return all(getattr(payload, name) == expected[name] for name in ("verdict", "reason") if name in expected)
    if isinstance(payload, Choice):
        return bool(payload.choice == expected["choice"])
    if isinstance(payload, BlindAnswer):
        if any(same_text(payload.answer, text) for text in expected.get("answers", ())):
            return True
        return False if any(same_text(payload.answer, text) for text in expected.get("wrong", ())) else None
    return None


def _overlaps(payload: Payload, expected: Mapping[str, int]) -> bool:
    interval = getattr(payload, "evidence", None)
    if interval is None:
        return True
    shared = min(interval.end, expected["end"]) - max(interval.start, expected["start"])
    whole = max(interval.end, expected["end"]) - min(interval.start, expected["start"])
    return bool(shared / whole >= 0.5)
