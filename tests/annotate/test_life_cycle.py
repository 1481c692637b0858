"""The life cycle is what its table says: every pair of state and event, and nobody stuck."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.annotate.life_cycle import MOVES, Actor, Event, IllegalMove, State, next_state

FINAL = {State.DISCARDED}


@given(st.sampled_from(State), st.sampled_from(Event), st.sampled_from(Actor))
def test_what_is_not_in_the_table_is_refused(state, event, actor):
    move = MOVES.get((state, event))
    if move is None or actor not in move[1]:
        with pytest.raises(IllegalMove) as caught:
            next_state(state, event, actor)
        assert (caught.value.status, caught.value.code) == (409, "illegal_move")
    else:
        assert next_state(state, event, actor) is move[0]


def test_every_state_is_reached_and_all_but_the_last_are_left():
    assert {target for target, _ in MOVES.values()} == set(State) - {State.INGESTED}
    assert {state for state, _ in MOVES} == set(State) - FINAL


def test_only_people_of_the_right_role_verify_and_adjudicate():
    for (_, event), (_, actors) in MOVES.items():
        if event in (Event.VERIFY, Event.REWORK):
            assert actors == {Actor.VERIFIER}
        if event is Event.ADJUDICATE:
            assert actors == {Actor.EXPERT}
