"""Proposals come from models that the audit takes, are cleaned, and are known by their maker and their prompt."""

import numpy as np
import pytest

from perceptlm.annotate.fgqa.proposals import (
    Ask,
    ProposedText,
    check_model,
    propose_answers,
    propose_distractors,
)
from perceptlm.clients.protocol import MediaInput, ModelIdentity
from perceptlm.clients.scripted import ScriptedClient
from perceptlm.data.open_weights import open_weights
from perceptlm.errors import ConfigError

MODEL = next(model for model in open_weights().models if model.licence.output == "allowed")
IDENTITY = ModelIdentity(name=MODEL.name, revision="0123456789abcdef", licence=MODEL.licence_id, backend="scripted")
ASK = Ask("k", "Which {key} turns?", "the blue key")


def client(reply, **changes):
    return ScriptedClient(lambda request: reply, identity=IDENTITY.model_copy(update=changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "gpt-4o"}, "gpt-4o"),
        ({"name": "nobody/knows-this"}, "not on the open-weights list"),
        ({"revision": "latest"}, "no fixed state"),
        ({"revision": "unknown"}, "no fixed state"),
        ({"licence": "NOASSERTION"}, "licence"),
        ({"name": ""}, "names no model"),
    ],
)
def test_models_that_the_audit_refuses_are_not_asked(changes, said):
    asked = []
    refused = ScriptedClient(lambda request: asked.append(request) or "x", identity=IDENTITY.model_copy(update=changes))
    for propose in (propose_answers, propose_distractors):
        with pytest.raises(ConfigError, match=said):
            list(propose(refused, [ASK]))
    assert not asked


def test_a_model_that_may_be_used_gives_an_origin_and_the_record_of_a_proposal():
    assert check_model(IDENTITY).licence == MODEL.licence_id
    (found,) = propose_answers(client(" the blue\nkey "), [ASK])
    text = ProposedText(kind="answer", text="the blue key", model=IDENTITY, prompt_sha256=found.prompt_sha256)
    assert (found.key, found.proposed, found.refused) == ("k", (text,), ())
    (other,) = propose_answers(client("x"), [Ask("k", "Which other key?")])
    assert other.prompt_sha256 != found.prompt_sha256


def test_what_is_asked_holds_question_answer_and_media():
    seen = []

    def reply(request):
        seen.append(request)
        return '["a drum"]'

    media = (MediaInput("video", (np.zeros((2, 2, 3), np.uint8),)),)
    list(propose_distractors(ScriptedClient(reply, identity=IDENTITY), [Ask("k", "Q {x}?", "A", media)], number=3))
    assert seen[0].media == media
    assert "Q {x}?" in seen[0].turns[0].text
    assert "Write 3 wrong answers" in seen[0].turns[0].text
    assert "there already" not in seen[0].turns[0].text
    (again,) = propose_distractors(ScriptedClient(reply, identity=IDENTITY), [Ask("k", "Q?", "A", others=("a drum",))])
    assert 'write none of them: ["a drum"]' in seen[1].turns[0].text
    assert (again.proposed, len(again.refused)) == ((), 1), "it is there already"


@pytest.mark.parametrize("reply", ["", "UNSEEN.", "blue\u202ekey", "x" * 5000])
def test_replies_that_are_no_answer_are_refused_with_a_reason(reply):
    (found,) = propose_answers(client(reply), [ASK])
    assert (found.proposed, found.failure) == ((), None)
    assert found.refused[0]


def test_a_model_that_does_not_answer_is_a_failure_and_no_refusal():
    silent = ScriptedClient({}, identity=IDENTITY)
    for propose in (propose_answers, propose_distractors):
        (found,) = propose(silent, [ASK])
        assert "no answer" in found.failure
        assert not found.refused


def test_distractors_are_read_from_json_each_once_and_none_the_answer():
    reply = 'Sure: ["the red key", "The blue key.", "red key", "a\\u0007b", "the drum", "the sixth"] done'
    (found,) = propose_distractors(client(reply), [ASK], number=5)
    assert [item.text for item in found.proposed] == ["the red key", "the drum"]
    assert len(found.refused) == 3


@pytest.mark.parametrize("reply", ["none", "[1, 2]", '{"a": []}', "][", "[" * 5000 + "]"])
def test_replies_without_a_list_of_strings_give_no_distractors(reply):
    (found,) = propose_distractors(client(reply), [ASK])
    assert (found.proposed, len(found.refused)) == ((), 1)


def test_distractors_need_the_right_answer():
    with pytest.raises(ConfigError, match="right answer"):
        list(propose_distractors(client("[]"), [Ask("k", "Q?")]))
