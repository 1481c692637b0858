"""Reading answers: plain meaning is found, ambiguity is not guessed at, hostile text is quick and harmless."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.eval.benchmarks.plm_videobench.parsing import (
    lmms_option_is_correct,
    parse_option,
    parse_segments,
    parse_span,
)

OPTIONS = ("With the right hand.", "A red ball")
PROFILES = ("strict", "lmms-eval-0.7.2")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("(A) With the right hand.", 0),
        ("(B)", 1),
        ("b", 1),
        (" B. ", 1),
        ("**A**", 0),
        ("A: with", 0),
        ("A, I think", 0),
        ("(B", 1),
        ("The answer is (A)", 0),
        ("Answer: b", 1),
        ("The correct option is B.", 1),
        ("with the RIGHT hand", 0),
        ("a red ball", 1),
    ],
)
def test_options_that_are_meant_are_found(text: str, index: int) -> None:
    assert parse_option(text, OPTIONS) == index


@pytest.mark.parametrize("text", ["", ".", "(", "(C)", "C", "A man walks", "(A) or (B)", "both", "ab", "<|eot_id|>"])
def test_options_that_are_not_plain_are_not_guessed(text: str) -> None:
    assert parse_option(text, OPTIONS) is None


def test_lmms_reads_only_the_first_word() -> None:
    assert not lmms_option_is_correct("The answer is (A)", "(A) x")
    assert not lmms_option_is_correct(" (A)", "(A) x")
    assert lmms_option_is_correct("A man walks", "(A) x")
    assert lmms_option_is_correct("(", "(B) y")


@pytest.mark.parametrize("text", ["[3, 10]", "[3,10]", "[ 03 , 10 ]", "(3, 10)", "From [3.0, 10.0].", "[1] [3, 10]"])
def test_strict_spans(text: str) -> None:
    assert parse_span(text, "strict") == (3.0, 10.0)


@pytest.mark.parametrize("text", ["", "3, 10", "[-3, 10]", "[3, 10, 12]", "[3; 10]", "[start, end]", "[3, 10"])
def test_what_is_no_span(text: str) -> None:
    assert parse_span(text, "strict") is None
    assert parse_span(text, "lmms-eval-0.7.2") is None


@pytest.mark.parametrize(
    ("text", "span"),
    [("[3 , 10]", None), ("[03, 10]", None), ("[0, 10]", (0, 10)), ("[00, 1]", (0, 1)), ("[0.5,  1.25]", (0.5, 1.25))],
)
def test_lmms_spans(text: str, span: tuple[float, float] | None) -> None:
    assert parse_span(text, "lmms-eval-0.7.2") == span


def test_strict_segments_are_ordered_and_keep_their_words() -> None:
    text = "Sure!\n[12, 8]: meets at 10:30 [sic],\n (0, 7) : A dog. \n[20, 31]:"
    assert parse_segments(text, "strict") == (
        (0, 7, "A dog."),
        (8, 12, "meets at 10:30 [sic]"),
        (20, 31, ""),
    )


def test_lmms_segments_keep_their_order_and_end_at_a_bracket() -> None:
    text = "[5, 9]: sits [still]\nFrame [0, 4]: walks, "
    assert parse_segments(text, "lmms-eval-0.7.2") == ((5, 9, "sits"), (0, 4, "walks"))


HOSTILE = (
    "[" * 50_000,
    "[1," * 30_000,
    "[1, 2]" * 5_000,
    "9" * 100_000,
    "[" + "9" * 50_000 + ", 1]",
    " " * 100_000,
    "(a)" * 30_000,
    "answer" * 10_000,
)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:6])
def test_hostile_text_is_read_quickly(text: str, profile: str) -> None:
    begin = time.perf_counter()
    parse_option(text, OPTIONS)
    span = parse_span(text, profile)
    segments = parse_segments(text, profile)
    assert time.perf_counter() - begin < 5
    assert all(math.isfinite(number) for number in (span or ()))
    assert all(math.isfinite(segment.start + segment.end) for segment in segments)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from('[](),:. \n0123456789abAB-*"answer'), max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert parse_option(text, OPTIONS) in (None, 0, 1)
    for profile in PROFILES:
        span = parse_span(text, profile)
        assert span is None or all(number >= 0 for number in span)
        starts = [segment.start for segment in parse_segments(text, profile)]
        assert profile != "strict" or starts == sorted(starts)


@pytest.mark.parametrize("text", ["[\u0663, 10]", "[3,\u00a010]", "[3,\v10]"])
def test_lmms_spans_are_ascii_literals(text: str) -> None:
    assert parse_span(text, "lmms-eval-0.7.2") is None


@pytest.mark.parametrize("text", ["(3, 10)", "[ 3 , 10 ]", "[03, 10]"])
def test_the_paper_reads_answers_as_strict_does(text: str) -> None:
    assert parse_span(text, "paper") == parse_span(text, "strict") == (3, 10)
