"""What one request may cost: sizes, depths, numbers, patterns, passwords at once, slow and unasked bodies."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from attack_requests import operations
from attacked_service import PASSWORD

from perceptlm.annotate.api import projects
from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.services import logins

JSON = {"Content-Type": "application/json"}


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def raw(app, method, path, receive, headers=()):
    """Send one request to the application with a body that `receive` makes; return its status."""
    statuses = []

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(name.lower().encode(), value.encode()) for name, value in headers], "scheme": "http",
             "http_version": "1.1", "client": ("1.2.3.4", 1), "server": ("testserver", 80), "root_path": "",
             "state": {}}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return statuses[0]


def hasty(world, seconds):
    """Return an application that waits so long for a body."""
    settings = world.service.server.settings.model_copy(update={"body_seconds": seconds})
    world.service.server.settings = settings
    return make_app(world.service.server)


@pytest.mark.parametrize("who", ["none", "out", "ann", "aud", "qkey"])
def test_the_body_of_one_who_may_not_is_never_read(world, who):
    """Else anybody could fill the disk with uploads, or have huge documents parsed, without signing in."""
    num_reads = 0

    async def receive():
        nonlocal num_reads
        num_reads += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    headers = [*world.tokens.get(who, {}).items(), ("Content-Type", "multipart/form-data; boundary=x")]
    refused = {"none": 401, "out": 404, "qkey": 404}.get(who, 403)
    for path in ("/api/v1/projects/p/assets", "/api/v1/projects/p/items", "/api/v1/projects/p/gold"):
        method = "PUT" if path.endswith("gold") else "POST"
        assert raw(world.service.app, method, path, receive, headers) == refused, path
    assert num_reads == 0


def test_a_body_that_comes_too_slowly_is_given_up(own_world):
    app = hasty(own_world, 0.2)
    began = time.monotonic()

    async def drip():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def never():
        await asyncio.sleep(60)

    headers = [*own_world.tokens["man"].items(), ("Content-Type", "application/json")]
    for receive in (drip, never):
        assert raw(app, "POST", "/api/v1/projects/p/items", receive, headers) == 408
    assert raw(app, "POST", "/api/v1/sessions", drip, [("Content-Type", "application/json")]) == 408
    assert time.monotonic() - began < 20


def test_a_body_that_is_large_and_comes_steadily_is_not(own_world):
    app = hasty(own_world, 1.0)
    pieces = iter([b" " * (1 << 16)] * 6 + [b"{}"])

    async def steady():
        await asyncio.sleep(0.2)
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": piece != b"{}"}

    headers = [*own_world.tokens["man"].items(), ("Content-Type", "application/json")]
    assert raw(app, "POST", "/api/v1/projects/p/items", steady, headers) == 422


def test_the_limits_of_sizes_hold(world):
    lease = world.ids["lease:ann"]
    big = "x" * (world.service.server.settings.max_draft_bytes + 1)
    draft = world.ask("ann", "PUT", f"assignments/{lease}/draft", json={"body": {"t": big}}, headers={"If-Match": "0"})
    assert draft.status_code == 413
    submission = {"client_op_id": "6f1c1a2e-4b5d-4f60-8a1b-2c3d4e5f6071", "fence": 1, "payload": {"note": big},
                  "frame_table_hash": "f" * 64, "guideline_version": 1, "active_seconds": 1}  # fmt: skip
    assert world.ask("ann", "POST", f"assignments/{lease}/submissions", json=submission).status_code == 422
    assert world.ask("none", "POST", "sessions", json={"name": "x" * 20_000, "password": "x"}).status_code == 413
    assert world.ask("none", "POST", "sessions", json={"name": "ann", "password": "x" * 257}).status_code == 422
    entry = world.service.choice("k")
    many = {"items": [{**entry, "key": str(number)} for number in range(1001)]}
    assert world.ask("man", "POST", "projects/p/items", json=many).status_code == 422
    assert world.ask("man", "GET", "projects/p/items?limit=1001").status_code == 422
    assert world.ask("man", "POST", "projects/p/guidelines", json={"markdown": "x" * 100_001}).status_code == 422


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "9" * 5000, "-" + "9" * 400, str(2**63)]
NESTED = ["[" * 100_000, "[" * 990 + "]" * 990, '{"a":' * 5000 + "1" + "}" * 5000]


@pytest.mark.parametrize("value", [*NUMBERS, *(NESTED)], ids=lambda value: value[:12] + str(len(value)))
def test_numbers_and_depths_that_nobody_can_keep_are_refused(world, value):
    lease, fence = world.ids["lease:ann"], world.ids["fence:ann"]
    submission = {"client_op_id": "6f1c1a2e-4b5d-4f60-8a1b-2c3d4e5f6071", "fence": fence, "payload": {"note": 0},
                  "frame_table_hash": "f" * 64, "guideline_version": 1, "active_seconds": 1}  # fmt: skip
    for who, method, path, text in [
        ("ann", "PUT", f"assignments/{lease}/draft", '{"body": {"a": %s}}'),
        ("ann", "POST", f"assignments/{lease}/submissions", json.dumps(submission).replace('"note": 0', '"note": %s')),
        ("ann", "POST", f"assignments/{lease}/heartbeat", '{"fence": %s}'),
        ("man", "PUT", "projects/p/gold", '{"open": {"expected": {"choice": 0, "a": %s}}}'),
        ("man", "POST", "projects/p/policy", '{"policy": {"expert_cost": %s, "refit_every": %s}}'),
        ("man", "POST", "projects/p/items", '{"items": [%s]}'),
        ("none", "POST", "sessions", '{"name": "ann", "password": %s}'),
    ]:
        content = text.replace("%s", value)
        answer = world.ask(who, method, path, content=content, headers={**JSON, "If-Match": "0"})
        assert answer.status_code in (400, 413, 422), (path, answer.text[:300])
        assert answer.json()["error"]["code"]


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, "-1", "0", "1e3", "0x1", "１", "1_0", "+1", " 1", "1.0"])
def test_numbers_in_paths_and_queries_are_bounded(world, number):
    for path in (f"assets/{number}", f"assignments/{number}", f"releases/{number}", f"projects/p/items/{number}x",
                 f"users/{number}x/credentials", f"assets/{world.ids['video']}/frames/{number}x"):  # fmt: skip
        answer = world.ask("own", "GET", path)
        assert answer.status_code in (403, 404, 422), (path[:60], answer.status_code)
    for query in ("after", "limit"):
        answer = world.ask("own", "GET", "audit", params={query: f"{number}x"})
        assert answer.status_code == 422


def test_every_pattern_takes_time_in_proportion(world):
    """Patterns are matched by Rust's engine, which does not go back; they are read here as Python's would be."""
    patterns = set(re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(world.service.app.openapi())))
    assert len(patterns) > 5
    for pattern in patterns:
        found = re.compile(json.loads(f'"{pattern}"'))
        for text in ("a" * 20_000 + "!", "0-" * 10_000, '"' * 20_000, "-" * 20_000, "1" * 20_000 + "x"):
            began = time.monotonic()
            found.search(text)
            assert time.monotonic() - began < 2, pattern


def test_no_operation_takes_text_without_an_end(world):
    """Each field of text has a longest value or a pattern that ends; drafts and payloads are bounded as a whole."""
    schemas = world.service.app.openapi()["components"]["schemas"]
    answers = {"Error", "Refusal"}
    for name, schema in schemas.items():
        for field, entry in schema.get("properties", {}).items():
            for kind in entry.get("anyOf", [entry]):
                if name not in answers and kind.get("type") == "string" and "enum" not in kind and "const" not in kind:
                    assert "maxLength" in kind or "pattern" in kind or kind.get("contentMediaType"), (name, field)
                if kind.get("type") == "array" and name not in answers:
                    assert "maxItems" in kind, (name, field)


def test_a_flood_of_passwords_takes_few_places_and_the_rest_is_told_to_wait(own_world, monkeypatch):
    server = own_world.service.server
    at_once, most, gate = 0, 0, threading.Event()
    lock = threading.Lock()

    def slow(*arguments):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        gate.wait(20)
        with lock:
            at_once -= 1
        return False

    monkeypatch.setattr(logins, "is_password", slow)
    allowed = server.settings.logins_at_once + server.settings.logins_waiting

    def attempt(number):
        return own_world.ask("none", "POST", "sessions", json={"name": f"u{number}", "password": PASSWORD})

    with ThreadPoolExecutor(allowed) as pool:
        waiting = [pool.submit(attempt, number) for number in range(allowed)]
        wait_until(lambda: server.waiting._value == 0)
        turned_away = attempt(99)
        assert own_world.ask("ann", "GET", "me").status_code == 200, "others go on with their work"
        gate.set()
        assert {found.result().status_code for found in waiting} == {401}
    assert (turned_away.status_code, turned_away.json()["error"]["code"]) == (429, "logins_busy")
    assert most == server.settings.logins_at_once
    monkeypatch.undo()
    assert attempt(100).status_code == 401, "places are given back"


def test_guesses_sent_at_once_are_counted_all(own_world):
    """The count is looked at when a place is free, not when the request came in."""
    settings = own_world.service.server.settings

    def attempt(_):
        return own_world.ask("none", "POST", "sessions", json={"name": "ann", "password": "wrong password"}).status_code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(attempt, range(30)))
    assert found.count(401) <= settings.login_failures + settings.logins_at_once
    assert set(found) == {401, 429}


@pytest.mark.parametrize(
    "ranges",
    [
        ",".join(f"{n}-{n}" for n in range(3000)),
        ",".join(["0-"] * 3000),
        "-" * 9000,
        "9" * 3000 + "-",
        "0-" + "9" * 3000,
    ],
)
def test_ranges_cost_no_more_than_the_file(world, ranges):
    answer = world.ask("ann", "GET", f"assets/{world.ids['video']}/video", headers={"Range": f"bytes={ranges}"})
    whole = world.ask("ann", "GET", f"assets/{world.ids['video']}/video")
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) <= 2 * len(whole.content) + 200


def test_a_guideline_is_rendered_once(own_world, monkeypatch):
    """Markdown can be written that takes seconds to render; everybody asks for it, and often."""
    calls = []
    usual = projects.render_guideline
    monkeypatch.setattr(projects, "render_guideline", lambda *a, **k: calls.append(1) or usual(*a, **k))
    text = "[" * 500 + "rendered once"
    version = own_world.ask("man", "POST", "projects/p/guidelines", json={"markdown": text}).json()["version"]
    for _ in range(3):
        assert own_world.ask("ann", "GET", f"projects/p/guidelines/{version}").status_code == 200
    assert len(calls) == 1


def test_many_fields_in_a_form_are_refused(world):
    files = [("file", (str(number), b"x")) for number in range(1100)]
    answer = world.ask("man", "POST", "projects/p/assets", files=files)
    assert answer.status_code in (400, 413, 422)
    assert answer.json()["error"]["code"]


def test_a_body_of_nothing_is_no_failure(world):
    """A quick look over all operations that take a body."""
    for method, path, _ in operations(world):
        url = re.sub(r"\{[a-z_]+\}", "1", path.replace("{asset_id}", str(world.ids["video"])))
        if method == "GET":
            continue
        for content in (b"", b"{}", b"null", b"\xff\xfe"):
            answer = world.ask("own", method, url, content=content, headers=JSON)
            assert answer.status_code < 500, (method, path, content)
