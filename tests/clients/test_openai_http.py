from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from perceptlm.clients import GenerationClient, MediaInput, OpenAIClient
from perceptlm.clients.openai_http import _BusyError, wait_seconds
from perceptlm.errors import ClientError, ConfigError

KEY = "sk-very/secret+1234567890"


def only(results):
    (result,) = results
    return result


def test_a_good_answer_comes_back_whole(server, make_client, ask, waits):
    client = make_client()
    picture = np.zeros((4, 4, 3), np.uint8)
    result = only(client.generate([ask("How many?", media=(MediaInput("video", (picture,) * 3),))]))
    assert (result.id, result.text, result.finish_reason, result.error) == ("How many?", "yes", "stop", None)
    assert (result.num_prompt_tokens, result.num_new_tokens, waits) == (11, 3, [])
    (received,) = server.received
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert "Authorization" not in received.headers
    kinds = [part["type"] for part in received.body["messages"][0]["content"]]
    assert kinds == ["image_url"] * 3 + ["text"]
    assert isinstance(client, GenerationClient)


def test_no_requests_no_results(make_client):
    assert list(make_client().generate([])) == []


def test_answers_that_overtake_each_other_come_back_in_order(server, make_client, ask):
    first_may_go = threading.Event()

    def respond(received):
        if received.question == "0":
            assert first_may_go.wait(5)
        received.complete(f"answer {received.question}")
        if received.question == "5":
            first_may_go.set()

    server.otherwise = respond
    results = list(make_client(num_parallel=3).generate([ask(str(i)) for i in range(6)]))
    assert [result.text for result in results] == [f"answer {i}" for i in range(6)]


def test_a_result_is_yielded_before_later_requests_are_answered(server, make_client, ask):
    last_may_go = threading.Event()

    def respond(received):
        if received.question == "last":
            assert last_may_go.wait(5)
        received.complete("done")

    server.otherwise = respond
    results = make_client(num_parallel=2).generate([ask("first"), ask("last")])
    assert next(results).id == "first"
    last_may_go.set()
    assert next(results).id == "last"


def test_no_more_than_num_parallel_requests_run_at_once(server, make_client, ask):
    lock, running, most = threading.Lock(), 0, 0

    def respond(received):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        received.complete("x")

    server.otherwise = respond
    list(make_client(num_parallel=3).generate([ask(str(i)) for i in range(12)]))
    assert 2 <= most <= 3


def test_a_caller_that_stops_listening_stops_the_work(server, make_client, ask):
    server.otherwise = lambda received: received.answer(500, {})
    # No `sleep` is given: the real wait of a second and more must end when the caller leaves.
    server.script = [lambda received: received.complete("x")]
    results = make_client(num_parallel=1, sleep=None).generate([ask(str(i)) for i in range(50)])
    next(results)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 0.9
    assert len(server.received) <= 3


def test_it_waits_as_long_as_a_busy_server_asks(server, make_client, ask, waits):
    server.script = [lambda received: received.answer(429, {}, {"Retry-After": "7"})]
    assert only(make_client().generate([ask()])).text == "yes"
    assert waits == [7.0]


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("86400", 60, 60),
        ("Wed, 21 Oct 2195 07:28:00 GMT", 60, 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5, 1),
        ("-5", 0.5, 1),
        ("soon", 0.5, 1),
        ("Fri, 31 Dec 1999 23:59:59 +999999999999999999", 0.5, 1),
    ],
)
def test_a_retry_after_is_bounded_and_may_be_a_date_or_nonsense(server, make_client, ask, waits, header, least, most):
    server.script = [lambda received: received.answer(503, {}, {"Retry-After": header})]
    assert only(make_client().generate([ask()])).text == "yes"
    assert least <= only(waits) <= most


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_status_that_may_pass_is_tried_again(server, make_client, ask, waits, status):
    server.script = [lambda received: received.answer(status, b"wait")]
    assert only(make_client().generate([ask()])).text == "yes"
    assert len(waits) == 1


def test_attempts_run_out(server, make_client, ask, waits):
    server.otherwise = lambda received: received.answer(500, {"error": {"message": "GPU on fire"}})
    result = only(make_client(max_attempts=4).generate([ask()]))
    assert (result.text, result.finish_reason) == ("", "error")
    assert result.error == "HTTP 500: GPU on fire (attempts: 4)"
    assert len(server.received) == 4
    assert len(waits) == 3  # none after the last attempt


