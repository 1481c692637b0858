from __future__ import annotations

from perceptlm.clients import GenerationClient, GenerationRequest, ModelIdentity, ScriptedClient
from perceptlm.errors import ClientError


def test_a_table_answers_by_id_and_a_missing_id_is_an_error_result(ask):
    client = ScriptedClient({"b": "two", "a": "one"})
    results = list(client.generate([ask("a"), ask("c"), ask("b")]))
    assert [(result.id, result.text) for result in results] == [("a", "one"), ("c", ""), ("b", "two")]
    assert [result.finish_reason for result in results] == ["stop", "error", "stop"]
    assert "request c" in (results[1].error or "")
    assert isinstance(client, GenerationClient)


def test_a_function_answers_and_may_fail_on_purpose(ask):
    def answer(request: GenerationRequest) -> str:
        if request.id == "bad":
            raise ClientError("the script says no")
        return request.turns[-1].text.upper()

    results = list(ScriptedClient(answer).generate([ask("good"), ask("bad")]))
    assert results[0].text == "GOOD"
    assert (results[1].finish_reason, results[1].error) == ("error", "the script says no")


def test_two_tables_are_two_models_and_later_changes_do_not_reach_the_client(ask):
    table = {"a": "one"}
    client, other = ScriptedClient(table), ScriptedClient({"a": "two"})
    assert client.identity == ScriptedClient({"a": "one"}).identity != other.identity
    table["a"] = "changed"
    assert next(client.generate([ask("a")])).text == "one"


def test_a_given_identity_is_kept():
    identity = ModelIdentity(name="m", revision="1", licence="MIT", backend="test")
    assert ScriptedClient({}, identity=identity).identity == identity
