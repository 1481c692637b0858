"""The words of the procedural world: every surface phrase of every concept, for writing and for reading.

A concept is a (kind of token, value) pair such as ("action", "jump") or ("colour", "red"). Writers take phrases from
here, the reader (`facts`) maps phrases back, so a word exists for both or for neither. One phrase never means two
things: building the table raises if it would. Knows no scene, no question and no task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

from perceptlm.world.script import Action, Direction
from perceptlm.world.vocabulary import COLOURS, KINDS, PATTERNS

TokenType = Literal[
    "size", "pattern", "colour", "kind", "action", "become", "direction", "place", "relation", "count", "state",
    "order", "not", "stop", "but", "thing",
]  # fmt: skip
Concept = tuple[TokenType, str]

VERBS: dict[Action, tuple[str, ...]] = {
    "enter": ("enter", "come in", "appear", "arrive"),
    "leave": ("leave", "exit", "go out", "go away"),
    "move": ("move", "go", "travel", "glide"),
    "speed_up": ("speed up", "get faster", "accelerate", "go faster"),
    "slow_down": ("slow down", "get slower", "decelerate", "go slower"),
    "turn": ("turn to face", "turn round to face", "rotate to face", "swing round to face"),
    "grow": ("grow", "get bigger", "become larger", "expand"),
    "shrink": ("shrink", "get smaller", "become smaller", "contract"),
    "change_colour": ("turn", "become", "change colour to", "change to"),
    "change_state": ("become", "change to", "switch to", "change into"),
    "pick_up": ("pick up", "lift", "grab", "take"),
    "put_down": ("put down", "set down", "drop", "release"),
    "hit": ("hit", "bump into", "strike", "knock into"),
    "follow": ("follow", "chase", "trail", "go after"),
    "stop": ("stop", "halt", "come to a stop", "come to rest"),
    "hide": ("hide behind", "go behind", "slip behind", "disappear behind"),
    "jump": ("jump", "hop", "leap", "bounce"),
    "shake": ("shake", "wobble", "wiggle", "tremble"),
    "spin": ("spin", "twirl", "whirl", "spin round"),
    "blink": ("blink", "flash", "flicker", "blink on and off"),
}
"""Base forms that writers use; the first is the plain one."""
IDLE_VERBS = ("stay still", "wait", "do nothing", "rest")
READ_VERBS: dict[str, tuple[str, ...]] = {
    "pick_up": ("raise",),
    "hit": ("collide with", "run into", "crash into"),
    "leave": ("depart", "move out"),
    "enter": ("move in", "come into view"),
    "turn": ("face",),
    "hide": ("hide", "move behind"),
    "spin": ("rotate", "spin around"),
    "change_colour": ("change colour",),
    "change_state": ("change state",),
    "idle": ("remain still", "stand still"),
}
"""Verbs that are understood but not written."""
OUT_OF_FRAME = "Out of frame."
_FIXED: dict[Concept, tuple[str, ...]] = {
    ("become", ""): ("turn", "become", "change to", "change colour to", "change into", "switch to", "get"),
    ("direction", "left"): ("left", "leftwards", "leftward"),
    ("direction", "right"): ("right", "rightwards", "rightward"),
    ("direction", "up"): ("up", "upwards", "upward", "top"),
    ("direction", "down"): ("down", "downwards", "downward", "bottom"),
    ("place", "left"): ("on the left", "at the left"),
    ("place", "right"): ("on the right", "at the right"),
    ("place", "top"): ("at the top", "on the top", "in the top"),
    ("place", "bottom"): ("at the bottom", "on the bottom", "in the bottom"),
    ("place", "middle"): ("in the middle", "in the centre", "in the center", "near the middle"),
    ("relation", "left of"): ("left of", "to the left of", "on the left of"),
    ("relation", "right of"): ("right of", "to the right of", "on the right of"),
    ("relation", "above"): ("above", "higher than"),
    ("relation", "below"): ("below", "lower than", "under"),
    ("size", "small"): ("small", "little", "tiny"),
    ("size", "medium"): ("medium", "medium sized"),
    ("size", "large"): ("large", "big", "huge"),
    ("order", "first quarter"): ("first quarter",),
    ("order", "second quarter"): ("second quarter",),
    ("order", "third quarter"): ("third quarter",),
    ("order", "last quarter"): ("last quarter", "fourth quarter"),
    ("not", ""): ("not", "no", "never", "without", "doesn't", "don't", "isn't", "didn't", "nothing"),
    ("but", ""): ("but", "instead"),
    ("stop", ""): ("then", "while", "afterwards", "next"),
    ("thing", ""): ("thing", "things", "object", "objects"),
    ("action", "out_of_frame"): ("out of frame", "out of view", "not visible", "not in view", "invisible"),
}
_COUNT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_IRREGULAR: dict[str, tuple[str, ...]] = {
    "come": ("comes", "coming", "came"),
    "leave": ("leaves", "leaving"),
    "go": ("goes", "going", "went"),
    "become": ("becomes", "becoming", "became"),
    "get": ("gets", "getting", "got"),
    "put": ("puts", "putting"),
    "set": ("sets", "setting"),
    "take": ("takes", "taking", "took", "taken"),
    "hit": ("hits", "hitting"),
    "strike": ("strikes", "striking", "struck"),
    "shrink": ("shrinks", "shrinking", "shrank", "shrunk"),
    "grow": ("grows", "growing", "grew", "grown"),
    "speed": ("speeds", "speeding", "sped"),
    "hide": ("hides", "hiding", "hid", "hidden"),
    "spin": ("spins", "spinning", "spun"),
    "shake": ("shakes", "shaking", "shook", "shaken"),
    "do": ("does", "doing", "did"),
    "stand": ("stands", "standing", "stood"),
    "swing": ("swings", "swinging", "swung"),
    "run": ("runs", "running", "ran"),
}
_DOUBLED = ("stop", "hop", "grab", "drop", "slip")
_PLURALS = {"fish": "fish", "sheep": "sheep", "mouse": "mice", "knife": "knives"}
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[.,;!?\n]")


def third_person(base: str) -> str:
    """Return the form after 'it': 'jump' -> 'jumps', 'come in' -> 'comes in'."""
    word, _, rest = base.partition(" ")
    return f"{_forms(word)[0]} {rest}".rstrip()


def plural(kind: str) -> str:
    """Return the plural of a kind's name."""
    head, _, last = kind.rpartition(" ")
    if last in _PLURALS:
        many = _PLURALS[last]
    elif last.endswith(("s", "x", "ch", "sh", "z")):
        many = last + "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        many = last[:-1] + "ies"
    else:
        many = last + "s"
    return f"{head} {many}".strip()


