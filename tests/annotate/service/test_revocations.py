"""What was given is taken back: keys, credentials, places in a project. What was done stays."""

from __future__ import annotations

from annotation_service import usual_payload
from starlette.testclient import TestClient

from perceptlm.annotate.services.revocations import disable_user
from perceptlm.annotate.services.setup import add_key
from perceptlm.annotate.store.audit import SERVER

BECAUSE = {"reason": "left the hospital"}


def credential_of(service, name, evidence, seconds=10**6):
    body = {"domain": "general", "level": "md", "evidence_sha256": evidence * 64,
            "expires_at": service.clock.now_ms() + seconds * 1000}  # fmt: skip
    answer = service.person("own").post(f"/api/v1/users/{service.user_ids[name]}/credentials", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def revoke(service, name, credential_id):
    url = f"/api/v1/users/{service.user_ids[name]}/credentials/{credential_id}/revoke"
    return service.person("own").post(url, json=BECAUSE)


def escalated(service, num_items=1):
    """Let people disagree on choices until experts must decide."""
    service.policy(most_labels=2)
    items = service.add_items(*(service.choice(f"k{number}") for number in range(num_items)))
    for choice, name in enumerate(("ann", "bob")):
        while (assignment := service.person(name).next()) is not None:
            assert service.person(name).submit(assignment, {"choice": choice}).status_code == 201
    service.refit()
    return items


def last_event(service):
    log = service.person("own").get("/api/v1/audit?limit=1000").json()["events"]
    events = [event for event in log if "session" not in event["action"]]
    return events[-1]["action"], events[-1]["body"].get("reason")


def test_a_revoked_key_opens_nothing(service):
    key = add_key(service.server, "own", "p", "importer", ["items.list"], 1)
    program = TestClient(service.app, headers={"Authorization": f"Bearer {key}"})
    man = service.person("man")
    assert program.get("/api/v1/projects/p/items").status_code == 200
    (listed,) = man.get("/api/v1/projects/p/keys").json()["keys"]
    assert (listed["title"], listed["revoked_at"]) == ("importer", None)
    assert key not in str(listed)
    assert man.post("/api/v1/projects/p/keys/99/revoke", json=BECAUSE).status_code == 404
    url = f"/api/v1/projects/p/keys/{listed['id']}/revoke"
    assert man.post(url, json=BECAUSE).json()["revoked_at"] == service.clock.now_ms()
    assert program.get("/api/v1/projects/p/items").json()["error"]["code"] == "bad_key"
    assert man.post(url, json=BECAUSE).json()["error"]["code"] == "already_revoked"
    assert last_event(service) == ("key.revoke", BECAUSE["reason"])


def test_an_expert_whose_credential_ends_loses_the_lease_at_once(service):
    first, second = credential_of(service, "exp", "a"), credential_of(service, "exp", "b")
    own = service.person("own")
    assert own.post("/api/v1/projects/p/members", json={"user": "sue", "role": "expert"}).status_code == 201
    credential_of(service, "sue", "c", seconds=60)
    items = escalated(service, 2)
    exp, sue = service.person("exp"), service.person("sue")
    lease = exp.next()
    assert revoke(service, "exp", first).json()["num_leases_ended"] == 0
    assert exp.next()["id"] == lease["id"], "another credential covers it"
    assert revoke(service, "exp", second).json()["num_leases_ended"] == 1
    assert last_event(service) == ("credential.revoke", BECAUSE["reason"])
    assert revoke(service, "exp", second).json()["error"]["code"] == "already_revoked"
    assert revoke(service, "ann", second).status_code == 404
    payload = usual_payload(lease)
    for answer in (
        exp.submit(lease, payload),
        exp.post(f"/api/v1/assignments/{lease['id']}/heartbeat", json={"fence": lease["fence"]}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no_credential")
    assert exp.next() is None
    assert sue.work(payload)[0] == "expert"
    late = sue.next()
    assert {late["item"]["id"], lease["item"]["id"]} <= {item["id"] for item in items}
    service.clock.move_seconds(61)
    assert sue.submit(late, payload).json()["error"]["code"] == "no_credential", "one that expired"
    assert service.is_intact()


def test_a_member_who_is_removed_leaves_their_work_and_nothing_waits_for_them(service):
    service.policy(first_labels=2)
    item = service.add_items(service.fgqa("k", step="blind_answer"))[0]
    ann, bob, man = service.person("ann"), service.person("bob"), service.person("man")
    for person in (ann, bob):
        assert person.submit(person.next(), {"answer": "a cat", "evidence": {"start": 0, "end": 3}}).status_code == 201
    choice = service.add_items(service.choice("c"))[0]
    assert service.person("cat").work()[0] == "choice"
    held = ann.next()
    assert held["step"] == "compare"
    url = f"/api/v1/projects/p/members/{service.user_ids['ann']}/remove"
    assert man.post(url, json=BECAUSE).json() == {
        "user": "ann", "user_id": service.user_ids["ann"], "num_leases_ended": 1
    }  # fmt: skip
    assert last_event(service) == ("member.remove", BECAUSE["reason"])
    assert man.post(url, json=BECAUSE).status_code == 404
    assert "ann" not in [entry["user"] for entry in man.get("/api/v1/projects/p/members").json()["members"]]
    assert ann.submit(held, usual_payload(held)).status_code == 404
    assert ann.post("/api/v1/projects/p/next", json={}).status_code == 404
    assert man.post(f"/api/v1/projects/p/members/{service.user_ids['cat']}/remove", json=BECAUSE).is_success
    service.refit()
    people = {row["user"] for row in man.get("/api/v1/projects/p/dashboard").json()["people"]}
    assert "cat" in people, "who worked is still named"
    assert bob.work()[0] == "compare"
    bob.work()
    bob.work()
    steps = man.get(f"/api/v1/projects/p/items/{item['id']}").json()["submissions"]
    assert [row["step_kind"] for row in steps] == [
        "blind_answer",
        "blind_answer",
        "compare",
        "distractor",
        "distractor",
    ]
    assert service.state(choice["id"]) == "open"
    assert service.is_intact()


def test_nothing_waits_for_who_is_disabled(service):
    service.policy(first_labels=2)
    item = service.add_items(service.fgqa("k", step="blind_answer"))[0]
    for name in ("ann", "bob"):
        person = service.person(name)
        answer = {"answer": "a cat", "evidence": {"start": 0, "end": 3}}
        assert person.submit(person.next(), answer).status_code == 201
    assert service.person("ann").next()["step"] == "compare"
    assert disable(service, "ann")["num_leases_ended"] == 1
    assert service.person("bob").work()[0] == "compare"
    assert service.person("cat").next()["step"] == "distractor", "ann's comparison is asked of nobody any more"
    assert service.state(item["id"]) == "open"
    assert service.is_intact()


def test_the_lease_of_an_expert_who_is_disabled_is_another_ones_at_once(service):
    credential_of(service, "exp", "a")
    (item,) = escalated(service)
    assert service.person("exp").next()["item"]["id"] == item["id"]
    assert disable(service, "exp")["num_leases_ended"] == 1
    own = service.person("own")
    assert own.post("/api/v1/projects/p/members", json={"user": "sue", "role": "expert"}).status_code == 201
    credential_of(service, "sue", "c")
    assert service.person("sue").next()["item"]["id"] == item["id"]
    assert service.is_intact()


def disable(service, name):
    found = disable_user(service.server.database, SERVER, name)
    assert (found["user"], found["user_id"]) == (name, service.user_ids[name])
    return found


def test_an_expert_who_verifies_now_and_has_answered_nothing_stops_no_fit(service):
    credential_of(service, "exp", "a")
    answer = service.person("own").post("/api/v1/projects/p/members", json={"user": "exp", "role": "verifier"})
    assert answer.status_code == 201, answer.text
    (item,) = escalated(service)
    assert service.person("man").get(f"/api/v1/projects/p/items/{item['id']}").json()["state"] == "escalated"