def test_one_failure_does_not_touch_the_other_requests(server, make_client, ask):
    def respond(received):
        if received.question == "bad":
            received.answer(400, {"error": {"message": "this is too long"}})
        else:
            received.complete("ok")

    server.otherwise = respond
    results = list(make_client().generate([ask("a"), ask("bad"), ask("b")]))
    assert [result.text for result in results] == ["ok", "", "ok"]
    assert results[1].error == "HTTP 400: this is too long"
    assert len(server.received) == 3  # a refusal is final


def test_a_picture_that_cannot_be_sent_is_an_error_result(server, make_client, ask):
    bad = MediaInput("image", (np.zeros((4, 4), np.uint8),))
    result = only(make_client().generate([ask(media=(bad,))]))
    assert "must be (H, W, 3) uint8" in (result.error or "")
    assert server.received == []


def test_a_slow_server_times_out_and_is_tried_again(server, make_client, ask, waits):
    server.script = [lambda received: received.hang()]
    assert only(make_client(timeout_seconds=0.2).generate([ask()])).text == "yes"
    assert len(waits) == 1


def test_an_answer_that_drips_is_cut_off(server, make_client, ask):
    def drip(received):
        received.handler.send_response(200)
        received.handler.end_headers()
        while not received.closing.wait(0.05):
            received.handler.wfile.write(b" ")

    server.otherwise = drip
    result = only(make_client(timeout_seconds=0.3, max_attempts=1).generate([ask()]))
    assert result.error == "the server's answer took longer than 0.3 seconds (attempts: 1)"


def test_an_endless_answer_is_cut_off(server, make_client, ask, monkeypatch):
    monkeypatch.setattr("perceptlm.clients.openai_http._MAX_ANSWER_BYTES", 1000)
    server.otherwise = lambda received: received.answer(200, b" " * 5000)
    assert "larger than 1000 bytes" in (only(make_client().generate([ask()])).error or "")


@pytest.mark.parametrize("body", [b"{not json", b"{}", {"choices": [{"finish_reason": "stop", "message": {}}]}])
def test_a_malformed_answer_is_tried_again_and_then_an_error(server, make_client, ask, body):
    server.script = [lambda received: received.answer(200, body)]
    assert only(make_client().generate([ask()])).text == "yes"
    server.otherwise = lambda received: received.answer(200, body)
    result = only(make_client().generate([ask()]))
    assert result.finish_reason == "error"
    assert "the server's answer" in (result.error or "")


def test_a_connection_that_closes_is_tried_again(server, make_client, ask, waits):
    def cut_short(received):
        received.handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

    server.script = [lambda received: None, cut_short]
    assert only(make_client().generate([ask()])).text == "yes"
    assert len(waits) == 2


def test_a_server_that_is_not_there_is_an_error_result(make_client, ask, waits):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    result = only(make_client(base_url=url).generate([ask()]))
    assert "ConnectError" in (result.error or "")
    assert len(waits) == 2


def test_a_redirect_is_not_followed(server, other_server, make_client, ask, monkeypatch):
    monkeypatch.setenv("PLM_API_KEY", KEY)
    target = f"{other_server.url}/chat/completions"
    server.otherwise = lambda received: received.answer(307, b"", {"Location": target})
    result = only(make_client().generate([ask()]))
    assert result.error == f"HTTP 307: redirects to {target}, which is not followed"
    assert (len(server.received), other_server.received) == (1, [])


