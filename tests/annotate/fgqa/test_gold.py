from __future__ import annotations

import json

import pytest

from perceptlm.annotate.fgqa.gold import agrees_with_gold
from perceptlm.annotate.fgqa.payloads import BlindAnswer, Choice, Distractor, QuestionCheck

SPAN = {"start": 0, "end": 4}


@pytest.mark.parametrize(
    ("payload", "expected", "found"),
    [
        (QuestionCheck(verdict="valid"), {"verdict": "valid"}, True),
        (QuestionCheck(verdict="invalid", reason="leading"), {"verdict": "invalid", "reason": "not_visible"}, False),
        (Choice(choice=2), {"choice": 2}, True),
        (Choice(choice=2, evidence={"start": 0, "end": 4}), {"choice": 2, "evidence": {"start": 3, "end": 9}}, False),
        (Choice(choice=2), {"choice": 2, "evidence": {"start": 3, "end": 9}}, True),
        (BlindAnswer(answer="Twice", evidence=SPAN), {"answers": ["twice", "two times"]}, True),
        (BlindAnswer(answer="Thrice", evidence=SPAN), {"answers": ["twice"], "wrong": ["thrice"]}, False),
        (BlindAnswer(answer="A few times", evidence=SPAN), {"answers": ["twice"]}, None),
        (Distractor(distractor_id=1, verdict="nonsense"), {"verdict": "certainly_false"}, False),
    ],
)
def test_gold(payload, expected, found):
    assert agrees_with_gold(payload, expected) is found
    assert json.dumps(expected)
