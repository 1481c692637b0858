"""What a refit does beside deciding: who is paused, who is asked, what an accepted choice becomes, whose turn it is.

And two refits at once.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from perceptlm.annotate.services import refit as refits
from perceptlm.annotate.services.refit import _apply_one, free_waiting, refit
from perceptlm.annotate.services.refit_plan import Due
from perceptlm.annotate.services.standing import Standing, changed_standing, set_standing
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.tables import Membership, Project, Step, StepDecision

HOUR = 3600


def stand(service, name, reason, is_better=False):
    standing = Standing(service.user_ids[name], reason, is_better)
    service.database.write(lambda session: set_standing(session, SERVER, 1, [standing]))


def member(service, name):
    return service.database.read(lambda session: session.get_one(Membership, (1, service.user_ids[name])))


def refit_to(service, item_id, action, **more):
    def work(session):
        step = session.scalars(select(Step).where(Step.item_id == item_id, Step.kind == "choice")).one()
        newest = select(func.max(StepDecision.id)).where(StepDecision.step_id == step.id)
        due = {"reason": "posterior", "value": "1", "posterior": 0.7, "num_labels": 0}
        due |= {"submissions": [0] * step.num_submitted, "follows": session.scalar(newest), **more}
        return _apply_one(session, SERVER, Due(step.id, item_id, action, **due))

    return service.database.write(work)


def credential(service, name, seconds):
    body = {"domain": "general", "level": "md", "evidence_sha256": f"{seconds:064d}",
            "expires_at": service.clock.now_ms() + seconds * 1000}  # fmt: skip
    path = f"/api/v1/users/{service.user_ids[name]}/credentials"
    assert service.person("own").post(path, json=body).status_code == 201


def test_who_is_paused_gets_nothing_until_a_manager_gives_them_their_role_anew(service):
    service.add_items(service.choice("a"))
    stand(service, "ann", "copies")
    assert service.person("ann").next() is None
    assert service.person("bob").next() is not None
    paused = {
        name: service.person(name).get("/api/v1/projects/p").json()["is_paused"] for name in ("ann", "bob", "own")
    }
    assert paused == {"ann": True, "bob": False, "own": False}
    again = {"user": "ann", "role": "annotator"}
    assert service.person("man").post("/api/v1/projects/p/members", json=again).status_code == 200 + 1
    assert service.person("ann").next() is not None
    assert not service.person("ann").get("/api/v1/projects/p").json()["is_paused"]
    stand(service, "ann", "copies")
    assert member(service, "ann").paused_reason is None, "no refit pauses who was let work on"
    assert service.is_intact()


def test_only_the_better_half_is_asked_for_what_waits_for_it(service):
    item = service.add_items(service.choice("a"))[0]["id"]
    for name in ("ann", "bob"):
        assert service.person(name).work({"choice": 1})
    assert refit_to(service, item, "another_label", num_labels=1, lane="choice:better")
    assert service.person("cat").next() is None
    stand(service, "cat", None, is_better=True)
    assert service.person("cat").next()["item"]["id"] == item


def test_an_accepted_choice_is_asked_again_when_its_people_turn_out_worse(service):
    item = service.add_items(service.choice("a"))[0]["id"]
    for name in ("ann", "bob"):
        service.person(name).work({"choice": 1})
    assert refit_to(service, item, "accept", reason=None)
    assert service.state(item) == "accepted"
    assert service.person("cat").next() is None
    assert refit_to(service, item, "another_label", num_labels=1)
    assert service.state(item) == "open"
    assert service.person("ann").next() is None, "nobody answers twice"
    assert service.person("cat").work({"choice": 0})
    assert refit_to(service, item, "accept", value="0", reason=None)
    shown = service.person("man").get(f"/api/v1/projects/p/items/{item}").json()
    assert (shown["state"], shown["derived"]["choice"]) == ("accepted", 0)
    assert [step["kind"] for step in shown["steps"]] == ["choice"], "one piece of work, one record"
    assert refit_to(service, item, "accept", value="1", reason=None)
    assert service.person("man").get(f"/api/v1/projects/p/items/{item}").json()["row_version"] > shown["row_version"]


def test_what_was_given_to_one_expert_is_theirs_for_a_while_and_only_with_a_credential(service):
    service.policy(expert_wait_seconds=HOUR)
    item = service.add_items(service.choice("a"))[0]["id"]
    for name in ("ann", "bob"):
        service.person(name).work({"choice": 1})
    again = {"user": "cat", "role": "expert"}
    assert service.person("man").post("/api/v1/projects/p/members", json=again).status_code == 201
    assert refit_to(service, item, "escalate", expert=service.user_ids["exp"])
    credential(service, "cat", 3 * HOUR)
    assert service.person("cat").next() is None, "it was given to another"
    assert service.person("exp").next() is None, "who holds no credential"
    assert free_waiting(service.database, 1) == 0
    service.clock.move_seconds(HOUR + 1)
    assert free_waiting(service.database, 1) == 1
    assert service.person("cat").next()["step"] == "expert"


def test_what_waits_for_an_expert_waits_no_longer_once_they_are_something_else(sqlite_service):
    service = sqlite_service
    item = service.add_items(service.choice("a"))[0]["id"]
    for name in ("ann", "bob"):
        service.person(name).work({"choice": 1})
    assert refit_to(service, item, "escalate", expert=service.user_ids["exp"])
    for name in ("exp", "cat"):
        credential(service, name, HOUR)
    for name, role in (("cat", "expert"), ("exp", "annotator")):
        body = {"user": name, "role": role}
        assert service.person("man").post("/api/v1/projects/p/members", json=body).status_code == 201
    assert service.person("cat").next()["step"] == "expert"


def test_everybody_meets_gold_in_an_order_of_their_own_and_no_more_than_wanted(service):
    names = [f"k{number}" for number in range(9)]
    items = service.add_items(*(service.choice(name) for name in names), service.choice("ordinary"))
    service.policy(gold_first=3, gold_rate=1.0, gold_most=5)
    gold = {name: {"expected": {"choice": 1}, "planted_wrong": False} for name in names}
    assert service.person("man").put("/api/v1/projects/p/gold", json=gold).status_code == 202
    assert service.person("sue").post("/api/v1/projects/p/gold/approve", json={}).status_code == 200
    seen = {}
    for name in ("ann", "bob", "cat"):
        order = seen[name] = []
        while (assignment := service.person(name).next()) is not None:
            order.append(assignment["item"]["id"])
            assert service.person(name).submit(assignment, {"choice": 1}).status_code == 201
        assert len(set(order)) == len(order)
        assert len(set(order) - {items[-1]["id"]}) == 5
        assert member(service, name).num_gold == 5
    assert len({tuple(order[:5]) for order in seen.values()}) == 3


def test_only_what_changed_is_written(service):
    found = [Standing(service.user_ids["ann"], None, False), Standing(service.user_ids["bob"], "failing", False)]
    changed = service.database.read(lambda session: changed_standing(session, 1, found))
    assert changed == found[1:]
    service.add_items(service.choice("a"))
    for name in ("ann", "bob"):
        service.person(name).work({"choice": 1})
    assert sum(service.refit()["decisions"].values()) == 1
    assert service.refit()["decisions"] == {}, "the same labels decide nothing anew"


def test_two_refits_at_once_make_each_decision_once(service, monkeypatch):
    service.policy(most_labels=2)
    items = service.add_items(*(service.choice(f"k{number}") for number in range(4)))
    credential(service, "exp", HOUR)
    for name in ("ann", "bob"):
        for number in range(4):
            service.person(name).work({"choice": int(name == "bob" and number % 2)})
    both, plan = threading.Barrier(2), refits.plan_refit

    def plan_together(*arguments):
        found = plan(*arguments)
        both.wait(30)  # each has planned before either has done anything
        return found

    monkeypatch.setattr(refits, "plan_refit", plan_together)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: refit(service.database, SERVER, 1), range(2)))
    assert sum(sum(result["decisions"].values()) for result in results) == 4

    def look(session):
        counts = session.execute(select(StepDecision.step_id, func.count()).group_by(StepDecision.step_id)).all()
        project = session.get_one(Project, 1)
        experts = session.scalars(select(Step.item_id).where(Step.kind == "expert")).all()
        return [count for _, count in counts], len(experts), len(set(experts)), project.num_since_fit, project.num_fits

    counts, num_experts, num_items, num_since_fit, num_fits = service.database.read(look)
    assert (counts, num_since_fit, num_fits) == ([1] * 4, 0, 1)
    assert num_experts == num_items == sum(service.state(item["id"]) == "escalated" for item in items) > 0
    assert service.is_intact()


def test_what_became_gold_since_a_fit_is_left_alone(sqlite_service):
    service = sqlite_service
    (item,) = service.add_items(service.choice("k"))
    service.person("ann").work()
    service.person("man").put("/api/v1/projects/p/gold", json={"k": {"expected": {"choice": 1}}})
    service.person("sue").post("/api/v1/projects/p/gold/approve", json={})
    assert not refit_to(service, item["id"], "another_label", lane="choice:better", num_labels=1)
