"""Facts read back from text: what a caption or answer claims, as (event, slot, value), by the world's own grammar.

The inverse of `phrases`: for every text the world writes it returns exactly the facts the text was written from. For
any other text it returns what it can read and ignores words it does not know, so that a judge can score answers of
any model. Knows no scene and no scoring. The rules:

- A text is a row of *events* told in order. A new verb, or a new noun phrase once the event has its subject or verb,
  begins the next event. A verb without a subject of its own takes over the subject told before ("and then jumps").
- A noun phrase before the verb is the subject (slots kind, colour, pattern, size); after a verb with an object, or
  after "left of" and its like, it is the object (slots object, object_colour).
- Two values for one slot stay two facts of the same event; whoever scores decides what that costs.
- What follows a negation, up to the end of the clause, a comma or "but", is claimed *not* to be so: its values start
  with `not:`, which equals no truth. "The ball does not jump" gives action `not:jump`.
- A text in double quotes, and a known label in capitals, is read writing: slot text, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from perceptlm.schema import Fact
from perceptlm.world.lexicon import Concept, longest_phrase, table, words_of
from perceptlm.world.script import DIRECTED_ACTIONS, TWO_THING_ACTIONS
from perceptlm.world.vocabulary import LABELS

KNOWN_SLOTS = (
    "kind", "colour", "pattern", "size", "action", "direction", "count", "object", "object_colour", "value", "place",
    "order", "text",
)  # fmt: skip
"""`object_colour` is the colour of the second thing; `order` is the part of the video ("first quarter")."""
_MODIFIERS = ("size", "pattern", "colour")
_QUOTED = re.compile(r"[\"“”]\s*([^\"“”\n]{1,40}?)[.!]?\s*[\"“”]")
_LABELS = re.compile(rf"\b(?:{'|'.join(LABELS)})\b")
_ENDS = (".", ";", "!", "?", "\n")


def facts_in_text(text: str) -> tuple[Fact, ...]:
    """Return every fact that `text` states, each once, in order of event and mention; () for none."""
    written = [match.group(1).strip().lower() for match in _QUOTED.finditer(text)]
    rest = _QUOTED.sub(" ", text)
    written += [word.lower() for word in _LABELS.findall(rest)]
    reader = _Reader()
    for concept, following in _with_next(_tokens(_LABELS.sub(" ", rest))):
        reader.read(concept, following)
    reader.end_clause()
    found = [Fact(slot="text", value=value) for value in written]
    for number, event in enumerate(reader.told()):
        found += [Fact(slot=slot, value=value, event=number) for slot, value in event.subject + event.claims]
    return tuple(dict.fromkeys(found))


@dataclass
class _Event:
    subject: list[tuple[str, str]] = field(default_factory=list)
    claims: list[tuple[str, str]] = field(default_factory=list)
    action: str | None = None

    @property
    def has_kind(self) -> bool:
        return any(slot == "kind" for slot, _ in self.subject)


class _Reader:
    """Reads concepts one by one and keeps the events told so far."""

    def __init__(self) -> None:
        self.events = [_Event()]
        self.modifiers: list[tuple[str, str]] = []
        self.object_expected = False
        self.becoming = False
        self.negated = False

    def told(self) -> list[_Event]:
        return [event for event in self.events if event.subject or event.claims]

    def read(self, concept: Concept, following: Concept | None) -> None:
        kind, value = concept
        noun_follows = following is not None and following[0] in (*_MODIFIERS, "kind", "thing")
        if kind == "stop":
            self.end_clause()
        elif kind == "but":
            self.negated = False
        elif kind == "not":
            self.negated = True
        elif kind == "action":
            self.begin(value)
        elif kind == "become":
            self._flush_modifiers()
            self.becoming = True
        elif self.becoming and kind in ("colour", "state") and (following is None or following[0] != "kind"):
            self.begin("change_colour" if kind == "colour" else "change_state")
            self.claim("value", value)
        elif kind in _MODIFIERS or (kind == "count" and noun_follows):
            self.modifiers.append((kind, self._signed(value)))
        elif kind == "kind":
            self._noun(value)
        elif kind == "thing":
            self._noun(None)
        else:
            self._other(kind, value)

    def _other(self, kind: str, value: str) -> None:
        event = self.events[-1]
        if kind == "direction" and self.becoming:
            self.begin("turn")
        elif kind == "place" and event.action in DIRECTED_ACTIONS and value != "middle":
            kind, value = "direction", {"top": "up", "bottom": "down"}.get(value, value)
        if kind == "relation":
            self._flush_modifiers()
            self.claim("place", value)
            self.object_expected = True
        elif kind != "state":  # "on" and "open" are states only after "becomes" and its like
            self.claim(kind, value)

    def begin(self, action: str) -> None:
        """A verb: the current event's, or that of a new event with the same subject."""
        self._flush_modifiers()
        if self.events[-1].action is not None:
            self.events.append(_Event(subject=list(self.events[-1].subject)))
        self.events[-1].action = action
        self.claim("action", action)
        self.object_expected = action in TWO_THING_ACTIONS
        self.becoming = False

    def claim(self, slot: str, value: str) -> None:
        self.events[-1].claims.append((slot, self._signed(value)))

    def _noun(self, kind: str | None) -> None:
        """A noun phrase ends: it is an object, a new event's subject, or the current event's. None is 'thing'."""
        phrase = self.modifiers if kind is None else [*self.modifiers, ("kind", self._signed(kind))]
        self.modifiers = []
        self.becoming = False
        if self.object_expected:
            names = {"kind": "object", "colour": "object_colour"}
            self.events[-1].claims += [(names[slot], value) for slot, value in phrase if slot in names]
            self.object_expected = False
        elif kind is not None and (self.events[-1].action is not None or self.events[-1].has_kind):
            self.events.append(_Event(subject=phrase))
        else:
            self.events[-1].subject += phrase

    def _flush_modifiers(self) -> None:
        self.events[-1].subject += self.modifiers
        self.modifiers = []

    def _signed(self, value: str) -> str:
        return f"not:{value}" if self.negated else value

    def end_clause(self) -> None:
        """Whatever waited for a noun waits no longer."""
        self._flush_modifiers()
        self.object_expected = self.becoming = self.negated = False


def _tokens(text: str) -> list[Concept]:
    """Return the concepts of `text` by longest match from left to right; unknown words are skipped."""
    words = words_of(text)
    known = table()
    found: list[Concept] = []
    at = 0
    while at < len(words):
        if words[at] in _ENDS:
            found.append(("stop", ""))
            at += 1
            continue
        if words[at] == ",":
            found.append(("but", ""))
            at += 1
            continue
        for length in range(min(longest_phrase(), len(words) - at), 0, -1):
            concept = known.get(tuple(words[at : at + length]))
            if concept is not None:
                found.append(concept)
                at += length
                break
        else:
            at += 1
    return found


def _with_next(concepts: list[Concept]) -> list[tuple[Concept, Concept | None]]:
    return list(zip(concepts, [*concepts[1:], None], strict=False))
