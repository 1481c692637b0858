"""A strict content policy on every answer, also of errors, files and streams (LS needed `unsafe-eval`)."""

from __future__ import annotations

import asyncio

import pytest

from perceptlm.annotate.api import page, work
from perceptlm.annotate.api.outer import HEADERS

HEADER = "content-security-policy"


def directives(answer):
    parts = (part.split() for part in answer.headers[HEADER].split(";"))
    return {name: values for name, *values in parts}


def check(answer):
    policy = directives(answer)
    assert policy["default-src"] == ["'none'"]
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"], name
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    allowed = {"'self'", "'none'", "blob:"}
    assert all(set(values) <= allowed for values in policy.values()), "no unsafe-*, no data:, no other site"
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
        assert len(answer.headers.get_list(name)) == 1
    assert "server" not in answer.headers
    assert not [name for name in answer.headers if "powered" in name]


def test_every_operation_answers_with_them_whoever_asks(answered):
    for (_, path, _), answers in answered.items():
        for answer in answers.values():
            check(answer)
            caching = answer.headers["cache-control"]
            assert caching == "no-store" or ("private" in caching and "assets" in path), path


@pytest.mark.parametrize(
    "asked",
    ["GET /", "GET /index.html", "GET /assets/a.js", "GET /a.svg", "GET /none.js", "GET /x/y", "GET /api/v1/none",
     "POST /", "PUT /api/v1/me", "TRACE /", "OPTIONS /api/v1/me", "HEAD /", "GET /" + "x" * 400,
     "GET /api/v1/projects/", "POST /api/v1/projects/"],
)  # fmt: skip
def test_files_of_the_page_and_wrong_requests_have_them(world, monkeypatch, tmp_path, asked):
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "assets/a.js", "a.svg"):
        (tmp_path / name).write_text("<svg/>")
    monkeypatch.setattr(page, "WEB", tmp_path)
    answer = world.ask("none", *asked.split())
    check(answer)
    assert answer.status_code < 500
    assert "location" not in answer.headers


def test_an_answer_of_the_server_at_fault_has_them_and_says_nothing(world, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("inner-7c /root/secret")

    monkeypatch.setattr(work.leases, "next_assignment", fail)
    answer = world.ask("ann", "POST", "projects/p/next", json={})
    assert answer.status_code == 500
    check(answer)
    assert answer.json()["error"]["code"] == "internal"
    assert "inner-7c" not in answer.text
    assert "Traceback" not in answer.text


def test_bodies_over_a_limit_or_too_slow_are_refused_with_them(world):
    sent = []

    async def ask(receive, headers):
        scope = {"type": "http", "method": "POST", "path": "/api/v1/sessions", "raw_path": b"", "query_string": b"",
                 "headers": headers, "scheme": "http", "http_version": "1.1", "client": ("1.2.3.4", 1),
                 "server": ("testserver", 80), "root_path": "", "state": {}}  # fmt: skip

        async def send(message):
            sent.append(message)

        await world.service.app(scope, receive, send)

    async def too_much():
        return {"type": "http.request", "body": b" " * 9000, "more_body": True}

    asyncio.run(ask(too_much, [(b"content-type", b"application/json")]))
    asyncio.run(ask(too_much, [(b"content-length", b"99999999")]))
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert [start["status"] for start in starts] == [413, 413]
    assert all((HEADER.encode() in dict(start["headers"])) for start in starts)
