"""Forged sessions (LS CVE-2023-43791: a secret in the code), fixation, CSRF, and ways past signing in.

Verification bypass: CVAT CVE-2025-54573 (another way to sign in skipped a check). There is one way in for people and
one for keys, both asked by the same check, and nobody registers themselves.
"""

from __future__ import annotations

import base64

import pytest
from annotation_service import FAST
from attack_requests import operations, request_of
from attacked_service import PASSWORD
from starlette.testclient import TestClient

from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.directory import DEFAULT_SECRETS, DataDirectory
from perceptlm.annotate.services.keys import create_key
from perceptlm.annotate.services.revocations import disable_user
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.services.users import set_password
from perceptlm.annotate.store.audit import SERVER
from perceptlm.cli.main import run

SIGN_IN = {"name": "ann", "password": PASSWORD}


@pytest.mark.parametrize("secret", [*sorted(DEFAULT_SECRETS), "x" * 31, "0123456789" * 2, "a" * 64, "ab" * 40, "\n\n"])
def test_the_command_does_not_start_with_a_secret_that_can_be_guessed(tmp_path, secret, capsys):
    directory = DataDirectory.create(tmp_path / "data")
    (directory.path / "secret").write_text(secret)
    assert run(["annotate", "serve", str(directory.path), "--port", "0"]) == 2
    told = capsys.readouterr()
    assert "secret" in told.err


def test_no_secret_is_in_the_code():
    assert not [value for value in DEFAULT_SECRETS if len(value) > 20]
    one, other = Server.__dataclass_fields__["secret"], FAST.to_dict()
    assert one.default is one.default_factory  # neither: it must be given
    assert not [name for name in other if "secret" in name or "key" in name]


def test_a_cookie_that_was_changed_is_nobodys(world):
    token = world.tokens["own"]["Cookie"].partition("=")[2]
    changed = [
        token[:-1] + ("A" if token[-1] != "A" else "B"), token.swapcase(), token + "=", token + " x", token[::-1], "",
        f"{token}.{token}", "1", "own", "null", "' OR 1=1 --", "%00", "eyJhbGciOiJub25lIn0.eyJ1c2VyIjoxfQ.", "x" * 4000,
        base64.b64encode(b'{"user_id": 1}').decode(),
    ]  # fmt: skip
    for value in changed:
        answer = world.ask("none", "GET", "me", headers={"Cookie": f'plm_session="{value}"'})
        assert answer.status_code == 401, value
        answer = world.ask("none", "GET", "me", headers={"Cookie": f"plm_session={value}"})
        assert answer.status_code == 401, value
    assert world.ask("own", "GET", "me").status_code == 200


def test_an_expired_session_is_nobodys_and_cannot_be_prolonged(own_world):
    own_world.service.clock.move_seconds(own_world.service.server.settings.session_seconds - 1)
    assert own_world.ask("ann", "GET", "me").status_code == 200
    own_world.service.clock.move_seconds(1)
    for method, path, _ in operations(own_world):
        if path.endswith(("/healthz", "/sessions")) and method != "DELETE":
            continue
        request = request_of(own_world, method, path, "ann")
        assert own_world.ask("ann", method, request.path, **request.options).status_code == 401, path


def test_signing_in_makes_a_new_session_whatever_cookie_was_there(own_world):
    """Fixation: a token that somebody else chose is never taken over."""
    chosen = "chosen-by-somebody-else-0123456789abcdef0123"
    answer = own_world.ask("none", "POST", "sessions", json=SIGN_IN, headers={"Cookie": f"plm_session={chosen}"})
    assert chosen not in answer.headers["set-cookie"]
    assert own_world.ask("none", "GET", "me", headers={"Cookie": f"plm_session={chosen}"}).status_code == 401
    known = own_world.tokens["bob"]["Cookie"]
    again = own_world.ask("none", "POST", "sessions", json=SIGN_IN, headers={"Cookie": known})
    assert known.partition("=")[2] not in again.headers["set-cookie"]
    assert again.json()["user"]["name"] == "ann"


