"""Work through the interface, on both databases: leases, fences, expiry, drafts, submissions, the whole flow."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from annotation_service import TABLE_HASH, usual_payload
from sqlalchemy import event, func, select

from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.leases import next_assignment, release_lease
from perceptlm.annotate.services.projects import project_named, set_member
from perceptlm.annotate.services.standing import Standing, set_standing
from perceptlm.annotate.services.submissions import submit
from perceptlm.annotate.store.audit import SERVER, append
from perceptlm.annotate.store.tables import Assignment, Draft, Membership, Step, Submission


def submissions_in(service):
    return service.database.read(lambda s: s.scalar(select(func.count()).select_from(Submission)))


def test_an_item_goes_from_question_to_accepted_and_everything_is_logged(service):
    item = service.add_items(service.fgqa("k"))[0]
    steps = service.work_off("ann", "bob", "ver")
    assert steps.count("question_check") == steps.count("blind_answer") == steps.count("compare") == 2
    assert steps.count("distractor") == 4
    assert steps[-1] == "review"
    assert service.state(item["id"]) == "accepted"
    assert service.is_intact()


def test_choices_are_accepted_by_the_engine_and_contested_ones_go_to_an_expert(service):
    service.policy(most_labels=2)
    sure, split = service.add_items(service.choice("a"), service.choice("b"))
    answers = {"ann": {sure["id"]: 1, split["id"]: 0}, "bob": {sure["id"]: 1, split["id"]: 1}}
    for name, chosen in answers.items():
        for _ in range(2):
            assignment = service.person(name).next()
            choice = {"choice": chosen[assignment["item"]["id"]]}
            assert service.person(name).submit(assignment, choice).status_code == 201
    assert service.refit()["num_labels"] == 4
    assert service.state(split["id"]) == "escalated"
    assert service.person("exp").next() is None, "an expert without a credential gets nothing"
    own = service.person("own")
    credential = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64,
                  "expires_at": service.clock.now_ms() + 60_000}  # fmt: skip
    assert own.post(f"/api/v1/users/{service.user_ids['exp']}/credentials", json=credential).status_code == 201
    service.clock.move_seconds(61)
    assert service.person("exp").next() is None, "nor with an expired one"
    credential |= {"expires_at": service.clock.now_ms() + 60_000, "evidence_sha256": "b" * 64}
    assert own.post(f"/api/v1/users/{service.user_ids['exp']}/credentials", json=credential).status_code == 201
    (row,) = service.person("exp").get("/api/v1/projects/p/queue").json()["queue"]
    assert (row["item"], row["question"], row["domain"]) == (split["id"], "Which?", "general")
    assert row["labels"] == [{"label": "left", "count": 1}, {"label": "right", "count": 1}]
    assert row["reason"] is not None
    assert row["escalated_at"] == service.clock.now_ms() - 61_000
    while (assignment := service.person("exp").next()) is not None:
        assert assignment["step"] == "expert"
        payload = {"choice": 0, "rationale": "seen", "reason": "other"}
        assert service.person("exp").submit(assignment, payload).status_code == 201
    assert service.state(split["id"]) == "accepted"


def test_the_queue_of_experts_comes_in_pages_those_first_where_an_expert_saves_most(service):
    service.policy(first_labels=2, most_answers=2)
    service.add_items(*(service.fgqa(f"k{n}", step="blind_answer", priority=n) for n in range(2)))
    for name, answer in (("ann", "A dog."), ("bob", "a cow")):
        while (assignment := service.person(name).next()) is not None:
            blind = {"answer": answer, "evidence": {"start": 0, "end": 3}}
            compare = {**usual_payload(assignment), "same_meaning": False, "merged": None}
            if assignment["step"] == "compare":
                compare["others"] = [{**entry, "same_meaning": False} for entry in compare["others"]]
            payload = blind if assignment["step"] == "blind_answer" else compare
            assert service.person(name).submit(assignment, payload).status_code == 201
    man = service.person("man")

    def page(after):
        return man.get(f"/api/v1/projects/p/queue?limit=1&after={after}").json()

    rows, after = [], 0
    while after is not None:
        found = page(after)
        rows, after = [*rows, *found["queue"]], found["next"]
    assert [row["key"] for row in rows] == ["k1", "k0"]
    assert {str(row["labels"]) for row in rows} == {
        str([{"label": "A dog.", "count": 1}, {"label": "a cow", "count": 1}])
    }
    assert man.get("/api/v1/projects/p/queue?after=999").json()["error"]["field"] == "after"


def test_the_same_operation_sent_again_gets_the_same_answer_once(service):
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    assignment = ann.next()
    operation = str(uuid.uuid4())
    first = ann.submit(assignment, {"choice": 1}, client_op_id=operation)
    again = ann.submit(assignment, {"choice": 1}, client_op_id=operation)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = ann.submit(assignment, {"choice": 0}, client_op_id=operation)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "op_id_reused")
    assert submissions_in(service) == 1


def test_the_same_operation_sent_at_once_five_times_has_one_effect(service):
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    assignment, operation = ann.next(), str(uuid.uuid4())
    barrier = threading.Barrier(5)

    def send(_):
        barrier.wait()
        return ann.submit(assignment, {"choice": 1}, client_op_id=operation)

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(send, range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.text for answer in answers}) == 1
    assert submissions_in(service) == 1
    assert service.is_intact()


def test_people_who_ask_at_once_never_exceed_the_overlap(service):
    service.policy(first_labels=2, most_labels=2)
    service.add_items(*(service.choice(f"k{n}") for n in range(3)))
    people = [service.person(name) for name in ("ann", "bob", "cat")]
    for _ in range(3):
        barrier = threading.Barrier(len(people))

        def do(person, barrier=barrier):
            barrier.wait()
            return person.work()

        with ThreadPoolExecutor(len(people)) as pool:
            list(pool.map(do, people))
    counts = service.database.read(
        lambda s: s.execute(select(Submission.step_id, func.count()).group_by(Submission.step_id)).all()
    )
    assert sorted(count for _, count in counts) == [2, 2, 2]
    assert all(person.next() is None for person in people)
    assert service.is_intact()


def test_work_refits_and_managers_never_wait_for_each_other_in_a_circle(service):
    """Everybody who changes memberships at once: leases count there, fits pause people, managers give roles."""
    service.add_items(*(service.choice(f"k{number}") for number in range(8)))
    names, project_id = ("ann", "bob", "cat"), 1
    callers = {name: Caller(service.user_ids[name], role=Role.ANNOTATOR, project_id=project_id) for name in names}
    circles = []

    @event.listens_for(service.database.engine, "handle_error")
    def note(context):
        if getattr(context.original_exception, "sqlstate", None) == "40P01":
            circles.append(str(context.original_exception))

    def ask(name, _):
        def work(session):
            project = project_named(session, "p")
            found = next_assignment(session, callers[name], project, ["choice"], 0)
            return None if found is None else (found[0].id, found[0].fence)

        lease = service.database.write(work)
        # The same person's other request may have given it back.
        with suppress(Conflict):
            service.database.write(lambda session: lease and release_lease(session, callers[name], *lease, "no time"))

    def pause(_, number):
        standing = [Standing(service.user_ids[name], "failing" if number % 2 else None, False) for name in names]
        service.database.write(lambda session: set_standing(session, SERVER, project_id, standing))

    def give(name, _):
        service.database.write(
            lambda session: set_member(session, Caller(None), project_named(session, "p"), name, "annotator")
        )

    jobs = [(work, name, number) for number in range(3) for name in names for work in (ask, pause, give)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda job: job[0](*job[1:]), jobs))
    assert circles == []
    assert service.is_intact()


def test_a_submission_that_ends_calibration_waits_for_nobody_in_a_circle(service):
    service.policy(calibration_items=1)
    service.add_items(service.choice("k"))
    known = {"k": {"expected": {"choice": 1}}}
    assert service.person("man").put("/api/v1/projects/p/calibration", json=known).is_success
    ann, circles = service.person("ann"), []
    held = ann.next()

    @event.listens_for(service.database.engine, "handle_error")
    def note(context):
        circles.append(str(context.original_exception))

    with ThreadPoolExecutor(1) as pool:
        with service.database.session(writes=True) as session:
            session.get(Membership, (1, service.user_ids["ann"]), with_for_update={"key_share": True})
            answer = pool.submit(ann.submit, held, {"choice": 1})
            time.sleep(0.3)  # it has come as far as it can
            append(session, SERVER, "member.set", "user:1", {}, 1)
            session.commit()
        assert answer.result().json()["calibration"]["progress"]["is_passed"]
    assert circles == []


def test_who_was_removed_while_their_submission_was_on_its_way_hands_in_nothing(service):
    service.add_items(service.choice("k"))
    held = service.person("ann").next()
    caller = Caller(service.user_ids["ann"], role=Role.ANNOTATOR, project_id=1)  # as it was looked up before
    url = f"/api/v1/projects/p/members/{service.user_ids['ann']}/remove"
    assert service.person("man").post(url, json={"reason": "left"}).is_success
    with pytest.raises(NotFound):
        service.database.write(lambda session: submit(session, caller, held["id"], {
            "client_op_id": str(uuid.uuid4()), "fence": held["fence"], "payload": {"choice": 1},
            "frame_table_hash": TABLE_HASH, "guideline_version": 1, "active_seconds": 1.0,
        }))  # fmt: skip
    assert submissions_in(service) == 0


def test_an_open_lease_is_given_back_and_an_expired_one_goes_to_somebody_else(service):
    service.policy(first_labels=1, most_answers=1)
    service.add_items(service.choice("a"))
    ann, bob = service.person("ann"), service.person("bob")
    first = ann.next()
    again = ann.next()
    assert (again["id"], again["fence"], again["resumed"]) == (first["id"], first["fence"], True)
    assert bob.next() is None
    service.clock.move_seconds(901)
    theirs = bob.next()
    assert theirs["item"]["id"] == first["item"]["id"]
    assert theirs["fence"] > first["fence"]
    late = ann.submit(first, {"choice": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "lease_lost")
    beat = ann.post(f"/api/v1/assignments/{first['id']}/heartbeat", json={"fence": first["fence"]})
    assert beat.json()["error"]["code"] == "lease_lost"
    assert bob.submit(theirs, {"choice": 1}).status_code == 201


def test_a_late_submission_counts_while_nobody_else_took_the_work(service):
    service.policy(first_labels=1, most_answers=1)
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    first = ann.next()
    service.clock.move_seconds(10_000)
    from perceptlm.annotate.services.leases import expire_overdue

    assert service.database.write(expire_overdue) == 1
    assert ann.submit(first, {"choice": 1}).status_code == 201


def test_a_clock_that_jumps_back_harms_nothing(service):
    service.policy(first_labels=1, most_answers=1)
    service.add_items(service.choice("a"), service.choice("b"))
    ann, bob = service.person("ann"), service.person("bob")
    first = ann.next()
    service.clock.move_seconds(-100_000)
    theirs = bob.next()
    assert theirs["item"]["id"] != first["item"]["id"]
    assert ann.submit(first, {"choice": 1}).status_code == 201
    assert bob.submit(theirs, {"choice": 1}).status_code == 201
    assert service.is_intact()


def test_work_given_back_goes_to_somebody_else_and_not_to_the_same_person(service):
    service.policy(first_labels=1, most_answers=1)
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    assignment = ann.next()
    answer = ann.post(
        f"/api/v1/assignments/{assignment['id']}/release", json={"fence": assignment["fence"], "reason": "no time"}
    )
    assert answer.status_code == 204
    assert ann.next() is None
    assert service.person("bob").next()["item"]["id"] == assignment["item"]["id"]


def test_urgent_items_come_first_also_for_those_who_are_far_in_the_queue(service):
    service.add_items(*(service.choice(f"k{n}") for n in range(3)))
    ann = service.person("ann")
    ann.work()
    urgent = service.add_items(service.choice("urgent", priority=5))[0]
    assert ann.next()["item"]["id"] == urgent["id"]


def test_drafts_keep_both_sides_of_a_conflict(service):
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    url = f"/api/v1/assignments/{ann.next()['id']}/draft"

    def save(text, revision):
        return ann.put(url, json={"body": {"text": text}}, headers={"If-Match": f'"{revision}"'})

    assert save("one", 0).json() == {"rev": 1}
    assert save("one", 0).json() == {"rev": 1}, "the same save again: its answer was lost"
    assert save("two", 1).json() == {"rev": 2}
    stale = save("other tab", 1)
    assert stale.status_code == 412
    assert stale.json()["current"] == {"rev": 2, "body": {"text": "two"}}
    assert ann.get(url).json() == {"rev": 2, "body": {"text": "two"}}
    texts = service.database.read(lambda s: [row.body["text"] for row in s.scalars(select(Draft).order_by(Draft.id))])
    assert texts == ["one", "two", "other tab"]
    assert ann.put(url, json={"body": {}}).status_code == 422, "no If-Match"
    assert ann.next()["draft"] == {"rev": 2, "body": {"text": "two"}}


@pytest.mark.parametrize(
    ("payload", "changes", "status", "code"),
    [
        ({"choice": 2}, {}, 422, "invalid_payload"),
        ({"choice": -1}, {}, 422, "invalid_payload"),
        ({"choice": 1, "extra": 1}, {}, 422, "invalid_payload"),
        ({"choice": 1, "evidence": {"start": 0, "end": 13}}, {}, 422, "invalid_payload"),
        ({"choice": 1}, {"frame_table_hash": "0" * 64}, 409, "frame_table_changed"),
        ({"choice": 1}, {"fence": 999_999}, 409, "lease_lost"),
        ({"choice": 1}, {"client_op_id": "no uuid"}, 422, "invalid_request"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_lease_stays(sqlite_service, payload, changes, status, code):
    service = sqlite_service
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    assignment = ann.next()
    answer = ann.submit(assignment, payload, **changes)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert submissions_in(service) == 0
    assert ann.next()["id"] == assignment["id"]


def test_nobody_sees_a_proposal_before_their_own_answer_nor_others_answers(service):
    service.add_items(service.fgqa("k", step="blind_answer"))
    ann, bob = service.person("ann"), service.person("bob")
    blind = ann.next()
    assert (blind["step"], blind["proposal"], blind["item"]["history"]) == ("blind_answer", None, [])
    early = ann.post(f"/api/v1/assignments/{blind['id']}/reveal", json={"fence": blind["fence"]})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "answer_first")
    answer = ann.submit(blind, {"answer": "a cat", "evidence": {"start": 0, "end": 3}}).json()
    assert answer["next_step"] == "compare"
    shown = ann.post(f"/api/v1/assignments/{blind['id']}/reveal", json={"fence": blind["fence"]}).json()
    assert [entry["text"] for entry in shown["proposals"]] == ["a cat"]
    theirs = bob.next()
    assert (theirs["step"], theirs["item"]["history"], theirs["proposal"]) == ("blind_answer", [], None)
    assert "a cat" not in str(theirs)
    compare = ann.next()
    assert (compare["step"], compare["proposal"]["text"]) == ("compare", "a cat")


def test_nobody_reviews_what_they_worked_on(service):
    item = service.add_items(service.fgqa("k"))[0]
    service.work_off("ann", "bob")
    assert service.state(item["id"]) == "agreed"
    own = service.person("own")
    assert own.post("/api/v1/projects/p/members", json={"user": "ann", "role": "verifier"}).status_code == 201
    assert service.person("ann").next() is None
    assert service.person("ver").next()["step"] == "review"


def test_an_assignment_of_somebody_else_does_not_exist(service):
    service.add_items(service.choice("a"))
    assignment = service.person("ann").next()
    for method, path, body in [
        ("GET", "", None),
        ("GET", "/draft", None),
        ("POST", "/heartbeat", {"fence": assignment["fence"]}),
        ("POST", "/reveal", {"fence": assignment["fence"]}),
        ("POST", "/release", {"fence": assignment["fence"], "reason": "x"}),
    ]:
        answer = service.person("bob").request(method, f"/api/v1/assignments/{assignment['id']}{path}", json=body)
        assert answer.status_code == 404, path
    assert service.person("bob").submit(assignment, {"choice": 1}).status_code == 404


def test_slots_and_steps_add_up_at_the_end(service):
    service.add_items(service.fgqa("k"), service.choice("c"))
    service.work_off("ann", "bob", "ver")

    def look(session):
        for step in session.scalars(select(Step)):
            taken = select(func.count()).where(Assignment.step_id == step.id, Assignment.slot.is_not(None))
            given = select(func.count()).where(Submission.step_id == step.id, Submission.ordinal == 0)
            assert step.num_taken == session.scalar(taken)
            assert step.num_submitted == session.scalar(given)
            assert (step.lane is not None) == (step.state == "open" and step.num_taken < step.num_slots)
        return session.scalar(select(func.count()).select_from(Step))

    assert service.database.read(look) == 8
