"""Whether a submission agrees with what gold expects. Nothing of this may reach an annotator; stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perceptlm.annotate.fgqa.payloads import BlindAnswer, Choice, Distractor, Payload, QuestionCheck
from perceptlm.annotate.fgqa.text_rules import same_text


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
