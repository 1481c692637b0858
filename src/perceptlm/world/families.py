"""The question families of the world: what each asks, in which wordings, and how its answer is said.

A family asks for one value of one slot. Its questions name nothing that gives the value away; `{subject}` and its
like are filled from the clip. The same family serves open questions, multiple choice and FGQA. Answers of every
family are drawn from a set of values, and are balanced over it by `balance`. Knows no clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perceptlm.schema import Dimension
from perceptlm.world.lexicon import times
from perceptlm.world.phrases import value_phrase

_CROSSING = {"enter_side": "from the", "leave_side": "to the"}
OpenTask = Literal["image_qa", "video_qa", "counting", "text_reading", "sgqa"]


@dataclass(frozen=True)
class Family:
    """One kind of question. `open_task` is the task of its open form; `choice` says whether it has options too."""

    name: str
    dimension: Dimension
    slot: str
    questions: tuple[str, ...]
    answers: tuple[str, ...] = ("{value}",)
    open_task: OpenTask = "video_qa"
    choice: bool = True

    def phrase(self, value: str) -> str:
        """Return the words of a value as this family's answers and options say it."""
        if self.name == "times":
            return times(value)[0]
        return value_phrase(self.slot, value, crossing=_CROSSING.get(self.name))


def _family(
    name: str, dimension: Dimension, slot: str, *questions: str, task: OpenTask = "video_qa", choice: bool = True,
    answers: tuple[str, ...] = ("{value}",),
) -> Family:  # fmt: skip
    return Family(name, dimension, slot, questions, answers, task, choice)


def _action_family(name: str, ordinal: str) -> Family:
    asked = f" {ordinal}" if ordinal else ""
    return _family(
        name, "what", "action",
        f"What does {{subject}} do{asked}?",
        f"What action does {{subject}} perform{asked}?",
        f"Which action of {{subject}} comes{asked}?" if ordinal else "Which action is done by {subject}?",
        f"Look at {{subject}}. What does it do{asked}?",
        answers=("it {value}",),
    )  # fmt: skip


def _direction_family(name: str, *questions: str) -> Family:
    return _family(name, "where", "direction", *questions)


_FAMILIES = (
    _action_family("only_action", ""),
    _action_family("first_action", "first"),
    _action_family("second_action", "second"),
    _action_family("last_action", "last"),
    _direction_family(
        "enter_side", "From which side does {subject} enter?", "Where does {subject} come in from?",
        "On which side does {subject} appear?", "{Subject} enters the view. From where?",
    ),
    _direction_family(
        "leave_side", "Which way does {subject} leave?", "Where does {subject} go out of the picture?",
        "On which side does {subject} exit?", "{Subject} leaves the view. In which direction?",
    ),
    _direction_family(
        "move_direction", "Which way does {subject} move?", "In which direction does {subject} go?",
        "Where does {subject} move to?", "{Subject} moves. In which direction?",
    ),
    _direction_family(
        "turn_direction", "Which way does {subject} turn to face?", "Where does {subject} face after it turns?",
        "In which direction does {subject} turn?", "{Subject} turns. Which way does it face then?",
    ),
    _family(
        "times", "how", "count", "How many times does {subject} {verb}?", "How often does {subject} {verb}?",
        "Count how many times {subject} {verbs}.", "{Subject} {verbs}. How many times?", task="counting",
    ),
    _family(
        "actor_kind", "what", "kind", "What {verbs}?", "Which thing {verbs}?", "What kind of thing {verbs}?",
        "Name the thing that {verbs}.",
    ),
    _family(
        "actor_colour", "what", "colour", "What colour is the thing that {verbs}?",
        "Name the colour of the thing that {verbs}.", "Which colour has the thing that {verbs}?",
        "Look at the thing that {verbs}. What is its colour?",
    ),
    _family(
        "object_kind", "what", "kind", "What does {subject} {verb}?", "Which thing does {subject} {verb}?",
        "Name the thing that {subject} {verbs}.", "What kind of thing does {subject} {verb}?",
    ),
    _family(
        "new_colour", "what", "colour", "What colour does {subject} become?", "Which colour does {subject} turn?",
        "{Subject} changes colour. What is the new colour?", "What is the colour of {subject} at the end?",
            ),
    _family(
        "when", "when", "order", "In which quarter of the video does this happen: {event}?",
        "When does this happen: {event}?", "In which part of the video is it that {event}?",
        "{Event}. In which quarter of the video?",
    ),
    _family(
        "end_place", "where", "place", "Where is {subject} at the end?", "Where does {subject} end up?",
        "In which part of the picture is {subject} at the end of the video?", "Where is {subject} in the last frame?",
    ),
    _family(
        "writing", "what", "text", "What does the label on {subject} say?", "What is written on {subject}?",
        "Read the word on {subject}.", "Which word can be read on {subject}?", task="text_reading",
    ),
    _family(
        "colour", "what", "colour", "What colour is {subject}?", "Which colour is {subject}?",
        "What is the colour of {subject}?", "Name the colour of {subject}.",
    ),
    _family(
        "kind", "what", "kind", "What is {subject}?", "What kind of thing is {subject}?",
        "Tell what {subject} is.", "Name {subject}.",
    ),
    _family(
        "pattern", "what", "pattern", "What pattern does {subject} have?", "What is the pattern of {subject}?",
        "How is the surface of {subject} patterned?", "Which pattern is on {subject}?",
    ),
    _family(
        "size", "what", "size", "How large is {subject}?", "What size is {subject}?", "What is the size of {subject}?",
        "Is {subject} small, medium or large?", choice=False,
    ),
    _family(
        "place", "where", "place", "Where is {subject}?", "In which part of the picture is {subject}?",
        "Where in the picture is {subject}?", "Where can {subject} be seen?",
    ),
    _family(
        "relation", "where", "place", "Where is {subject} as seen from {other}?",
        "How does {subject} lie relative to {other}?", "On which side of {other} is {subject}?",
        "Is {subject} left of, right of, above or below {other}?",
    ),
    _family(
        "num_things", "how", "count", "How many things are there?", "How many things can be seen?",
        "Count the things.", "What is the number of things shown?", task="counting",
    ),
    _family(
        "num_of_kind", "how", "count", "How many {plural} are there?", "How many {plural} can be seen?",
        "Count the {plural}.", "What is the number of {plural} shown?", task="counting",
    ),
)  # fmt: skip

