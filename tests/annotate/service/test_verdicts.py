"""Question checks and distractors: what people are clear about goes on at once, what they are not is the engine's."""

from sqlalchemy import select

from perceptlm.annotate.store.tables import Step, StepDecision


def check(service, name, verdict, **more):
    assignment = service.person(name).next("question_check")
    payload = {"verdict": verdict, **({"reason": "leading"} if verdict == "invalid" else {}), **more}
    assert service.person(name).submit(assignment, payload).status_code == 201
    return assignment["item"]["id"]


def decisions(service, item):
    statement = select(StepDecision.action, StepDecision.value, StepDecision.reason, StepDecision.posterior)
    mine = statement.where(StepDecision.item_id == item).order_by(StepDecision.id)
    return service.database.read(lambda session: session.execute(mine).all())


def open_steps(service, item):
    mine = select(Step.kind).where(Step.item_id == item, Step.lane.is_not(None)).distinct()
    return set(service.database.read(lambda session: session.scalars(mine).all()))


def test_a_split_question_check_gets_a_third_person_and_follows_the_posterior(service):
    (item,) = (entry["id"] for entry in service.add_items(service.fgqa("k")))
    check(service, "ann", "valid")
    check(service, "bob", "invalid")
    assert open_steps(service, item) == set(), "nobody is asked before the engine has said whom"
    assert service.refit()["decisions"] == {"another_label": 1}
    assert service.refit()["decisions"] == {}, "the same labels decide nothing anew"
    assert open_steps(service, item) == {"question_check"}
    check(service, "cat", "valid")
    assert service.refit()["decisions"] == {"accept": 1}
    asked, accepted = decisions(service, item)
    assert (asked.reason, accepted.value) == ("disagreement", "valid")
    assert asked.posterior < 0.9 < accepted.posterior
    assert open_steps(service, item) == {"blind_answer"}
    dashboard = service.person("man").get("/api/v1/projects/p/dashboard").json()
    skill = {row["user"]: row for row in dashboard["skill"] if row["step"] == "question_check"}
    assert skill["bob"]["accuracy"] < skill["ann"]["accuracy"] == skill["cat"]["accuracy"]
    assert [(row["step"], row["n"]) for row in dashboard["agreement"]] == [("question_check", 1)]
    assert service.is_intact()


def test_who_is_unsure_of_a_distractor_calls_an_expert_and_who_is_clear_goes_on_at_once(sqlite_service):
    service = sqlite_service
    (item,) = (entry["id"] for entry in service.add_items(service.fgqa("k")))
    for name in ("ann", "bob"):
        check(service, name, "valid")
    assert open_steps(service, item) == {"blind_answer"}, "without a refit"
    for name in ("ann", "bob") * 2:
        service.person(name).work()
    first, second = None, None
    for name in ("ann", "bob") * 2:
        assignment = service.person(name).next("distractor")
        number = assignment["item"]["distractor"]["id"]
        first = first or number
        second = number if number != first else second
        payload = {"distractor_id": number, "verdict": "certainly_false", "unsure": number == first and name == "bob"}
        assert service.person(name).submit(assignment, payload).status_code == 201
    assert service.state(item) == "open"
    assert service.refit()["decisions"] == {"escalate": 1}
    assert service.state(item) == "escalated"
    queue = service.person("man").get("/api/v1/projects/p/queue").json()["queue"]
    assert [(entry["about"], entry["reason"]) for entry in queue] == [("distractor", "unsure")]
    shown = service.person("man").get(f"/api/v1/projects/p/items/{item}").json()["derived"]["distractors"]
    assert shown == {str(first): "open", str(second): "certainly_false"}