def test_signing_out_ends_the_session_on_the_server(own_world):
    assert own_world.ask("ann", "DELETE", "sessions").status_code == 204
    assert own_world.ask("ann", "GET", "me").status_code == 401


def test_over_https_the_cookie_is_bound_to_the_host(own_world):
    """No other name of the domain can set or overwrite a cookie of this name (RFC 6265bis, __Host-)."""
    server = own_world.service.server
    server.settings = server.settings.model_copy(update={"secure_cookie": True})
    client = TestClient(make_app(server), base_url="https://testserver")
    cookie = client.post("/api/v1/sessions", json=SIGN_IN).headers["set-cookie"]
    name, _, attributes = cookie.partition("=")
    assert name == "__Host-plm_session"
    assert "Secure" in attributes
    assert "Path=/" in attributes
    assert "Domain" not in attributes
    assert client.get("/api/v1/me").status_code == 200
    tossed = own_world.tokens["bob"]["Cookie"]
    assert TestClient(client.app).get("/api/v1/me", headers={"Cookie": tossed}).status_code == 401


def test_every_changing_operation_needs_ones_own_csrf_token(world):
    cookie = world.tokens["ann"]["Cookie"]
    others = world.tokens["bob"]["X-CSRF-Token"]
    for method, path, action in operations(world):
        if method == "GET" or action == "session.create":
            continue
        request = request_of(world, method, path, "ann")
        options = {**request.options}
        headers = options.pop("headers", {})
        for token in (None, "", others, "0" * 64, cookie.partition("=")[2]):
            sent = {"Cookie": cookie, **headers, **({} if token is None else {"X-CSRF-Token": token})}
            answer = world.ask("none", method, request.path, headers=sent, **options)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf"), (method, path)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", ""])
def test_no_page_of_another_site_signs_anybody_in(world, site):
    """Another name of the same domain is another site as well."""
    assert world.ask("none", "POST", "sessions", json=SIGN_IN, headers={"Sec-Fetch-Site": site}).status_code == 403
    for own in ("same-origin", "none"):
        assert world.ask("none", "POST", "sessions", json=SIGN_IN, headers={"Sec-Fetch-Site": own}).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_page_is_no_json(world, content_type):
    """What a browser sends without asking first (CORS) is read as nothing."""
    answer = world.ask("none", "POST", "sessions", content=b'{"name":"ann","password":"correct horse battery"}',
                       headers={"Content-Type": content_type})  # fmt: skip
    assert answer.status_code == 422


