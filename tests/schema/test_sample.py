"""schema.Sample: the conversation, the round trip through JSON, and closed fields."""

import pytest
from pydantic import ValidationError

from perceptlm.config import parse
from perceptlm.errors import ConfigError
from perceptlm.exchange.jsonl import encode_line
from perceptlm.schema import BoxTrack, MediaRef, Origin, Sample, SpanAnswer, TextAnswer, TimeSpan, Turn


def sample(**changes):
    values = {
        "id": "s1",
        "task": "rtloc",
        "split": "train",
        "media": (MediaRef(kind="video", path="a.mp4", width=4, height=4, num_frames=9, frames_per_second="8"),),
        "turns": (Turn(role="user", text="When?"), Turn(role="assistant", text="[<|frame:2|>, <|frame:5|>]")),
        "answer": SpanAnswer(span=TimeSpan(start_frame=2, end_frame=5)),
        "origin": Origin(kind="program", name="world", revision="1", licence="CC0-1.0"),
        "cluster": "a",
        "template": "t",
        "dimension": "when",
        "regions": (BoxTrack(subject="cat", boxes={0: (0, 0, 1, 1), 8: (0.5, 0.25, 3, 4)}),),
        "attributes": {"num_things": 2, "speed": 0.5, "hidden": False, "size": "small"},
    }
    return Sample(**{**values, **changes})


def test_a_sample_comes_back_from_json_unchanged():
    first = sample()
    again = Sample.model_validate_json(encode_line(first))
    assert again == first
    assert encode_line(again) == encode_line(first)
    assert again.content_digest() == first.content_digest()
    assert [type(value) for value in again.attributes.values()] == [int, float, bool, str]


def test_question_and_reference_are_the_last_ones():
    turns = [("system", "s"), ("user", "1"), ("assistant", "2"), ("user", "3"), ("assistant", "4")]
    found = sample(turns=tuple(Turn(role=role, text=text) for role, text in turns))
    assert (found.question, found.reference) == ("3", "4")


def test_a_judgement_is_written_only_where_there_is_one():
    plain, judged = sample(), sample(rejected="[<|frame:0|>, <|frame:1|>]")
    assert "rejected" not in plain.to_dict()
    assert b"rejected" not in encode_line(plain)
    again = Sample.model_validate_json(encode_line(judged))
    assert (again, again.rejected) == (judged, "[<|frame:0|>, <|frame:1|>]")
    assert again.rejected_turns == (plain.turns[0], Turn(role="assistant", text=again.rejected))
    assert list(plain.to_dict()) == [name for name in judged.to_dict() if name != "rejected"]


@pytest.mark.parametrize(("rejected", "reason"), [(" ", "rejected is empty"), (" a\n", "the same answer")])
def test_a_rejected_answer_is_another_one(rejected, reason):
    turns = (Turn(role="user", text="q"), Turn(role="assistant", text="a "))
    with pytest.raises(ValidationError, match=reason):
        sample(turns=turns, rejected=rejected)


@pytest.mark.parametrize("roles", ["ua u", "aa", "us", "ss", "uu", "au", "uaua u"])
def test_turns_alternate_and_end_with_the_assistant(roles):
    names = {"u": "user", "a": "assistant", "s": "system"}
    with pytest.raises(ValidationError, match="turns must alternate"):
        sample(turns=tuple(Turn(role=names[letter], text="x") for letter in roles.replace(" ", "")))


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"task": "fgqq"}, "task"), ({"id": ""}, "id"), ({"dimension": "why"}, "dimension"), ({"splitt": "x"}, "splitt")],
)
def test_wrong_fields_are_named(changes, field):
    with pytest.raises(ConfigError, match=field):
        parse(Sample, {**sample().to_dict(), **changes})


def test_an_unknown_field_deep_inside_an_answer_is_named():
    values = sample(answer=TextAnswer(text="x")).to_dict()
    values["answer"]["fact"] = []
    with pytest.raises(ConfigError, match="did you mean 'facts'"):
        parse(Sample, values)
