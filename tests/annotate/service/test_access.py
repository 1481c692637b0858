"""What a request needs beside the role, which `tests/annotate/security/test_matrix.py` tests."""

from __future__ import annotations

import pytest
from annotation_service import PASSWORD, Person
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from perceptlm.annotate.api.access import ACTION_FIELD
from perceptlm.annotate.roles import LABEL_STEPS, PERMISSIONS, Action, Scope
from perceptlm.annotate.services.setup import add_key


def test_every_route_declares_an_action_and_one_without_is_refused(sqlite_service):
    app = sqlite_service.app
    declared = [route for route in _leaves(app.routes) if isinstance(route, APIRoute)]
    assert len(declared) > 40
    for route in declared:
        assert (route.openapi_extra or {}).get(ACTION_FIELD) in set(Action), route.path
    app.router.routes.insert(0, APIRoute("/forgotten", lambda: "secret", dependencies=app.router.dependencies))
    answer = sqlite_service.person("own").get("/forgotten")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no_action")


def _leaves(found):
    for route in found:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner and not isinstance(route, APIRoute):
            yield from _leaves(inner)
        else:
            yield route


def test_every_action_is_used_and_has_its_roles():
    assert set(PERMISSIONS) == set(Action)
    for action, (scope, roles) in PERMISSIONS.items():
        assert bool(roles) == (scope in (Scope.PROJECT, Scope.SERVER)), action


def test_people_are_told_what_work_their_role_may_ask_for(sqlite_service):
    own = {
        name: sqlite_service.person(name).get("/api/v1/projects/p").json()["own_steps"]
        for name in ("man", "ann", "ver", "exp")
    }
    assert own["man"] == []
    assert own["ver"] == ["review"]
    assert set(own["ann"]) == set(LABEL_STEPS)
    assert set(own["exp"]) == {"expert", *LABEL_STEPS}
    ann = sqlite_service.person("ann")
    assert ann.post("/api/v1/projects/p/next", json={"steps": own["ann"]}).status_code == 204


def test_a_changing_request_needs_the_csrf_token(sqlite_service):
    ann = sqlite_service.person("ann")
    for token in ("", "0" * 64):
        answer = ann.post("/api/v1/projects/p/next", json={}, headers={"X-CSRF-Token": token})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
    assert ann.get("/api/v1/me", headers={"X-CSRF-Token": ""}).status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_ends(sqlite_service):
    service = sqlite_service
    body = {"name": "ann", "password": PASSWORD}
    answer = TestClient(service.app).post("/api/v1/sessions", json=body)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert answer.json()["csrf_token"] not in cookie
    ann = service.person("ann")
    service.clock.move_seconds(service.server.settings.session_seconds + 1)
    assert ann.get("/api/v1/me").status_code == 401
    other = Person(service, "ann")
    assert other.delete("/api/v1/sessions").status_code == 204
    other.cookies.set("plm_session", "x")
    assert other.get("/api/v1/me").status_code == 401


def test_a_page_of_another_site_cannot_sign_anybody_in(sqlite_service):
    body = {"name": "ann", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert TestClient(sqlite_service.app).post("/api/v1/sessions", json=body, headers=headers).status_code == 403


def test_signing_in_waits_after_too_many_failures(service):
    client = TestClient(service.app)

    def attempt(password):
        return client.post("/api/v1/sessions", json={"name": "ann", "password": password}).status_code

    most = service.server.settings.login_failures
    assert [attempt("wrong password") for _ in range(most)] == [401] * most
    assert attempt(PASSWORD) == 429
    service.clock.move_seconds(service.server.settings.login_window_seconds + 1)
    assert attempt(PASSWORD) == 200


def test_an_unknown_name_and_a_wrong_password_look_the_same(sqlite_service):
    client = TestClient(sqlite_service.app)
    answers = [client.post("/api/v1/sessions", json={"name": n, "password": "wrong one"}) for n in ("ann", "nobody")]
    assert answers[0].text == answers[1].text


def test_a_key_does_only_what_it_is_for_in_its_project(sqlite_service):
    service = sqlite_service
    key = add_key(service.server, "own", "p", "importer", ["items.create"], 1)
    client = TestClient(service.app, headers={"Authorization": f"Bearer {key}"})
    body = {"items": [service.choice("a")]}
    assert client.post("/api/v1/projects/p/items", json=body).status_code == 201
    assert client.get("/api/v1/projects/p/items").json()["error"]["code"] == "scope"
    assert client.post("/api/v1/projects/p/next", json={}).status_code == 403
    assert client.get("/api/v1/audit").status_code == 403
    service.person("own").post("/api/v1/projects", json={"slug": "q", "title": "Q"})
    assert client.post("/api/v1/projects/q/items", json=body).status_code == 404
    service.clock.move_seconds(86_401)
    assert client.post("/api/v1/projects/p/items", json=body).status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/healthz", "/api/v1/me", "/", "/nothing.js", "/api/v1/nothing"])
def test_every_answer_carries_the_security_headers(sqlite_service, path):
    answer = TestClient(sqlite_service.app).get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_text_that_no_database_holds_is_refused_in_words(service):
    man = service.person("man")
    for question in ("nul \x00", "half \ud800"):
        item = {**service.choice("a"), "question": question}
        import json

        answer = man.post(
            "/api/v1/projects/p/items",
            content=json.dumps({"items": [item]}),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 422, answer.text


def test_a_body_over_the_limit_is_refused(sqlite_service):
    sqlite_service.app.user_middleware[0].kwargs["max_body_bytes"] = 1000
    answer = TestClient(sqlite_service.app).post("/api/v1/sessions", content=b" " * 2000)
    assert answer.status_code == 413