def test_a_proxy_of_the_environment_is_not_used(server, other_server, make_client, ask, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other_server.url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert only(make_client().generate([ask()])).text == "yes"
    assert (len(server.received), other_server.received) == (1, [])


def test_the_key_is_sent_and_never_shown(server, make_client, ask, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    caplog.set_level(logging.DEBUG)
    # Where an over-long message is cut, the front part of the key would remain if it were cut before it is hidden.
    server.otherwise = lambda received: received.answer(401, {"error": "x" * 280 + received.headers["Authorization"]})
    client = make_client(api_key_variable="MY_KEY")
    result = only(client.generate([ask()]))
    assert server.received[0].headers["Authorization"] == f"Bearer {KEY}"
    assert (result.error or "").startswith("HTTP 401: xxx")
    for shown in (result.error or "", caplog.text, repr(client)):
        assert KEY[:6] not in shown


def test_a_refusal_without_a_key_says_which_variable_is_empty(server, make_client, ask):
    server.otherwise = lambda received: received.answer(401, {"error": "Unauthorized"})
    error = only(make_client().generate([ask()])).error
    assert error == "HTTP 401: Unauthorized (no key was sent: $PLM_API_KEY is not set)"


@pytest.mark.parametrize("key", ["a b", "a\nb: c", "schlüssel", 'a"b', "a\\b"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(make_client, monkeypatch, key):
    monkeypatch.setenv("PLM_API_KEY", key)
    with pytest.raises(ConfigError, match="PLM_API_KEY") as caught:
        make_client()
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "file:///etc/v1",
        "http:///v1",
        "http://localhost:8000",
        "http://localhost/v1?x=1",
        "http://localhost/v1#x",
        "http://localhost:port/v1",
        "http://local\nhost/v1",
        "",
    ],
)
def test_a_base_url_that_is_not_one_is_refused(url):
    with pytest.raises(ConfigError):
        OpenAIClient(url, model="m")


def test_a_password_in_the_url_is_refused_and_not_shown():
    with pytest.raises(ConfigError, match="user name or password") as caught:
        OpenAIClient("http://me:hunter2@localhost/v1", model="m")
    assert "hunter2" not in str(caught.value) + str(caught.value.hint)


def test_a_slash_at_the_end_of_the_base_url_is_fine(server, make_client, ask):
    assert only(make_client(base_url=f"{server.url}/").generate([ask()])).text == "yes"
    assert server.received[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("options", [{"num_parallel": 0}, {"max_attempts": 0}, {"timeout_seconds": 0.0}])
def test_senseless_limits_are_refused(make_client, options):
    with pytest.raises(ConfigError):
        make_client(**options)


def test_the_identity_takes_its_revision_from_the_server_once(server, make_client):
    listing = {"data": [{"id": "some-vlm", "revision": "abc123"}]}
    server.script = [lambda received: received.answer(503, b""), lambda received: received.answer(200, listing)]
    client = make_client(licence="Apache-2.0")
    assert client.identity.to_dict() == {
        "name": "some-vlm",
        "revision": "abc123",
        "licence": "Apache-2.0",
        "backend": "openai-http",
    }
    assert client.identity == client.identity
    assert [(received.method, received.path) for received in server.received] == [("GET", "/v1/models")] * 2


@pytest.mark.parametrize(("status", "body"), [(404, b"no such page"), (200, b"<html>"), (307, b""), (403, b"no")])
def test_a_server_that_lists_no_models_leaves_the_revision_unknown(server, make_client, status, body):
    server.otherwise = lambda received: received.answer(status, body)
    assert make_client().identity.revision == "unknown"


def test_a_given_revision_asks_nobody(server, make_client):
    assert make_client(revision="v2").identity.revision == "v2"
    assert server.received == []


def test_a_server_that_cannot_be_reached_has_no_identity(server, make_client):
    server.otherwise = lambda received: None
    with pytest.raises(ClientError, match="RemoteProtocolError") as caught:
        _ = make_client().identity
    assert server.url in str(caught.value)
    assert caught.value.hint


def test_waits_double_up_to_a_minute_with_a_jitter_that_repeats():
    error = ClientError("x")
    waits = [wait_seconds("r", attempt, error) for attempt in range(12)]
    assert waits == [wait_seconds("r", attempt, error) for attempt in range(12)]
    assert all(min(2**n, 60) / 2 <= wait <= min(2**n, 60) for n, wait in enumerate(waits))
    assert wait_seconds("r", 0, error) != wait_seconds("s", 0, error)
    assert wait_seconds("r", 0, _BusyError("x", retry_after_seconds=12.0)) == 12.0


def test_importing_the_clients_loads_no_http_library():
    code = "import sys, perceptlm.clients; sys.exit(any(m in sys.modules for m in ('httpx', 'torch', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_answers_come_as_they_are_ready_and_never_more_than_is_asked_at_once(
    server: Any, make_client: Any, ask: Any
) -> None:
    taken: list[str] = []

    def questions() -> Any:
        for number in range(12):
            taken.append(str(number))
            yield number, ask(str(number))

    slow = threading.Event()
    server.otherwise = lambda received: (slow.wait(5) if received.question == "0" else None, received.complete("yes"))
    answered = []
    for key, result in make_client(num_parallel=3).answer_each(questions()):
        answered.append(key)
        assert result.id == str(key)
        assert len(taken) - len(answered) < 3
        if len(answered) == 9:
            slow.set()
    assert sorted(answered) == list(range(12))
    assert answered.index(0) >= 9


def test_a_caller_that_stops_listening_ends_the_asking(server: Any, make_client: Any, ask: Any) -> None:
    stream = make_client(num_parallel=2).answer_each((n, ask(str(n))) for n in range(50))
    next(stream)
    stream.close()
    assert len(server.received) <= 4
