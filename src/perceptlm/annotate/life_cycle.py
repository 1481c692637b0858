"""The life of an item, as one table: which event leads from which state to which, and who may cause it.

Whatever is not in the table raises IllegalMove (409). This module knows no database; `services.item_states` is the
only caller that changes an item.
"""

from __future__ import annotations

from enum import StrEnum

from perceptlm.annotate.refusals import Conflict


class State(StrEnum):
    """Where an item stands."""

    INGESTED = "ingested"
    PROPOSED = "proposed"
    SCREENED = "screened"
    OPEN = "open"
    AGREED = "agreed"
    CONTESTED = "contested"
    VERIFIED = "verified"
    REWORK = "rework"
    ESCALATED = "escalated"
    ADJUDICATED = "adjudicated"
    ACCEPTED = "accepted"
    DISCARDED = "discarded"
    RELEASED = "released"
    REOPENED = "reopened"
    SUPERSEDED = "superseded"


class Event(StrEnum):
    """What happens to an item."""

    PROPOSE = "propose"
    SCREEN = "screen"
    OPEN = "open"
    AGREE = "agree"
    CONTEST = "contest"
    ESCALATE = "escalate"
    ADJUDICATE = "adjudicate"
    VERIFY = "verify"
    REWORK = "rework"
    ACCEPT = "accept"
    DISCARD = "discard"
    RELEASE = "release"
    RECONSIDER = "reconsider"
    REPORT = "report"
    SUPERSEDE = "supersede"


class Actor(StrEnum):
    """Who causes an event: a role of the project, or the service's own rules."""

    RULES = "rules"
    MANAGER = "manager"
    VERIFIER = "verifier"
    EXPERT = "expert"
    ANYONE = "anyone"


_BY_RULES = frozenset({Actor.RULES, Actor.MANAGER})
_BY_VERIFIER = frozenset({Actor.VERIFIER})
_BY_EXPERT = frozenset({Actor.EXPERT})
_BY_MANAGER = frozenset({Actor.MANAGER})
_BY_ANYONE = frozenset(Actor)

Move = tuple[State, frozenset[Actor]]
MOVES: dict[tuple[State, Event], Move] = {
    (State.INGESTED, Event.PROPOSE): (State.PROPOSED, _BY_RULES),
    (State.INGESTED, Event.SCREEN): (State.SCREENED, _BY_RULES),
    (State.INGESTED, Event.DISCARD): (State.DISCARDED, _BY_RULES),
    (State.PROPOSED, Event.SCREEN): (State.SCREENED, _BY_RULES),
    (State.PROPOSED, Event.DISCARD): (State.DISCARDED, _BY_RULES),
    (State.SCREENED, Event.OPEN): (State.OPEN, _BY_RULES),
    (State.SCREENED, Event.DISCARD): (State.DISCARDED, _BY_RULES),
    (State.OPEN, Event.AGREE): (State.AGREED, _BY_RULES),
    (State.OPEN, Event.CONTEST): (State.CONTESTED, _BY_RULES),
    (State.OPEN, Event.ESCALATE): (State.ESCALATED, _BY_RULES),
    (State.OPEN, Event.DISCARD): (State.DISCARDED, _BY_RULES),
    (State.CONTESTED, Event.AGREE): (State.AGREED, _BY_RULES),
    (State.CONTESTED, Event.OPEN): (State.OPEN, _BY_RULES),
    (State.CONTESTED, Event.ESCALATE): (State.ESCALATED, _BY_RULES),
    (State.CONTESTED, Event.DISCARD): (State.DISCARDED, _BY_RULES),
    (State.AGREED, Event.VERIFY): (State.VERIFIED, _BY_VERIFIER),
    (State.AGREED, Event.REWORK): (State.REWORK, _BY_VERIFIER),
    (State.AGREED, Event.DISCARD): (State.DISCARDED, _BY_RULES | _BY_VERIFIER),
    (State.AGREED, Event.OPEN): (State.OPEN, _BY_RULES),
    (State.AGREED, Event.ACCEPT): (State.ACCEPTED, _BY_RULES),
    (State.AGREED, Event.ESCALATE): (State.ESCALATED, _BY_RULES),
    (State.VERIFIED, Event.ACCEPT): (State.ACCEPTED, _BY_RULES),
    (State.VERIFIED, Event.ESCALATE): (State.ESCALATED, _BY_RULES),
    (State.REWORK, Event.OPEN): (State.OPEN, _BY_RULES),
    (State.REWORK, Event.DISCARD): (State.DISCARDED, _BY_RULES),
    (State.ESCALATED, Event.ADJUDICATE): (State.ADJUDICATED, _BY_EXPERT),
    (State.ADJUDICATED, Event.ACCEPT): (State.ACCEPTED, _BY_RULES),
    (State.ADJUDICATED, Event.OPEN): (State.OPEN, _BY_RULES),
    (State.ADJUDICATED, Event.DISCARD): (State.DISCARDED, _BY_RULES | _BY_EXPERT),
    (State.ACCEPTED, Event.RELEASE): (State.RELEASED, _BY_MANAGER),
    (State.ACCEPTED, Event.RECONSIDER): (State.OPEN, _BY_RULES),
    (State.ACCEPTED, Event.REPORT): (State.REOPENED, _BY_ANYONE),
    (State.RELEASED, Event.REPORT): (State.REOPENED, _BY_ANYONE),
    (State.RELEASED, Event.SUPERSEDE): (State.SUPERSEDED, _BY_RULES),
    (State.SUPERSEDED, Event.RELEASE): (State.RELEASED, _BY_MANAGER),
    (State.SUPERSEDED, Event.REPORT): (State.REOPENED, _BY_ANYONE),
    (State.REOPENED, Event.OPEN): (State.OPEN, _BY_RULES),
    (State.REOPENED, Event.DISCARD): (State.DISCARDED, _BY_RULES),
}

FINISHED = (State.ACCEPTED.value, State.RELEASED.value, State.SUPERSEDED.value)
"""States of items that a release is drawn up from. Released: a published release carries the item; superseded: none
does any more."""
KEEPING = frozenset({Event.RELEASE, Event.SUPERSEDE})
"""Events that change nothing of what an item came to."""


class IllegalMove(Conflict):
    """The event does not lead anywhere from this state, or not for this actor."""


def next_state(state: State, event: Event, actor: Actor) -> State:
    """Return the state after `event`; IllegalMove where the table has no such move or not for `actor`."""
    move = MOVES.get((state, event))
    if move is None:
        known = sorted(found.value for (start, found) in MOVES if start is state)
        raise IllegalMove(
            "illegal_move",
            f"an item that is {state.value} cannot take the event '{event.value}'",
            hint=f"possible now: {', '.join(known) or 'nothing more'}",
        )
    target, actors = move
    if actor not in actors:
        raise IllegalMove("illegal_move", f"'{event.value}' is not for {actor.value} while an item is {state.value}")
    return target
