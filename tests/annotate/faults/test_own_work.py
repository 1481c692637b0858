"""Nobody judges what they had a part in or answers blind what they have seen, also by leases that come back to life."""

from __future__ import annotations

import uuid

from annotation_record import problems
from annotation_service import usual_payload

from perceptlm.annotate.serving import run_once


def give_credential(service, name):
    credential = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64, "expires_at": 2**52}
    answer = service.person("own").post(f"/api/v1/users/{service.user_ids[name]}/credentials", json=credential)
    assert answer.status_code == 201


def let_expire(service):
    service.clock.move_seconds(901)
    run_once(service.server, {})


def give_role(service, name, role):
    answer = service.person("man").post("/api/v1/projects/p/members", json={"user": name, "role": role})
    assert answer.status_code == 201


def split_first_distractor(service):
    """Bring an item as far as a split over its first distractor, with nobody's word on the second, to an expert."""
    service.policy(most_distractor_judges=2)
    service.add_items(service.fgqa("k"))
    for name in ("ann", "bob") * 3:
        assignment = service.person(name).next("question_check", "blind_answer")
        assert service.person(name).submit(assignment, usual_payload(assignment)).status_code == 201
    for name, verdict in (("ann", "certainly_false"), ("bob", "could_be_true")):
        assignment = service.person(name).next("distractor")
        payload = {"distractor_id": assignment["item"]["distractor"]["id"], "verdict": verdict}
        assert service.person(name).submit(assignment, payload).status_code == 201
    service.refit()


def test_an_expert_does_not_settle_what_they_took_part_in_meanwhile(fresh):
    service = fresh.service()
    give_credential(service, "exp")
    split_first_distractor(service)
    exp = service.person("exp")
    ruling = exp.next()
    assert ruling["step"] == "expert"
    let_expire(service)
    other = exp.next("distractor")
    assert other["item"]["id"] == ruling["item"]["id"]
    assert exp.submit(other, usual_payload(other)).status_code == 201
    payload = {"verdict": "certainly_false", "rationale": "It can be seen.", "reason": "other"}
    late = exp.submit(ruling, payload)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "own_work")
    beat = exp.post(f"/api/v1/assignments/{ruling['id']}/heartbeat", json={"fence": ruling["fence"]})
    assert beat.json()["error"]["code"] == "own_work"
    assert service.database.read(problems) == []


def test_who_has_seen_the_answers_gives_none_blind(fresh_sqlite):
    service = fresh_sqlite.service()
    service.policy(first_labels=2, review_choices=True)
    service.add_items(service.choice("a"))
    for name in ("ann", "bob"):
        service.person(name).work({"choice": 1})
    service.refit()
    ver = service.person("ver")
    assert ver.work({"verdict": "rework", "reasons": ["other"]})[0] == "review"
    give_role(service, "ver", "annotator")
    assert ver.next() is None
    assert service.person("cat").next()["step"] == "choice", "somebody else gets it"
    assert service.database.read(problems) == []


def test_a_lease_that_shows_the_answers_bars_blind_work_also_once_it_has_ended(fresh_sqlite):
    service = fresh_sqlite.service()
    give_role(service, "sue", "expert")
    for name in ("exp", "sue"):
        give_credential(service, name)
    service.policy(most_labels=2, expert_wait_seconds=60)
    item = service.add_items(service.choice("a"))[0]
    for name, choice in (("ann", 0), ("bob", 1)):
        service.person(name).work({"choice": choice})
    service.refit()
    exp = service.person("exp")
    assert exp.next()["step"] == "expert"
    let_expire(service)
    service.refit()  # what the chosen expert left waiting goes to any other
    assert service.person("sue").work()[0] == "expert"
    report = service.person("man").post(f"/api/v1/projects/p/items/{item['id']}/report", json={"reason": "wrong"})
    assert report.status_code == 200
    assert exp.next("choice") is None
    assert service.person("cat").next()["step"] == "choice"


def test_who_has_another_role_by_now_does_not_submit_what_the_old_one_was_given(fresh_sqlite):
    service = fresh_sqlite.service()
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    held = ann.next()
    give_role(service, "ann", "verifier")
    answer = ann.submit(held, {"choice": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "step_not_allowed")
    assert ann.next() is None, "the work goes back to the others"
    assert service.database.read(problems) == []


def test_an_operation_taken_in_before_gets_its_answer_in_any_role(fresh_sqlite):
    service = fresh_sqlite.service()
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    held, operation = ann.next(), str(uuid.uuid4())
    first = ann.submit(held, {"choice": 1}, client_op_id=operation)
    give_role(service, "ann", "verifier")
    again = ann.submit(held, {"choice": 1}, client_op_id=operation)
    assert (again.status_code, again.json()) == (200, first.json())


def test_a_second_tab_is_no_second_thought(fresh_sqlite):
    service = fresh_sqlite.service()
    shown = [{"kind": "choice", "text": "left", "model": {"name": "m", "revision": "1", "licence": "CC0-1.0"}}]
    service.add_items(service.choice("a", proposals=shown))
    ann = service.person("ann")
    held = ann.next()
    assert ann.submit(held, {"choice": 1}).status_code == 201
    second = ann.submit(held, {"choice": 0})
    assert (second.status_code, second.json()["error"]["code"]) == (409, "already_submitted")
    reveal = ann.post(f"/api/v1/assignments/{held['id']}/reveal", json={"fence": held["fence"]})
    assert [entry["text"] for entry in reveal.json()["proposals"]] == ["left"]
    assert ann.submit(held, {"choice": 0}).status_code == 201, "after the reveal it is"
    assert ann.submit(held, {"choice": 1}).status_code == 409, "once"
