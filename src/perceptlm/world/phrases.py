"""Sentences about events, and short phrases for single values, each with the facts it states.

Grammar: "The" + subject (size? pattern? colour kind) + verb (+ direction | count | object | new colour or state).
Every text written here is read back by `facts.facts_in_text` to exactly the facts returned beside it. Knows events
and things of one clip; knows no question, no task and no balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from perceptlm.schema import Fact
from perceptlm.world.clip_record import ClipView
from perceptlm.world.lexicon import IDLE_VERBS, VERBS, number_word, side, third_person, times, towards, with_article
from perceptlm.world.script import Action, Event

T = TypeVar("T")
_PLAIN_SHARE = 0.5
"""How often the plain (first) wording is taken; the others share the rest."""


def choose(rng: np.random.Generator, wordings: Sequence[T]) -> T:
    """Return the plain wording half of the time, else one of the others."""
    if len(wordings) == 1 or rng.random() < _PLAIN_SHARE:
        return wordings[0]
    return wordings[1 + int(rng.integers(len(wordings) - 1))]


def sentence(text: str, end: str = ".") -> str:
    """Return `text` with a capital first letter and a full stop."""
    return text[0].upper() + text[1:] + end


Pairs = tuple[tuple[str, str], ...]
"""(slot, value) pairs."""


def event_clause(
    view: ClipView, event: Event, rng: np.random.Generator, *, number: int = 0, told_subject: Pairs | None = None
) -> tuple[str, tuple[Fact, ...]] | None:
    """Return "the red ball jumps twice" and its facts as the `number`-th event told.

    With `told_subject`, what was said of the same subject just before, the subject is "it". None if a thing has no
    words of its own.
    """
    subject = view.refer(event.subject, frame=event.start_frame)
    predicate = _predicate(view, event, rng)
    if subject is None or predicate is None:
        return None
    words, claims = predicate
    said, pairs = ("it", told_subject) if told_subject is not None else (subject.definite, subject.facts)
    facts = tuple(
        Fact(slot=slot, value=value, event=number) for slot, value in (*pairs, ("action", event.action), *claims)
    )
    return f"{said} {words}", facts


def idle_clause(
    view: ClipView, thing: int, frame: int, rng: np.random.Generator
) -> tuple[str, tuple[Fact, ...]] | None:
    """Return "the red ball stays still" and its facts."""
    subject = view.refer(thing, frame=frame)
    if subject is None:
        return None
    pairs = [*subject.facts, ("action", "idle")]
    facts = tuple(Fact(slot=slot, value=value) for slot, value in pairs)
    return f"{subject.definite} {third_person(choose(rng, IDLE_VERBS))}", facts


def _predicate(view: ClipView, event: Event, rng: np.random.Generator) -> tuple[str, list[tuple[str, str]]] | None:
    verb = third_person(choose(rng, VERBS[event.action]))
    if event.object is not None:
        thing = view.refer(event.object, frame=event.start_frame)
        if thing is None:
            return None
        names = {"kind": "object", "colour": "object_colour"}
        return f"{verb} {thing.definite}", [(names[slot], value) for slot, value in thing.facts if slot in names]
    if event.count is not None:
        return f"{verb} {choose(rng, times(event.count))}", [("count", str(event.count))]
    if event.value is not None:
        return f"{verb} {event.value}", [("value", event.value)]
    if event.direction is not None:
        return f"{verb} {_direction_words(event.action, event.direction, rng)}", [("direction", event.direction)]
    return verb, []


def _direction_words(action: Action, direction: str, rng: np.random.Generator) -> str:
    if action == "enter":
        return f"from the {side(direction)}"
    if action == "leave":
        return choose(rng, (f"to the {side(direction)}", f"at the {side(direction)}"))
    if action == "turn":
        return direction
    return choose(rng, towards(direction))


_ACTION_WORDS: dict[str, str] = {
    "turn": "turns to face another way",
    "change_colour": "changes colour",
    "change_state": "changes state",
    "pick_up": "picks up something",
    "put_down": "puts down something",
    "hit": "hits something",
    "follow": "follows something",
    "hide": "hides behind something",
}


def value_phrase(slot: str, value: str, *, crossing: str | None = None) -> str:
    """Return the words of one value as an answer or option; `crossing` ("from the") makes a direction a side."""
    if slot in ("kind", "object"):
        return with_article(value)
    if slot == "action":
        return _ACTION_WORDS.get(value) or third_person(VERBS[_as_action(value)][0])
    if slot == "direction":
        return f"{crossing} {side(value)}" if crossing else towards(value)[-1]
    if slot == "count":
        return number_word(value)
    if slot == "text":
        return f'"{value}"'
    if slot == "place":
        return place_phrase(value)
    if slot == "order":
        return f"in the {value}"
    return value


def place_phrase(value: str) -> str:
    """Return the words for a place: 'on the left', 'at the top', or a relation such as 'left of'."""
    if value in ("left", "right"):
        return f"on the {value}"
    if value in ("top", "bottom"):
        return f"at the {value}"
    if value == "middle":
        return "in the middle"
    return f"to the {value} it" if value in ("left of", "right of") else f"{value} it"


def _as_action(value: str) -> Action:
    for action in VERBS:
        if action == value:
            return action
    raise ValueError(f"'{value}' is not an action")