def with_article(phrase: str) -> str:
    """Return `phrase` after 'a' or 'an'."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def times(count: int | str) -> tuple[str, ...]:
    """Return the phrases for a number of repetitions."""
    number = int(count)
    plain = f"{_COUNT_WORDS[number]} time{'s' if number != 1 else ''}"
    return {1: ("once", plain), 2: ("twice", plain)}.get(number, (plain,))


def number_word(count: int | str) -> str:
    """Return the word for a number from 0 to 9."""
    return _COUNT_WORDS[int(count)]


def towards(direction: Direction | str) -> tuple[str, ...]:
    """Return the phrases for going in a direction."""
    if direction in ("left", "right"):
        return (direction, f"to the {direction}")
    return (direction, f"{direction}wards")


def side(direction: Direction | str) -> str:
    """Return the name of the side of the picture a direction points to."""
    return {"up": "top", "down": "bottom"}.get(direction, direction)


def words_of(text: str) -> list[str]:
    """Return lower-case words and the punctuation that ends a clause; hyphens separate words."""
    return _WORD.findall(text.lower().replace("’", "'"))


@cache
def table() -> dict[tuple[str, ...], Concept]:
    """Return phrase (as words) -> concept, for longest-match reading."""
    found: dict[tuple[str, ...], Concept] = {}
    for concept, phrase in _all_phrases():
        words = tuple(words_of(phrase))
        if found.setdefault(words, concept) != concept:
            raise AssertionError(f"'{phrase}' means both {found[words]} and {concept}")
    return found


@cache
def longest_phrase() -> int:
    """Return the number of words of the longest known phrase."""
    return max(len(words) for words in table())


def _all_phrases() -> Iterator[tuple[Concept, str]]:
    for concept, phrases in _FIXED.items():
        for phrase in phrases:
            for form in verb_forms(phrase) if concept[0] == "become" else (phrase,):
                yield concept, form
    plain = [(action, verbs) for action, verbs in VERBS.items() if action not in ("change_colour", "change_state")]
    for action, verbs in [*plain, ("idle", IDLE_VERBS), *READ_VERBS.items()]:
        for verb in verbs:
            for form in verb_forms(verb):
                yield ("action", action), form
    for number, word in enumerate(_COUNT_WORDS):
        yield ("count", str(number)), word
        yield ("count", str(number)), str(number)
        for phrase in times(number):
            yield ("count", str(number)), phrase
        yield ("count", str(number)), f"{number} times"
    for kind in KINDS:
        yield ("kind", kind), kind
        yield ("kind", kind), plural(kind)
    for colour in COLOURS:
        yield ("colour", colour), colour
    for pattern in PATTERNS:
        yield ("pattern", pattern), pattern
    for state in sorted({state for states in KINDS.values() for state in states}):
        yield ("state", state), state


def verb_forms(base: str) -> tuple[str, ...]:
    """Return base, third person, -ing and past forms of a verb; the words after the verb stay."""
    word, _, rest = base.partition(" ")
    return tuple(f"{form} {rest}".rstrip() for form in (word, *_forms(word)))


def _forms(word: str) -> tuple[str, ...]:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    stem = word[:-1] if word.endswith("e") else word + word[-1] if word in _DOUBLED else word
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word[:-1] + "ies", word + "ing", word[:-1] + "ied")
    third = word + ("es" if word.endswith(("s", "x", "ch", "sh", "z")) else "s")
    return (third, stem + "ing", stem + "ed")
