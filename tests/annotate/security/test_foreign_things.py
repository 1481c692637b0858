"""IDOR: numbers of things that are somebody else's (CVAT CVE-2024-45393, CVE-2026-23526, GHSA-m7p7-6w4m-886p).

Every operation whose path names a thing is asked for the thing of another project and for that of another person.
"""

from __future__ import annotations

import pytest
from attack_requests import OPERATION, operations, request_of
from attacked_service import FOREIGN

WORKERS = ("ann", "bob", "ver", "exp", "qann")


def test_things_of_another_project_are_not_there(world):
    """Asked by every member of `p`, each thing of `q` is as absent as one that nobody has."""
    ids = world.ids
    foreign = {"video": ids["q:asset"], "open": ids["q:item"], "released": ids["q:item"], "lease:ann": ids["q:lease"]}
    absent = dict.fromkeys(foreign, 10**9)
    for method, path, action in operations(world):
        if not {"{asset_id}", "{item_id}", "{assignment_id}"} & set(path.split("/")):
            continue
        answers = []
        for other in (foreign, absent):
            stranger = type(world)(world.service, world.tokens, {**_without_leases(ids), **ids, **other})
            request = request_of(stranger, method, path, "man" if action != "work" else "ann")
            stranger.client.__exit__()
            for who in ("man", "ann", "key"):
                answer = world.ask(who, method, request.path, **request.options)
                assert answer.status_code in (403, 404), (method, path, who, answer.text)
                assert FOREIGN not in answer.text
                answers.append((who, answer.status_code, answer.text.replace(str(other["open"]), "")))
        assert [entry[:2] for entry in answers[:3]] == [entry[:2] for entry in answers[3:]], path


def _without_leases(ids):
    return {name: value for name, value in ids.items() if not name.startswith("lease:")}


def test_the_name_of_another_project_opens_nothing(world):
    for method, path, _ in operations(world):
        if "{project}" in path:
            request = request_of(world, method, path, "man")
            for who in ("man", "ann", "aud", "key"):
                answer = world.ask(who, method, request.path.replace("/projects/p", "/projects/q"), **request.options)
                assert answer.status_code == 404, (method, path, who)
                assert FOREIGN not in answer.text


def test_an_item_of_another_project_is_not_reached_through_ones_own(world):
    item = world.ids["q:item"]
    for method, path, body in [
        ("GET", f"items/{item}", None),
        ("POST", f"items/{item}/report", {"reason": "x"}),
        ("POST", f"items/{item}/discard", {"reason": "x"}),
        ("POST", f"items/{item}/proposals", {"proposals": [{"kind": "answer", "text": "x", "model": {"name": "m"}}]}),
    ]:
        answer = world.ask("man", method, f"projects/p/{path}", json=body)
        assert answer.status_code == 404, path
    stolen = {
        "key": "new",
        "asset_id": world.ids["q:asset"],
        "domain": "general",
        "question": "?",
        "step": "blind_answer",
    }
    assert world.ask("man", "POST", "projects/p/items", json={"items": [stolen]}).status_code == 422
    assert (
        world.ask("man", "PUT", "projects/p/gold", json={f"{FOREIGN}-1": {"expected": {"choice": 0}}}).status_code
        == 422
    )


@pytest.mark.parametrize("holder", WORKERS)
def test_an_assignment_is_its_holders_alone(world, holder):
    prefix = "q:" if holder == "qann" else ""
    suffix = "" if holder == "qann" else f":{holder}"
    lease, fence = world.ids[f"{prefix}lease{suffix}"], world.ids[f"{prefix}fence{suffix}"]
    submission = {"client_op_id": OPERATION, "fence": fence, "payload": {"choice": 0}, "frame_table_hash": "f" * 64,
                  "guideline_version": 1, "active_seconds": 1.0}  # fmt: skip
    for who in (*WORKERS, "cat", "man", "own", "aud", "key"):
        if who == holder:
            continue
        for method, path, options in [
            ("GET", "", {}), ("GET", "/draft", {}), ("POST", "/heartbeat", {"json": {"fence": fence}}),
            ("PUT", "/draft", {"json": {"body": {}}, "headers": {"If-Match": "0"}}),
            ("POST", "/reveal", {"json": {"fence": fence}}), ("POST", "/submissions", {"json": submission}),
            ("POST", "/release", {"json": {"fence": fence, "reason": "x"}}),
        ]:  # fmt: skip
            answer = world.ask(who, method, f"assignments/{lease}{path}", **options)
            assert answer.status_code in (403, 404), (who, path)


def test_an_operation_of_somebody_else_is_not_answered_with_theirs(own_world):
    """The same client_op_id sent by another person is another operation."""
    ids = own_world.ids

    def submit(who, payload):
        body = {"client_op_id": OPERATION, "fence": ids[f"fence:{who}"], "payload": payload,
                "frame_table_hash": "f" * 64, "guideline_version": 1, "active_seconds": 1.0}  # fmt: skip
        return own_world.ask(who, "POST", f"assignments/{ids[f'lease:{who}']}/submissions", json=body)

    first = submit("ver", {"verdict": "accept"})
    other = submit("exp", {"choice": 1, "rationale": "seen", "reason": "other"})
    assert (first.status_code, other.status_code) == (201, 201)
    assert first.json()["id"] != other.json()["id"]


def test_releases_of_another_project_are_not_there(world):
    for who in ("qman", "qkey", "qann", "out"):
        for method, path in [("GET", ""), ("GET", "/rows"), ("POST", "/approve"), ("POST", "/supersede")]:
            for release in (world.ids["published"], world.ids["draft_release"]):
                answer = world.ask(who, method, f"releases/{release}{path}", json={"reason": "x"})
                assert answer.status_code == 404, (who, path)


def test_an_auditor_sees_the_log_and_the_people_of_their_own_projects_alone(own_world):
    world = own_world
    made = world.ask("own", "POST", "projects/q/members", json={"user": "out", "role": "auditor"})
    assert made.status_code == 201
    assert {entry["project_id"] for entry in world.ask("out", "GET", "audit?limit=1000").json()["events"]} == {2}
    assert {entry["project_id"] for entry in world.ask("aud", "GET", "audit?limit=1000").json()["events"]} == {1}
    mine, theirs = world.ids["user:exp"], world.ids["user:qann"]
    assert world.ask("aud", "GET", f"users/{mine}/credentials").status_code == 200
    for user in (theirs, world.ids["user:own"], 10**9):
        answer = world.ask("aud", "GET", f"users/{user}/credentials")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_user")


def test_nobody_raises_themselves(own_world):
    """Escalation (CVAT CVE-2026-23526): not to owner, not in another project, not by a credential of one's own."""
    world = own_world
    for role in ("owner", "service", "admin", "OWNER"):
        assert world.ask("man", "POST", "projects/p/members", json={"user": "man", "role": role}).status_code == 422
    assert world.ask("man", "POST", "projects/q/members", json={"user": "man", "role": "manager"}).status_code == 404
    credential = {"domain": "general", "level": "md", "evidence_sha256": "e" * 64, "expires_at": 2 * 10**12}
    for who in ("man", "ann", "exp", "aud", "key"):
        answer = world.ask(who, "POST", f"users/{world.ids['user:exp']}/credentials", json=credential)
        assert answer.status_code == 403
    own = world.ask("own", "POST", f"users/{world.ids['user:own']}/credentials", json=credential)
    assert own.status_code == 409
    user = {"name": "new", "password": "a long password", "is_owner": True}
    assert world.ask("own", "POST", "users", json=user).status_code == 422
