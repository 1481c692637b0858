"""Which questions a clip can answer: one Inquiry per family and thing, with the true value and the values to avoid.

An inquiry is only made where the answer is certain from what can be seen: the words for the subject mean one thing,
the event shows, the value is the only one. `excluded` holds the values that may not stand beside the truth as a
wrong option: those that would be true or arguable as well, and those that the question's text alone speaks against.
Knows no wording of answers, no options and no balance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from perceptlm.schema import Fact
from perceptlm.world.clip_record import ClipView, Noun
from perceptlm.world.families import FAMILIES, Family
from perceptlm.world.lexicon import VERBS, plural, third_person, with_article
from perceptlm.world.passing import headed, passed_things
from perceptlm.world.phrases import value_phrase
from perceptlm.world.script import COUNTED_ACTIONS, Action, Event, Thing
from perceptlm.world.splits import HELD_OUT_PAIRS
from perceptlm.world.vocabulary import ACTIONS, KINDS, LABELLED_KINDS, kind_can

_MOVING: frozenset[Action] = frozenset(
    ("enter", "leave", "move", "speed_up", "slow_down", "hit", "follow", "hide", "pick_up", "put_down", "stop")
)
_ALIKE: tuple[frozenset[Action], ...] = (
    _MOVING,
    frozenset(("turn", "spin")),
    frozenset(("hide", "shrink")),
    frozenset(("change_colour", "change_state", "blink")),
)
"""Actions that may be taken for each other, or of which one is part of another."""
_TELLING: tuple[Action, ...] = (
    "jump", "shake", "spin", "blink", "grow", "shrink", "hit", "follow", "hide", "pick_up",
)  # fmt: skip
"""Actions that tell their actor from other things: nobody else seems to do them in passing."""
Words = tuple[tuple[str, str], ...]
_MARGIN = 0.03
"""How clear of a border (as a share of the video or picture) a value must be to be asked about."""


@dataclass(frozen=True)
class Inquiry:
    """A question that a clip answers. Options may be any values of other inquiries that are not `excluded`."""

    family: str
    value: str
    words: Words = ()
    """What fills the question's wording: name -> text."""
    excluded: frozenset[str] = frozenset()
    stratum: str = ""
    """Inquiries share options only within a stratum."""
    given: str = ""
    """A part of the question that goes with some values more than with others; it enters the template's name."""
    subject: int | None = None
    event: Event | None = None
    held_out: bool = False
    open_words: str | None = None
    """Says the value in an open answer more fully than an option does: "a red ball" for "a ball"."""
    open_facts: tuple[Fact, ...] = field(default=())

    @property
    def definition(self) -> Family:
        """The family this question belongs to."""
        return FAMILIES[self.family]

    def question(self, wording: int) -> str:
        """Return the question in one of its family's wordings."""
        words = dict(self.words)
        words |= {name.capitalize(): text[0].upper() + text[1:] for name, text in self.words}
        text = self.definition.questions[wording].format(**words)
        return text[0].upper() + text[1:]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What the open answer states."""
        return self.open_facts or (Fact(slot=self.definition.slot, value=self.value),)


def inquiries_of(view: ClipView) -> list[Inquiry]:
    """Return every question the clip or image can answer, in a fixed order."""
    if view.record.media.kind == "image":
        parts: tuple[Callable[[ClipView], Iterator[Inquiry]], ...] = (_looks, _places, _numbers)
    elif view.scene.egocentric:
        parts = (_passing, _event_values, _actors, _looks)
    else:
        parts = (_actions, _event_values, _actors, _moments, _looks, _ends, _numbers)
    return [inquiry for part in parts for inquiry in part(view)]


def _actions(view: ClipView) -> Iterator[Inquiry]:
    for thing in view.seen:
        events = view.told_events_of(thing)
        subject = view.refer(thing, without=("kind", "pattern", "size"))  # its kind would tell what it can do
        if subject is None or not events or len(events) != len(view.scene.events_of(thing)) or view.is_moved(thing):
            continue
        asked = [("only_action", 0)] if len(events) == 1 else [("first_action", 0), ("last_action", -1)]
        if len(events) > 2:
            asked.append(("second_action", 1))
        for family, index in asked:
            event = events[index]
            yield Inquiry(
                family, event.action, (("subject", subject.definite),), _not_beside(view, thing, event.action),
                subject=thing, event=event, held_out=is_held_out(view, event),
            )  # fmt: skip


def _not_beside(view: ClipView, thing: int, action: Action) -> frozenset[str]:
    """Actions that cannot stand beside the true one: they look alike, or the thing's kind alone decides."""
    kind = view.scene.thing(thing).kind
    status = (kind, action) in HELD_OUT_PAIRS
    found: set[Action] = {
        other for other in ACTIONS if not kind_can(kind, other) or ((kind, other) in HELD_OUT_PAIRS) != status
    }
    for alike in _ALIKE:
        if action in alike:
            found |= alike - {action}
    return frozenset(found)


