"""The one gate of payloads: what fits the item passes unchanged, all else is refused by the name of its field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.annotate.fgqa.payloads import MAX_PAYLOAD_BYTES, STEPS, ItemContext, PayloadError, validate_payload

CONTEXT = ItemContext(
    num_frames=40,
    width=64,
    height=48,
    options=("left", "right", "up"),
    proposal_ids=frozenset([7]),
    other_answers=frozenset([3]),
    distractor_id=5,
    review_reasons=frozenset(["wrong_interval"]),
    expert_reasons=frozenset(["rule_4"]),
    citable=frozenset([1, 3]),
)
GOOD = {
    "question_check": {"verdict": "fixable", "question": "Which key enters first?", "unsure": False, "note": ""},
    "blind_answer": {
        "answer": "the blue key",
        "evidence": {"start": 0, "end": 40},
        "boxes": [{"frame": 39, "box": [0, 0.5, 64, 48]}],
    },
    "compare": {"proposal_id": 7, "same_meaning": True, "others": [{"submission_id": 3, "same_meaning": False}]},
    "distractor": {"distractor_id": 5, "verdict": "nonsense"},
    "choice": {"choice": 2, "evidence": None},
    "choice_after": {"choice": 0, "evidence": {"start": 3, "end": 4}},
    "ceiling": {"choice": 1},
    "review": {"verdict": "rework", "reasons": ["wrong_interval"], "anchor": {"start": 1, "end": 9}},
    "expert": {
        "answer": "the red key",
        "rationale": "Seen in frame 3.\nThe other is blue.",
        "reason": "rule_4",
        "cites": [3],
    },
}


@pytest.mark.parametrize("step", STEPS)
def test_a_payload_that_fits_is_stored_as_it_was_and_read_again(step):
    found = validate_payload(step, GOOD[step], CONTEXT)
    stored = found.model_dump(mode="json")
    assert stored["schema_version"] == 1
    assert GOOD[step].items() <= stored.items() or step == "compare"
    assert validate_payload(step, json.loads(json.dumps(stored)), CONTEXT) == found


@pytest.mark.parametrize(
    ("step", "change", "field", "said"),
    [
        ("blind_answer", {"evidence": {"start": 0, "end": 41}}, "evidence.end", "40 frames"),
        ("blind_answer", {"evidence": {"start": 5, "end": 5}}, "evidence", "greater than start"),
        ("blind_answer", {"evidence": {"start": -1, "end": 5}}, "evidence.start", "0"),
        ("blind_answer", {"evidence": None}, "evidence", "object"),
        ("blind_answer", {"answer": " \n"}, "answer", "U+000A"),
        ("blind_answer", {"answer": "  "}, "answer", "at least 1"),
        ("blind_answer", {"answer": "x" * 4001}, "answer", "4000"),
        ("blind_answer", {"answer": "key\u202ered"}, "answer", "U+202E"),
        ("blind_answer", {"answer": "key\x1b[2J"}, "answer", "U+001B"),
        ("blind_answer", {"boxes": [{"frame": 40, "box": [0, 0, 1, 1]}]}, "boxes.0.frame", "frame 40"),
        ("blind_answer", {"boxes": [{"frame": 0, "box": [0, 0, 64.5, 1]}]}, "boxes.0.box", "64 x 48"),
        ("blind_answer", {"boxes": [{"frame": 0, "box": [3, 0, 3, 1]}]}, "boxes.0", "x0 < x1"),
        ("blind_answer", {"boxes": [{"frame": 0, "box": [0, 0, 1e400, 1]}]}, "", "JSON"),
        ("blind_answer", {"unsure": "no"}, "unsure", "boolean"),
        ("choice", {"choice": 3}, "choice", "3 options"),
        ("choice", {"choice": True}, "choice", "integer"),
        ("choice", {"choice": 1.0}, "choice", "integer"),
        ("choice", {"evidence": {"start": 0, "end": 99}}, "evidence.end", "40 frames"),
        ("ceiling", {"choice": 2}, "choice", "less than or equal to 1"),
        ("question_check", {"question": None}, "", "exactly when"),
        ("question_check", {"verdict": "valid"}, "", "exactly when"),
        ("question_check", {"verdict": "invalid", "question": None}, "", "needs a 'reason'"),
        ("question_check", {"verdict": "maybe"}, "verdict", "valid"),
        ("question_check", {"verdict": "invalid", "question": None, "reason": "other"}, "", "note"),
        ("compare", {"proposal_id": 8}, "proposal_id", "was not shown"),
        ("compare", {"proposal_id": None, "same_meaning": False}, "proposal_id", "has a proposal"),
        ("compare", {"others": [{"submission_id": 4, "same_meaning": True}]}, "others", "not shown"),
        ("compare", {"others": [{"submission_id": 3, "same_meaning": True}] * 2}, "", "twice"),
        ("distractor", {"distractor_id": 6}, "distractor_id", "distractor 5"),
        ("review", {"reasons": []}, "", "at least one"),
        ("review", {"reasons": ["ugly"]}, "reasons", "no reasons"),
        ("review", {"anchor": {"start": 0, "end": 41}}, "anchor.end", "40 frames"),
        ("expert", {"rationale": "\n\t"}, "rationale", "at least 1"),
        ("expert", {"reason": "whim"}, "reason", "no reason"),
        ("expert", {"cites": [2]}, "cites", "not of this item"),
        ("expert", {"answer": None}, "", "decides something"),
        ("expert", {"choice": 3}, "choice", "3 options"),
        ("expert", {"unknown": 1}, "unknown", "unknown key"),
        ("expert", {"schema_version": 2}, "schema_version", "1"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_field(step, change, field, said):
    with pytest.raises(PayloadError) as caught:
        validate_payload(step, {**GOOD[step], **change}, CONTEXT)
    assert caught.value.field == field
    assert said in caught.value.message


def test_unknown_steps_and_too_large_payloads_are_refused():
    with pytest.raises(PayloadError, match="no step"):
        validate_payload("vote", {}, CONTEXT)
    with pytest.raises(PayloadError, match="bytes"):
        validate_payload("choice", {"choice": 0, "note": "x" * MAX_PAYLOAD_BYTES}, CONTEXT)
    with pytest.raises(PayloadError, match="JSON"):
        validate_payload("choice", {"choice": {1, 2}}, CONTEXT)


@pytest.mark.parametrize(
    ("about", "payload", "field"),
    [
        ("blind_answer", {"choice": 1}, "answer"),
        ("blind_answer", {"verdict": "valid"}, "verdict"),
        ("choice", {"answer": "left"}, "choice"),
        ("question_check", {"verdict": "fixable"}, "answer"),
        ("distractor", {"verdict": "invalid"}, "verdict"),
    ],
)
def test_an_expert_decides_what_was_asked(about, payload, field):
    context = ItemContext(num_frames=1, width=2, height=2, options=("a", "b"), expert_about=about)
    with pytest.raises(PayloadError) as caught:
        validate_payload("expert", {"rationale": "so", "reason": "rule_4", **payload}, context)
    assert caught.value.field == field


def test_an_expert_may_call_any_question_invalid():
    for about in ("blind_answer", "choice", "question_check"):
        context = ItemContext(num_frames=1, width=2, height=2, options=("a", "b"), expert_about=about)
        payload = {"verdict": "invalid", "rationale": "It is out of view.", "reason": "rule_4"}
        assert validate_payload("expert", payload, context).verdict == "invalid"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(STEPS), st.data())
def test_nothing_but_a_payload_or_a_refusal_comes_back(step, data):
    payload = dict(GOOD[step])
    payload[data.draw(st.sampled_from([*payload, "note", "new"]))] = data.draw(JSON)
    try:
        found = validate_payload(step, payload, CONTEXT)
    except PayloadError:
        return
    assert validate_payload(step, found.model_dump(mode="json"), CONTEXT) == found
