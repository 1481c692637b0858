"""Every rule by which a judge's reply is read, per profile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.eval.benchmarks.plm_videobench.judging import caption_judge_parse, sgqa_judge_parse
from perceptlm.eval.benchmarks.plm_videobench.profiles import PROFILES, Profile

LMMS = "lmms-eval-0.7.2"
GOOD = '{"score": 7, "explanation": "ok"}'


@pytest.mark.parametrize(
    ("reply", "value", "readable"),
    [
        (GOOD, 0.7, True),
        (f"  {GOOD}\n", 0.7, True),
        ('{"score": 7.5, "explanation": ""}', 0.75, True),
        ('{"score": 12, "explanation": "ok"}', 1.2, True),
        ('{"score": -5, "explanation": "ok"}', -0.5, True),
        ('{"score": true, "explanation": "ok"}', 0.1, True),
        ('{"score": 7, "explanation": null}', 0.7, True),
        (f"```json\n{GOOD}\n```", 0.0, False),
        (f"Sure: {GOOD}", 0.0, False),
        (GOOD[:-5], 0.0, False),
        (GOOD + "}", 0.0, False),
        ("{'score': 7, 'explanation': 'ok'}", 0.0, False),
        ("", 0.0, False),
        ("[" * 100_000, 0.0, False),
        ('{"score": ' + "9" * 5000 + ', "explanation": "ok"}', 0.0, False),
        ("7", None, False),
        ("null", None, False),
        ('"7"', None, False),
        ("[7]", None, False),
        ('{"explanation": "ok"}', None, False),
        ('{"score": "7", "explanation": "ok"}', None, False),
        ('{"score": null, "explanation": "ok"}', None, False),
        ('{"score": NaN, "explanation": "ok"}', None, False),
        ('{"score": 1e999, "explanation": "ok"}', None, False),
        ('{"score": ' + "9" * 400 + ', "explanation": "ok"}', None, False),
    ],
)
def test_lmms_caption(reply: str, value: float | None, readable: bool) -> None:
    found = caption_judge_parse(reply, LMMS)
    assert found.value == (None if value is None else pytest.approx(value))
    assert (found.reason is None) == readable
    assert not found.by_fallback


def test_lmms_caption_without_explanation_is_a_score_to_rdcap_and_the_end_of_rcap() -> None:
    found = caption_judge_parse('{"score": 7}', LMMS)
    assert (found.value, found.by_fallback, found.reference_raises) == (0.7, True, True)


@pytest.mark.parametrize(
    "reply", ["7", "[7]", '{"score": "7", "explanation": ""}', '{"score": 7}', '{"explanation": ""}']
)
def test_lmms_eval_would_end_its_run_here(reply: str) -> None:
    assert caption_judge_parse(reply, LMMS).reference_raises


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (GOOD, 0.7),
        (f"```json\n{GOOD}\n```", 0.7),
        (f"Here it is:\n{GOOD}\nI hope this helps. {{}}", 0.7),
        ('{"explanation": "a { brace", "score": 10}', 1.0),
        ('{"score": 0, "explanation": ""}', 0.0),
        ('{"score": 6.5, "explanation": ""}', 0.65),
        (f'<think>{{"score": 1, "explanation": "?"}}</think>{GOOD}', 0.7),
        (f"{GOOD} {GOOD}", 0.7),
        (GOOD + "}", 0.7),
        (f'{GOOD} or {{"score": 8, "explanation": "ok"}}', None),
        ('{"score": 12, "explanation": "ok"}', None),
        ('{"score": -1, "explanation": "ok"}', None),
        ('{"score": NaN, "explanation": "ok"}', None),
        ('{"score": 1e999, "explanation": "ok"}', None),
        ('{"score": true, "explanation": "ok"}', None),
        ('{"score": "7", "explanation": "ok"}', None),
        ('{"score": 7}', None),
        ('{"score": 7, "explanation": null}', None),
        ('{"explanation": "ok"}', None),
        ("7", None),
        ("[7]", None),
        (GOOD[:-5], None),
        ("I cannot tell.", None),
        ("", None),
    ],
)
def test_strict_caption(reply: str, value: float | None) -> None:
    found = caption_judge_parse(reply, "strict")
    assert found.value == value
    assert (found.reason is None) == (value is not None)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("7", 0.7), (" 7\n", 0.7), ("**8**", 0.8), ("7.5", 0.75), ("10", 1.0), ("0", 0.0), ("7/10", 0.7), ("7.", 0.7),
        ("9 because it is nearly right", 0.9), ("10 out of 10", 1.0),
        ("11", None), ("-3", None), ("Score: 7", None), ("seven", None), ("7-8", None), ("7 to 8", None), ("", None),
        ("7,5", None), ("0.7.2", None), ("12345678901234567890", None), (GOOD, None),
    ],
)  # fmt: skip
def test_paper_caption(reply: str, value: float | None) -> None:
    assert caption_judge_parse(reply, "paper").value == value


@pytest.mark.parametrize(
    ("reply", "value", "by_fallback"),
    [
        ('{"pred": "yes", "score": 5}', 1.0, False),
        ('{"pred": "no", "score": 0}', 0.0, False),
        ('{"pred": "Yes", "score": 5}', 0.0, False),
        ('{"pred": "yes."}', 0.0, False),
        ('{"pred": true}', 0.0, False),
        ('{"pred": null}', 0.0, False),
        ('{"pred": "yes", "score": 4.8}}', 1.0, True),
        ("{'pred': 'yes', 'score': 5}", 1.0, True),
        ('```json\n{"pred": "no"}\n```', 0.0, True),
        ("Yes, they match.", 1.0, True),
        ("No, unlike yesterday.", 1.0, True),
        ("The eyes differ.", 1.0, True),
        ("YES", 0.0, True),
        ("", 0.0, True),
        ('{"score": 4}', None, False),
        ('["yes"]', None, False),
        ('"yes"', None, False),
        ("5", None, False),
        ("null", None, False),
    ],
)
def test_lmms_answer(reply: str, value: float | None, by_fallback: bool) -> None:
    found = sgqa_judge_parse(reply, LMMS)
    assert (found.value, found.by_fallback) == (value, by_fallback)
    assert found.reference_raises == (value is None)


@pytest.mark.parametrize("profile", ["strict", "paper"])
@pytest.mark.parametrize(
    ("reply", "value", "by_fallback"),
    [
        ('{"pred": "yes", "score": 5}', 1.0, False),
        ('{"pred": "Yes."}', 1.0, False),
        ('{"pred": "NO"}', 0.0, False),
        ('```json\n{"pred": "no"}\n```', 0.0, False),
        ('{"pred": "yes", "score": 4.8}}', 1.0, False),
        ("{'pred': 'yes', 'score': 5}", 1.0, True),
        ('{"pred": "yes", "sco', 1.0, True),
        ("Yes.", 1.0, True),
        ("**no**", 0.0, True),
        ("No, unlike yesterday.", None, False),
        ("The eyes differ.", None, False),
        ('{"pred": "yes"} {"pred": "no"}', None, False),
        ('{"pred": "maybe"}', None, False),
        ('{"pred": true}', None, False),
        ('{"score": 4}', None, False),
        ('["yes"]', None, False),
        ("5", None, False),
        ("", None, False),
    ],
)
def test_strict_answer(reply: str, value: float | None, by_fallback: bool, profile: Profile) -> None:
    found = sgqa_judge_parse(reply, profile)
    assert (found.value, found.by_fallback) == (value, by_fallback)
    assert (found.reason is None) == (value is not None)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(reply: str) -> None:
    for profile in PROFILES:
        for found in (caption_judge_parse(reply, profile), sgqa_judge_parse(reply, profile)):
            assert found.value is not None or found.reason
            assert profile == LMMS or found.value is None or 0 <= found.value <= 1


@pytest.mark.parametrize("reply", ["{" * 200_000, '{"a":' * 50_000, "[" * 200_000, "{" + " " * 200_000, "1" * 200_000])
def test_hostile_replies_take_no_time(reply: str) -> None:
    for profile in PROFILES:
        caption_judge_parse(reply, profile)
        sgqa_judge_parse(reply, profile)