def _event_values(view: ClipView) -> Iterator[Inquiry]:
    families = {"enter": "enter_side", "leave": "leave_side", "move": "move_direction", "turn": "turn_direction"}
    for event in view.told_events:
        subject = view.refer(event.subject)
        if subject is None or _repeated(view, event):
            continue
        words = (("subject", subject.definite), *_verb_words(event.action))
        asked = _about(view, event, words)
        if event.action in families and event.direction is not None:
            yield replace(asked, family=families[event.action], value=event.direction)
        if event.action in COUNTED_ACTIONS and event.count is not None:
            yield replace(asked, family="times", value=str(event.count))
        if event.object is not None:
            kind, own = view.scene.thing(event.object).kind, view.scene.thing(event.subject).kind
            if kind != own:  # a thing of its own kind would be the odd one among the options
                excluded, stratum = frozenset({own}), event.action
                asked = replace(asked, excluded=excluded, stratum=stratum, given=stratum)
                yield replace(asked, family="object_kind", value=kind)
        nameless = view.refer(event.subject, without=("colour",))
        if event.action == "change_colour" and event.value is not None and nameless is not None:
            yield replace(asked, family="new_colour", value=event.value, words=_subject(nameless))


def _actors(view: ClipView) -> Iterator[Inquiry]:
    for event in view.told_events:
        actors = {other.subject for other in view.scene.events if other.action == event.action}
        if event.action not in _TELLING or len(actors) > 1:
            continue
        thing = view.scene.thing(event.subject)
        asked = _about(view, event, _verb_words(event.action, something=True))
        others = frozenset(kind for kind in KINDS if ((kind, event.action) in HELD_OUT_PAIRS) != asked.held_out)
        yield replace(asked, family="actor_kind", value=thing.kind, excluded=others, given=event.action)
        if len(view.colours_of(event.subject)) == 1:
            yield replace(asked, family="actor_colour", value=thing.colour)


def _about(view: ClipView, event: Event, words: Words) -> Inquiry:
    """Return an inquiry about an event that does not say yet what it asks."""
    held_out = is_held_out(view, event)
    return Inquiry("", "", words, subject=event.subject, event=event, held_out=held_out)


def _moments(view: ClipView) -> Iterator[Inquiry]:
    names = ("first quarter", "second quarter", "third quarter", "last quarter")
    for event in view.told_events:
        subject = view.refer(event.subject, frame=event.start_frame)
        span = view.event_span(event)
        if subject is None or span is None or event.object is not None or _repeated(view, event):
            continue
        middle = (span.start_frame + span.end_frame + 1) / 2 / view.scene.num_frames * 4
        if abs(middle - round(middle)) < 4 * _MARGIN:
            continue
        text = f"{subject.definite} {value_phrase('action', event.action)}"
        yield Inquiry(
            "when", names[int(middle)], (("event", text),), stratum=event.action, given=event.action,
            subject=event.subject, event=event, held_out=is_held_out(view, event),
        )  # fmt: skip


def _looks(view: ClipView) -> Iterator[Inquiry]:
    for number in view.seen:
        thing = view.scene.thing(number)
        steady = len(view.colours_of(number)) == 1
        without_colour = view.refer(number, without=("colour", "pattern", "size"))
        full = view.refer(number)
        without_kind = view.refer(number, without=("kind", "pattern", "size"))
        without_extras = view.refer(number, without=("pattern", "size"))
        if steady and without_colour is not None:
            yield Inquiry("colour", thing.colour, _subject(without_colour), subject=number)
        if steady and without_kind is not None:
            yield Inquiry("kind", thing.kind, _subject(without_kind), subject=number)
        if without_extras is not None:
            yield Inquiry("pattern", thing.pattern, _subject(without_extras), subject=number)
            if _has_free_size(view, number):
                yield Inquiry("size", thing.size, _subject(without_extras), subject=number)
        if thing.label is not None and full is not None:
            yield Inquiry("writing", thing.label.lower(), _subject(full), subject=number)


def _has_free_size(view: ClipView, number: int) -> bool:
    """Return whether nothing else decides how large a thing is: labels and covers are large, some actions resize."""
    resizes = any(event.action in ("grow", "shrink", "hide") for event in view.scene.events_of(number))
    covers = any(event.action == "hide" and event.object == number for event in view.scene.events)
    return not resizes and not covers and view.scene.thing(number).kind not in LABELLED_KINDS


def _places(view: ClipView) -> Iterator[Inquiry]:
    for number in view.seen:
        subject = view.refer(number)
        centre = view.centre(number, 0)
        if subject is None or centre is None:
            continue
        place = place_of(centre)
        if place is not None:
            yield Inquiry("place", place, _subject(subject), subject=number)
        for other in view.seen:
            relation = _relation(view, number, other) if other != number else None
            noun = view.refer(other)
            if relation is not None and noun is not None:
                facts = (Fact(slot="place", value=relation), *_object_facts(noun))
                words = (*_subject(subject), ("other", noun.definite))
                said = f"{value_phrase('place', relation).removesuffix('it')}{noun.definite}"
                yield Inquiry("relation", relation, words, subject=number, open_words=said, open_facts=facts)