_EGO_FAMILIES = (
    _family(
        "passed_first", "what", "kind", "What did I pass first?", "Which thing was the first that I passed?",
        "What was the first thing I went past?", "What thing did I come by first?",
        task="sgqa", answers=("you passed {value}", "you came by {value}"),
    ),
    _family(
        "passed_last", "what", "kind", "What did I pass last?", "Which thing was the last that I passed?",
        "What was the last thing I went past?", "What thing did I come by last?",
        task="sgqa", answers=("you passed {value}", "you came by {value}"),
    ),
    _family(
        "passed_after", "when", "kind", "What did I pass right after {other}?", "What came right after {other}?",
        "Which thing did I pass next after {other}?", "I passed {other}. What did I pass after that?",
        task="sgqa", answers=("you passed {value}", "you came by {value}"),
    ),
    _family(
        "passed_colour", "what", "colour", "What colour was {subject} that I passed?",
        "Which colour was {subject} I passed?",
        "What was the colour of {subject} I went past?", "I passed {subject}. What colour was it?",
        task="sgqa", answers=("it was {value}", "its colour was {value}"),
    ),
    _family(
        "passed_first_colour", "what", "colour", "What colour was the first thing I passed?",
        "Which colour was the thing I passed first?", "What was the colour of the first thing I went past?",
        "Think of the first thing I passed. What colour was it?",
        task="sgqa", answers=("it was {value}", "its colour was {value}"),
    ),
    _family(
        "passed_last_colour", "what", "colour", "What colour was the last thing I passed?",
        "Which colour was the thing I passed last?", "What was the colour of the last thing I went past?",
        "Think of the last thing I passed. What colour was it?",
        task="sgqa", answers=("it was {value}", "its colour was {value}"),
    ),
    _family(
        "colour_before", "when", "colour", "What colour was the thing I saw right before {other}?",
        "Which colour was the thing just before {other}?", "What was the colour of what I passed right before {other}?",
        "Before {other} I passed something. What colour was it?",
        task="sgqa", answers=("it was {value}", "its colour was {value}"),
    ),
    _family(
        "num_passed", "how", "count", "How many things did I pass?", "How many things did I go past?",
        "What is the number of things I passed?", "Count the things I passed.",
        task="sgqa", answers=("you passed {value}", "you came by {value}"),
    ),
    _family(
        "headed", "where", "direction", "Which way was I heading?", "In which direction did I go?",
        "Which way did I move?", "Where was I going?",
        task="sgqa", answers=("you were heading {value}", "you headed {value}"),
    ),
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in (*_FAMILIES, *_EGO_FAMILIES)}