def test_nobody_allows_other_sites_to_read(world):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method, path in (("OPTIONS", "me"), ("GET", "me"), ("POST", "sessions"), ("GET", "/")):
        answer = world.ask("ann", method, path, headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_there_is_one_way_in(own_world):
    """No second scheme, no token in the address, no header of a proxy, no session as a key nor key as a session."""
    session = own_world.tokens["own"]["Cookie"].partition("=")[2]
    key = own_world.tokens["key"]["Authorization"].partition(" ")[2]
    basic = base64.b64encode(f"own:{PASSWORD}".encode()).decode()
    for headers in (
        {"Authorization": f"Basic {basic}"}, {"Authorization": f"Bearer {session}"}, {"Authorization": f"Token {key}"},
        {"Authorization": key}, {"Authorization": f"Bearer plm_{session}"}, {"Cookie": f"plm_session={key}"},
        {"X-Remote-User": "own", "Remote-User": "own", "X-Forwarded-User": "own", "X-User-Id": "1"},
        {"X-API-Key": key}, {"Cookie": f"__Host-plm_session={session}"}, {"Cookie": f"session={session}"},
        {"Authorization": "Bearer plm_"}, {"Authorization": "Bearer " + "plm_" + "x" * 5000},
    ):  # fmt: skip
        assert own_world.ask("none", "GET", "projects", headers=headers).status_code == 401, headers
    for query in (f"token={key}", f"api_key={key}", f"access_token={session}", "user=own", "as=own"):
        assert own_world.ask("none", "GET", f"projects?{query}").status_code == 401
    for query in ("as=own", "user_id=1", "impersonate=1"):
        assert own_world.ask("ann", "GET", f"me?{query}").json()["user"]["name"] == "ann"


def test_nobody_registers_themselves(world):
    user = {"name": "new", "password": "a long password"}
    for who in ("none", "out", "man", "ann", "ver", "exp", "aud", "key"):
        assert world.ask(who, "POST", "users", json=user).status_code in (401, 403)
    for path in ("register", "signup", "users/register", "sessions/new", "password-reset", "users/me", "users/1"):
        for method in ("POST", "PUT", "PATCH"):
            assert world.ask("none", method, path, json=user).status_code == 405


def test_who_is_disabled_is_out_at_once_by_every_way(own_world):
    assert own_world.ask("none", "POST", "sessions", json={"name": "dis", "password": PASSWORD}).status_code == 401
    assert own_world.ask("bob", "GET", "me").status_code == 200
    lease, fence = own_world.ids["lease:bob"], own_world.ids["fence:bob"]
    disable_user(own_world.service.database, SERVER, "bob")
    for path in ("me", "projects", f"assignments/{lease}"):
        assert own_world.ask("bob", "GET", path).status_code == 401
    assert own_world.ask("bob", "POST", f"assignments/{lease}/heartbeat", json={"fence": fence}).status_code == 401
    answers = [
        own_world.ask("none", "POST", "sessions", json={"name": name, "password": word})
        for name, word in (("bob", PASSWORD), ("bob", "wrong"), ("nobody", PASSWORD))
    ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1, "nor is it told who is disabled"


def test_a_new_password_ends_every_session(own_world):
    hashed = own_world.service.user("man").password_hash
    own_world.service.database.write(lambda session: set_password(session, SERVER, "bob", hashed))
    assert own_world.ask("bob", "GET", "me").status_code == 401


def test_a_key_that_expired_or_is_revoked_is_nobodys(own_world):
    world, database = own_world, own_world.service.database
    assert world.ask("key", "GET", "projects").status_code == 200
    for field in ("expires_at", "revoked_at"):
        key = database.write(lambda s: create_key(s, SERVER, 1, 1, "t", ["items.list"], None))
        headers = {"Authorization": f"Bearer {key}"}
        assert world.ask("none", "GET", "projects/p/items", headers=headers).status_code == 200

        def change(session, field=field):
            from sqlalchemy import update

            from perceptlm.annotate.store.tables import ApiKey

            session.execute(update(ApiKey).where(ApiKey.title == "t").values({field: 1}))

        database.write(change)
        assert world.ask("none", "GET", "projects/p/items", headers=headers).status_code == 401


def test_a_credential_that_expired_opens_no_expert_work(own_world):
    """Verification bypass by waiting: the credential is looked at for each lease."""
    lease, fence = own_world.ids["lease:exp"], own_world.ids["fence:exp"]
    answer = own_world.ask("exp", "POST", f"assignments/{lease}/release", json={"fence": fence, "reason": "x"})
    assert answer.status_code == 204
    with_credential = own_world.ids["user:exp"]
    shown = own_world.ask("own", "GET", f"users/{with_credential}/credentials").json()["credentials"]
    assert shown[0]["expires_at"] > own_world.service.clock.now_ms()
    split = own_world.service.choice("again", needs_credential=True)
    assert own_world.ask("man", "POST", "projects/p/items", json={"items": [split]}).status_code == 201
    own_world.service.server.settings = own_world.service.server.settings.model_copy(update={"session_seconds": 10**9})
    own_world.service.clock.move_seconds(30 * 86_400)
    fresh = own_world.ask("none", "POST", "sessions", json={"name": "exp", "password": PASSWORD})
    headers = {"Cookie": fresh.headers["set-cookie"].partition(";")[0], "X-CSRF-Token": fresh.json()["csrf_token"]}
    answer = own_world.ask("none", "POST", "projects/p/next", json={"steps": ["expert"]}, headers=headers)
    assert answer.status_code == 204
