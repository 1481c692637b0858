"""The reader of the world's language: readings of single texts, and the inverse of everything the writers write."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.schema import Fact, Sample
from perceptlm.world.facts import KNOWN_SLOTS, facts_in_text
from perceptlm.world.families import FAMILIES
from perceptlm.world.lexicon import VERBS, table, verb_forms, words_of
from perceptlm.world.samples import samples_of_split
from perceptlm.world.vocabulary import COLOURS, KINDS, LABELS, PATTERNS


def read(text: str) -> list[tuple[int, str, str]]:
    return [(fact.event, fact.slot, fact.value) for fact in facts_in_text(text)]


def event(number: int, **slots: str) -> list[tuple[int, str, str]]:
    return [(number, slot, value) for slot, value in slots.items()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The red ball jumps twice.", event(0, colour="red", kind="ball", action="jump", count="2")),
        ("the RED ball hopped 2 times", event(0, colour="red", kind="ball", action="jump", count="2")),
        ("A little red ball is jumping", event(0, size="small", colour="red", kind="ball", action="jump")),
        ("The lamp turns on.", event(0, kind="lamp", action="change_state", value="on")),
        ("It turns blue.", event(0, action="change_colour", value="blue")),
        ("It turns left.", event(0, action="turn", direction="left")),
        ("It enters from the top.", event(0, action="enter", direction="up")),
        ("It leaves at the bottom.", event(0, action="leave", direction="down")),
        ("On the left.", event(0, place="left")),
        ("To the left.", event(0, direction="left")),
        ("It is out of view", event(0, action="out_of_frame")),
        ('It says "OPEN".', event(0, text="open")),
        ("I think it says EXIT!", event(0, text="exit")),
        ("", []),
        ("Colourless ideas sleep furiously.", []),
    ],
)
def test_readings(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert sorted(read(text)) == sorted(expected)


def test_subject_and_object_are_not_swapped() -> None:
    one, other = read("The red ball hits the blue box."), read("The blue box hits the red ball.")
    assert (0, "kind", "ball") in one
    assert (0, "object", "box") in one
    assert (0, "object_colour", "blue") in one
    assert (0, "kind", "box") in other
    assert (0, "object", "ball") in other


def test_events_are_told_in_order_and_keep_their_subject() -> None:
    text = "The red ball enters from the left and then jumps twice. The blue box spins once."
    assert read(text) == [
        *event(0, colour="red", kind="ball", action="enter", direction="left"),
        *event(1, colour="red", kind="ball", action="jump", count="2"),
        *event(2, colour="blue", kind="box", action="spin", count="1"),
    ]


def test_two_values_of_one_slot_stay_two_facts() -> None:
    assert read("The red or blue ball moves left and right.") == [
        (0, "colour", "red"), (0, "colour", "blue"), (0, "kind", "ball"),
        (0, "action", "move"), (0, "direction", "left"), (0, "direction", "right"),
    ]  # fmt: skip
    assert read("Red, blue, green.") == [(0, "colour", "red"), (0, "colour", "blue"), (0, "colour", "green")]


def test_a_list_of_everything_is_many_claims() -> None:
    everything = "It " + ", ".join(verb_forms(verbs[0])[1] for verbs in VERBS.values())
    actions = [value for _, slot, value in read(everything) if slot == "action"]
    assert len(actions) >= 15


@pytest.mark.parametrize("text", ["The ball does not jump.", "The ball never jumps", "It doesn't jump"])
def test_a_negated_action_is_not_claimed(text: str) -> None:
    assert (0, "action", "not:jump") in read(text)
    assert all(value != "jump" for _, _, value in read(text))


def test_negation_ends_with_but() -> None:
    assert [value for _, slot, value in read("The ball does not jump but spins") if slot == "action"] == [
        "not:jump",
        "spin",
    ]
    assert (0, "colour", "not:red") in read("It is not red")


@pytest.mark.parametrize(
    ("slot", "words"),
    [("kind", list(KINDS)), ("colour", list(COLOURS)), ("pattern", list(PATTERNS))],
)
def test_every_word_of_the_vocabulary_is_read(slot: str, words: list[str]) -> None:
    for word in words:
        assert read(f"a {word} thing" if slot != "kind" else f"The {word}.") == [(0, slot, word)]


def test_every_verb_in_every_form_is_read() -> None:
    for action, verbs in VERBS.items():
        ending = {"change_colour": " red", "change_state": " open"}.get(action, "")
        for form in (form for verb in verbs for form in verb_forms(verb)):
            assert (0, "action", action) in read(f"the red ball {form}{ending}"), form


def test_every_label_is_read_with_and_without_quotes() -> None:
    for label in LABELS:
        assert read(f'It says "{label.lower()}".') == [(0, "text", label.lower())]
        assert read(f"It says {label}.") == [(0, "text", label.lower())]


def test_no_phrase_means_two_things() -> None:
    assert len(table()) > 300  # building the table raises on a phrase of two meanings


@given(
    st.text(max_size=80) | st.lists(st.sampled_from([" ".join(words) for words in table()]), max_size=12).map(" ".join)
)
def test_any_text_can_be_read(text: str) -> None:
    found = facts_in_text(text)
    assert len(set(found)) == len(found)
    assert {fact.slot for fact in found} <= set(KNOWN_SLOTS)


@pytest.fixture(scope="module")
def samples(make_record: Callable) -> list[Sample]:
    records = [make_record(split, index, clip) for split in ("train", "benchmark") for index in range(80)
               for clip in ("video", "ego", "image")]  # fmt: skip
    return [
        sample
        for split in ("train", "benchmark")
        for sample in samples_of_split([record for record in records if record.scene.split == split], 1)
    ]


def told(sample: Sample) -> list[tuple[str, tuple[Fact, ...]]]:
    if sample.answer.type == "text":
        return [(sample.reference, sample.answer.facts)]
    if sample.answer.type == "dense":
        return [(segment.caption, segment.facts) for segment in sample.answer.segments]
    return []


def test_the_reader_inverts_every_text_written(samples: list[Sample]) -> None:
    texts = [(sample.template, text, facts) for sample in samples for text, facts in told(sample)]
    assert len(texts) > 2000
    for template, text, facts in texts:
        assert set(facts_in_text(text)) == set(facts), (template, text)
        assert facts, (template, text)


def test_every_family_and_action_was_written(samples: list[Sample]) -> None:
    families = {sample.template.split(".")[1] for sample in samples if "." in sample.template}
    assert not set(FAMILIES) - families - {"num_of_kind"}
    actions = {fact.value for sample in samples for _, facts in told(sample) for fact in facts if fact.slot == "action"}
    assert set(VERBS) <= actions


def test_captions_are_short(samples: list[Sample]) -> None:
    for sample in samples:
        for text, _ in told(sample):
            for part in text.split(". "):
                assert len(words_of(part)) <= 17, part


def test_every_family_has_four_wordings() -> None:
    for family in FAMILIES.values():
        assert len(set(family.questions)) >= 4, family.name


def test_reading_does_not_depend_on_case_or_spacing() -> None:
    rng = np.random.default_rng(0)
    words = [" ".join(phrase) for phrase in table()]
    for _ in range(50):
        text = " ".join(words[int(index)] for index in rng.integers(0, len(words), 8))
        assert facts_in_text(text) == facts_in_text(f"  {text.capitalize()}  ")
