"""The fact judge against answers that try to score without knowing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.eval.judges.procedural import compare_facts, judge_answer, judge_caption
from perceptlm.schema import Fact
from perceptlm.world.facts import facts_in_text
from perceptlm.world.lexicon import VERBS
from perceptlm.world.vocabulary import COLOURS, KINDS

TRUTH = "The red ball jumps twice. The blue cat follows the red ball."
FACTS = facts_in_text(TRUTH)
EVERYTHING = " ".join(
    [*COLOURS, *KINDS, *(verb for verbs in VERBS.values() for verb in verbs), "once twice left right"]
)


def caption(text: str) -> float:
    return judge_caption(text, TRUTH, FACTS)


def test_the_truth_in_any_wording_scores_one() -> None:
    assert caption(TRUTH) == 1.0
    assert caption("A red ball hops two times, then a blue cat chases a red ball!") == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "I cannot tell.",
        EVERYTHING,
        "A red blue green yellow ball jumps once, twice, three times.",
        "The red ball does not jump twice. The blue cat does not follow the red ball.",
        "The cat jumps twice. The ball follows the blue cat.",
        "The blue cat jumps twice. The red ball follows the blue cat.",
    ],
)
def test_answers_that_do_not_know_score_low(text: str) -> None:
    assert caption(text) <= 0.25


def test_each_missing_or_wrong_fact_costs() -> None:
    whole = caption(TRUTH)
    less = caption("The red ball jumps. The blue cat follows the red ball.")
    wrong = caption("The red ball jumps once. The blue cat follows the red ball.")
    assert whole > less > wrong > 0.5


def test_events_must_come_in_order() -> None:
    forward = "The red ball jumps. The green boat spins. The pink key shakes."
    backward = "The pink key shakes. The green boat spins. The red ball jumps."
    assert judge_caption(backward, forward, facts_in_text(forward)) == pytest.approx(1 / 3)


def test_a_misnamed_subject_keeps_what_else_is_right() -> None:
    assert judge_caption("The red fish jumps twice.", "", facts_in_text("The red ball jumps twice.")) == 0.75


def test_denying_what_is_false_says_nothing() -> None:
    facts = facts_in_text("The red ball moves left.")
    assert judge_caption("The red ball moves left, not right.", "", facts) == 1.0
    assert judge_caption("The red ball moves right, not left.", "", facts) == 0.0


def test_out_of_frame_is_matched_by_its_own_words() -> None:
    assert judge_caption("out of frame", "Out of frame.", ()) == 1.0
    assert judge_caption("The red ball jumps.", "Out of frame.", ()) == 0.0


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("twice", True),
        ("The red ball jumps two times.", True),
        ("It jumps twice. Yes, twice.", True),
        ("three times", False),
        ("twice or three times", False),
        ("It jumps twice. The cat jumps once.", False),
        ("not twice", False),
        ("", False),
        ("the ball jumps", False),
    ],
)
def test_answers_are_right_when_exactly_the_asked_slot_is(text: str, right: bool) -> None:
    assert judge_answer(text, "It jumps 2 times.", [Fact(slot="count", value="2")]) is right


def test_the_references_own_words_are_right_with_or_without_quotes() -> None:
    facts = [Fact(slot="text", value="exit")]
    assert judge_answer('"EXIT".', '"EXIT"', facts)
    assert judge_answer("exit", '"EXIT"', facts)
    assert not judge_answer('"EXIT" or "OPEN"', '"EXIT"', facts)


@settings(deadline=None)
@given(st.lists(st.sampled_from(FACTS + facts_in_text(EVERYTHING))), st.lists(st.sampled_from(FACTS), min_size=1))
def test_scores_stay_between_zero_and_one(predicted: list[Fact], reference: list[Fact]) -> None:
    score = compare_facts(predicted, reference)
    assert 0 <= score.num_matched <= min(score.num_predicted, score.num_reference)
    assert 0.0 <= score.f1 <= 1.0
    assert compare_facts(reference, reference).f1 <= 1.0
