"""A model as a judge: asked once per call, whatever goes wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer, judge_server

from perceptlm.clients import GenerationRequest, OpenAIClient, ScriptedClient
from perceptlm.errors import ClientError
from perceptlm.eval.judges.cache import ReplyCache
from perceptlm.eval.judges.client_judge import MAX_FAILED_IN_A_ROW, ClientJudge
from perceptlm.eval.judges.protocol import JudgeCall, Verdict
from perceptlm.eval.judges.wording import PAPER, STRICT
from perceptlm.schema import Turn

CALLS = [JudgeCall("caption", None, f"thing {number}", f"thing {number % 3}") for number in range(12)]


def grade(text: str) -> str:
    """Return 10 for equal captions, else 3."""
    reference, prediction = (
        text.partition(f"<{name}>\n")[2].partition("\n</")[0] for name in ("reference", "prediction")
    )
    return json.dumps({"explanation": "?", "score": 10 if reference == prediction else 3})


EXPECTED = [1.0] * 3 + [0.3] * 9


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server(grade) as found:
        yield found


@pytest.fixture
def make_judge(server: JudgeServer) -> Callable[..., ClientJudge]:
    def make(cache: ReplyCache | None = None, **options: Any) -> ClientJudge:
        client = OpenAIClient(
            server.url, model="judge", num_parallel=4, max_attempts=4, timeout_seconds=0.4, sleep=lambda _: None
        )
        return ClientJudge(client, STRICT, "strict", cache=cache, **options)

    return make


def test_equal_calls_are_asked_once(make_judge: Callable[..., ClientJudge], server: JudgeServer) -> None:
    judge = make_judge()
    verdicts = judge.judge(CALLS + CALLS[::-1])
    assert [verdict.value for verdict in verdicts] == EXPECTED + EXPECTED[::-1]
    assert server.asked.total() == judge.usage.num_asked == 12
    assert verdicts[0] == Verdict(1.0, reply='{"explanation": "?", "score": 10}')
    assert judge.judge([]) == []


def test_the_identity_says_who_judged_and_how(make_judge: Callable[..., ClientJudge]) -> None:
    identity = make_judge().identity
    assert (identity.name, identity.revision, identity.temperature) == ("judge", "abc", 0.0)
    assert identity.prompt_hash == STRICT.prompt_hash
    assert not identity.is_free
    assert identity.label.startswith("judge, revision abc, prompt ")


@pytest.mark.parametrize("faults", [("busy",), ("torn", "busy"), ("hang",), ("busy", "torn", "hang")])
def test_faults_on_the_way_change_no_verdict(
    faults: Any, make_judge: Callable[..., ClientJudge], server: JudgeServer
) -> None:
    good = make_judge().judge(CALLS[:4])
    server.seen.clear()
    server.faults = faults
    assert make_judge().judge(CALLS[:4]) == good


def test_nonsense_is_asked_about_again_and_every_try_is_kept(
    make_judge: Callable[..., ClientJudge], server: JudgeServer, tmp_path: Path
) -> None:
    server.faults = ("nonsense", "nonsense")
    with ReplyCache(tmp_path / "c") as cache:
        verdicts = make_judge(cache).judge(CALLS)
        assert [verdict.value for verdict in verdicts] == EXPECTED
        assert {verdict.num_tries for verdict in verdicts} == {3}
        assert {seed for _, seed in server.asked} == {0, 1, 2}
        assert len(cache) == 36
        assert make_judge(cache).judge(CALLS) == verdicts
    assert server.asked.total() == 36


def test_a_reply_that_cannot_be_read_is_a_failure_with_its_words(
    make_judge: Callable[..., ClientJudge], server: JudgeServer
) -> None:
    server.faults = ("nonsense",) * 9
    (verdict,) = make_judge().judge(CALLS[:1])
    assert verdict == Verdict(None, reply="Well...", reason="not JSON", num_tries=3)


def test_a_cached_reply_is_never_asked_for_again(
    make_judge: Callable[..., ClientJudge], server: JudgeServer, tmp_path: Path
) -> None:
    with ReplyCache(tmp_path / "c") as cache:
        judge = make_judge(cache)
        first = judge.judge(CALLS[:7])
        assert judge.num_cached(CALLS) == 7
        assert judge.judge(CALLS)[:7] == first
        other = ClientJudge(judge._client, PAPER, "paper", cache=cache)
        assert other.num_cached(CALLS) == 0
        assert "7 from the cache" in judge.summary()
    assert set(server.asked.values()) == {1}
    assert judge.usage.num_cached == 7


def test_replies_of_an_unnamed_revision_are_those_of_one_address(tmp_path: Path) -> None:
    client = ScriptedClient(lambda request: '{"explanation": "?", "score": 3}')
    assert client.identity.revision == "unknown"
    with ReplyCache(tmp_path / "c") as cache:
        one, two = (
            ClientJudge(client, STRICT, "strict", cache=cache, address=f"http://{name}/v1") for name in ("one", "two")
        )
        one.judge(CALLS)
        assert one.num_cached(CALLS) == len(CALLS)
        assert two.num_cached(CALLS) == 0


def test_an_outage_stops_and_the_same_calls_go_on(
    make_judge: Callable[..., ClientJudge], server: JudgeServer, tmp_path: Path
) -> None:
    def dying(text: str) -> str:
        server.is_down = len(server.asked) >= 5
        return grade(text)

    server.reply = dying
    with ReplyCache(tmp_path / "c") as cache:
        with pytest.raises(ClientError, match="got no reply") as caught:
            make_judge(cache).judge(CALLS)
        assert "same command" in str(caught.value.hint)
        assert 5 <= len(cache) <= 8
        server.is_down = False
        server.reply = grade
        assert [verdict.value for verdict in make_judge(cache).judge(CALLS)] == EXPECTED
    assert max(server.asked.values()) == 1


def test_few_calls_without_reply_are_failures_and_asked_again(
    make_judge: Callable[..., ClientJudge], server: JudgeServer, tmp_path: Path
) -> None:
    server.faults = ("torn",) * 4
    server.seen.update({STRICT.turns(call)[1].text: 4 for call in CALLS[1:]})
    with ReplyCache(tmp_path / "c") as cache:
        verdicts = make_judge(cache, max_error_share=0.1).judge(CALLS)
        assert [verdict.value for verdict in verdicts] == [None, *EXPECTED[1:]]
        assert verdicts[0].reply is None
        assert str(verdicts[0].reason).startswith("no reply: ")
        assert len(cache) == 11
        assert [verdict.value for verdict in make_judge(cache).judge(CALLS)] == EXPECTED


def test_a_dead_judge_is_noticed_early(fake_client: Any) -> None:
    client = fake_client(lambda request: "never")
    client.failing = frozenset({""})
    calls = [JudgeCall("caption", None, str(number), "x") for number in range(1000)]

    class Down(fake_client):  # type: ignore[misc]
        def generate(self, requests: Any) -> Any:
            self.failing = frozenset(request.id for request in requests)
            return super().generate(requests)

    down = Down(lambda request: "never")
    with pytest.raises(ClientError, match="the server is down"):
        ClientJudge(down, STRICT, "strict", max_error_share=1.0).judge(calls)
    assert len(down.asked) == MAX_FAILED_IN_A_ROW


@pytest.mark.parametrize("die_after", [0, 3, 11])
def test_a_killed_judge_repeats_nothing_recorded(die_after: int, fake_client: Any, tmp_path: Path) -> None:
    client = fake_client(lambda request: grade(request.turns[1].text))
    client.die_after = die_after
    with ReplyCache(tmp_path / "c") as cache, pytest.raises(KeyboardInterrupt):
        ClientJudge(client, STRICT, "strict", cache=cache).judge(CALLS)
    client.die_after = None
    with ReplyCache(tmp_path / "c") as cache:
        assert [v.value for v in ClientJudge(client, STRICT, "strict", cache=cache).judge(CALLS)] == EXPECTED
    assert len(client.asked) == 12


def test_results_not_yet_taken_are_never_more_than_are_asked_at_a_time(server: JudgeServer) -> None:
    client = OpenAIClient(server.url, model="judge", num_parallel=3)
    requests = [GenerationRequest(str(n), (Turn(role="user", text=str(n)),)) for n in range(12)]
    taken = set()
    for key, _ in client.answer_each((request.id, request) for request in requests):
        taken.add(key)
        assert server.asked.total() <= len(taken) + 2
    assert taken == {request.id for request in requests}


def test_a_client_that_loses_answers_is_found_out(fake_client: Any) -> None:
    class Forgetful(fake_client):  # type: ignore[misc]
        def generate(self, requests: Any) -> Any:
            return super().generate(requests[1:])

    with pytest.raises(ClientError, match="no answer to 1 request"):
        ClientJudge(Forgetful(lambda _: "7"), PAPER, "paper").judge(CALLS)


def test_half_of_a_surrogate_pair_can_be_kept(fake_client: Any, tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "c") as cache:
        judge = ClientJudge(fake_client(lambda _: "7 \ud800"), PAPER, "paper", cache=cache)
        assert judge.judge(CALLS[:1]) == [Verdict(0.7, reply="7 ?")]
