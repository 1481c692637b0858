"""Quartets lend each other their truths; levelling caps what is asked too often."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.world.balance import Placed, level, quartets
from perceptlm.world.inquiries import Inquiry

VALUES = ("left", "right", "up", "down", "middle")
inquiry = st.builds(
    Inquiry, family=st.sampled_from(["place", "colour"]), value=st.sampled_from(VALUES),
    excluded=st.frozensets(st.sampled_from(VALUES), max_size=2), stratum=st.sampled_from(["", "x"]),
    held_out=st.booleans(),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(inquiry, max_size=60))
def test_quartets_are_sound(inquiries: list[Inquiry]) -> None:
    candidates = [Placed(number, item) for number, item in enumerate(inquiries)]
    found = quartets(candidates, 0)
    used = [placed.clip for quartet in found for placed in quartet]
    assert len(used) == len(set(used))
    for quartet in found:
        members = [placed.inquiry for placed in quartet]
        assert len({item.value for item in members}) == 4
        assert len({(item.family, item.stratum, item.held_out) for item in members}) == 1
        for one in members:
            assert not one.excluded & {other.value for other in members if other is not one}


def test_quartets_use_up_what_is_evenly_spread() -> None:
    candidates = [Placed(number, Inquiry("place", VALUES[number % 4])) for number in range(80)]
    assert len(quartets(candidates, 0)) == 20
    assert quartets(candidates, 0) == quartets(candidates, 0)
    assert quartets(candidates, 0) != quartets(candidates, 1)


def test_two_questions_of_one_clip_never_share_options() -> None:
    candidates = [Placed(0, Inquiry("place", value)) for value in VALUES]
    assert quartets(candidates, 0) == []


def test_level_caps_the_common_values_and_keeps_the_order() -> None:
    items = ["red"] * 50 + ["blue"] * 10 + ["green"] * 9
    kept = level(items, template=lambda item: "colour", value=lambda item: item, seed=0, name="x")
    assert Counter(kept) == {"red": 10, "blue": 10, "green": 9}
    assert kept == sorted(kept, key=items.index)


def test_a_question_with_one_answer_only_is_asked_once() -> None:
    kept = level(["red"] * 9, template=lambda item: 0, value=lambda item: item, seed=0, name="x")
    assert kept == ["red"]