def _ends(view: ClipView) -> Iterator[Inquiry]:
    for number in view.seen:
        subject, centre = view.refer(number), view.centre(number, view.scene.num_frames - 1)
        place = place_of(centre) if centre is not None else None
        if subject is not None and place is not None:
            yield Inquiry("end_place", place, _subject(subject), subject=number)


def _numbers(view: ClipView) -> Iterator[Inquiry]:
    if len(view.seen) == len(view.scene.things):
        yield Inquiry("num_things", str(len(view.seen)))
        kinds = [view.scene.thing(number).kind for number in view.seen]
        for kind in dict.fromkeys(kinds):
            yield Inquiry("num_of_kind", str(kinds.count(kind)), (("plural", plural(kind)),))


def _passing(view: ClipView) -> Iterator[Inquiry]:
    order = passed_things(view)
    direction = headed(view)
    if direction is not None:
        yield Inquiry("headed", direction)
    if order is None or len(order) < 2:
        return
    things = [view.scene.thing(number) for number in order]
    nouns = [view.refer(number) for number in order]
    steady = [len(view.colours_of(number)) == 1 for number in order]
    yield Inquiry("num_passed", str(len(order)))
    for family, index in (("passed_first", 0), ("passed_last", -1)):
        yield _thing_inquiry(family, things[index], nouns[index])
        if steady[index]:
            yield Inquiry(f"{family}_colour", things[index].colour, subject=things[index].id)
    for before, after in pairwise(range(len(order))):
        earlier, later, noun_before, noun_after = things[before], things[after], nouns[before], nouns[after]
        if noun_before is not None and earlier.kind != later.kind:
            asked = _thing_inquiry("passed_after", later, noun_after)
            yield replace(asked, words=(("other", noun_before.definite),), excluded=frozenset({earlier.kind}))
        if noun_after is not None and earlier.colour != later.colour and steady[before]:
            words, excluded = (("other", noun_after.definite),), frozenset({later.colour})
            yield Inquiry("colour_before", earlier.colour, words, excluded, subject=earlier.id)
    for index, thing in enumerate(things):
        nameless = view.refer(thing.id, without=("colour", "pattern", "size"))
        if nameless is not None and steady[index]:
            yield Inquiry("passed_colour", thing.colour, _subject(nameless), subject=thing.id)


def _thing_inquiry(family: str, thing: Thing, noun: Noun | None) -> Inquiry:
    if noun is None:
        return Inquiry(family, thing.kind, subject=thing.id)
    facts = tuple(Fact(slot=slot, value=value) for slot, value in noun.facts)
    said = with_article(noun.text)
    return Inquiry(family, thing.kind, subject=thing.id, open_words=said, open_facts=facts)


def place_of(centre: tuple[float, float]) -> str | None:
    """Return left, right, top, bottom or middle for a point given as shares; None in corners and near borders."""
    columns = [_third(share) for share in centre]
    if None in columns:
        return None
    across, down = columns
    if across == 1:
        return ("top", "middle", "bottom")[down or 0]
    return ("left", "middle", "right")[across or 0] if down == 1 else None


def _third(share: float) -> int | None:
    near = min(abs(share - border) for border in (1 / 3, 2 / 3))
    return None if near < _MARGIN else int(share * 3) if share < 1 else 2


def _relation(view: ClipView, first: int, second: int) -> str | None:
    here, there = view.centre(first, 0), view.centre(second, 0)
    if here is None or there is None:
        return None
    across, down = here[0] - there[0], here[1] - there[1]
    if max(abs(across), abs(down)) < 0.15:
        return None
    if abs(across) > 2 * abs(down):
        return "left of" if across < 0 else "right of"
    if abs(down) > 2 * abs(across):
        return "above" if down < 0 else "below"
    return None


def is_held_out(view: ClipView, event: Event) -> bool:
    """Return whether this thing doing this action is a pair that training never shows."""
    return (view.scene.thing(event.subject).kind, event.action) in HELD_OUT_PAIRS


def _repeated(view: ClipView, event: Event) -> bool:
    return sum(other.action == event.action for other in view.scene.events_of(event.subject)) > 1


def _subject(noun: Noun) -> Words:
    return (("subject", noun.definite),)


def _verb_words(action: Action, *, something: bool = False) -> Words:
    base = VERBS[action][0]
    said = value_phrase("action", action) if something else third_person(base)
    return (("verb", base), ("verbs", said))


def _object_facts(noun: Noun) -> tuple[Fact, ...]:
    names = {"kind": "object", "colour": "object_colour"}
    return tuple(Fact(slot=names[slot], value=value) for slot, value in noun.facts if slot in names)
