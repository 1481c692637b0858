"""Gold of every nominal step, and calibration before real work: who is given what, what is told, what is counted."""

import pytest
from annotation_service import usual_payload

PROJECT = "/api/v1/projects/p"


def set_gold(service, body):
    assert service.person("man").put(f"{PROJECT}/gold", json=body).status_code == 202
    assert service.person("sue").post(f"{PROJECT}/gold/approve", json={}).status_code == 200


def dashboard(service):
    return service.person("man").get(f"{PROJECT}/dashboard").json()


def set_calibration(service, body):
    answer = service.person("man").put(f"{PROJECT}/calibration", json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("key", "entry", "field"),
    [
        ("free", {"expected": {"answers": ["a cat"]}}, "free.step"),
        ("q", {"expected": {"verdict": "nonsense"}}, "q.expected.verdict"),
        ("q", {"expected": {"verdict": "nonsense"}, "step": "distractor"}, "q.distractor"),
        ("q", {"expected": {"verdict": "nonsense"}, "step": "distractor", "distractor": 2}, "q.distractor"),
        ("q", {"expected": {"verdict": "valid"}, "distractor": 0}, "q.distractor"),
        ("c", {"expected": {"verdict": "nonsense"}, "step": "distractor", "distractor": 0}, "c.step"),
    ],
)
def test_gold_of_work_that_cannot_be_known_is_refused(sqlite_service, key, entry, field):
    service = sqlite_service
    service.add_items(service.fgqa("q"), service.fgqa("free", step="blind_answer"), service.choice("c"))
    answer = service.person("man").put(f"{PROJECT}/gold", json={key: entry})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_gold_comes_as_the_kind_of_work_that_would_have_come_and_counts_as_skill(service):
    service.policy(gold_first=1, distractor_judges=1, question_checks=1, first_labels=1)
    added = service.add_items(*(service.fgqa(name) for name in ("w", "gq", "gd")))
    real, check, judged = (entry["id"] for entry in added)
    entry = {"expected": {"verdict": "could_be_true"}, "step": "distractor", "distractor": 1}
    set_gold(service, {"gq": {"expected": {"verdict": "invalid"}}, "gd": entry})
    bob, ann = service.person("bob"), service.person("ann")
    given = [bob.next()]
    assert given[0]["item"]["id"] == check, "of the kind that there is, though gold of another stands first"
    assert bob.submit(given[0], {"verdict": "valid"}).status_code == 201
    assert [bob.work()[0] for _ in range(3)] == ["question_check", "blind_answer", "compare"]
    given = []
    while (assignment := ann.next()) is not None:
        given.append((assignment["step"], assignment["item"]["id"]))
        assert ann.submit(assignment, usual_payload(assignment)).status_code == 201
    assert given == [("distractor", judged)] * 2 + [("distractor", real)] * 2, "one after the other, as of real items"
    service.refit()
    people = {(row["user"], row["step"]): row for row in dashboard(service)["people"]}
    assert (people["bob", "question_check"]["n"], people["ann", "distractor"]["n"]) == (2, 4)
    assert people["bob", "question_check"]["accuracy"] < 0.8
    shown = service.person("man").get(f"{PROJECT}/items/{judged}").json()
    assert (shown["state"], shown["derived"].get("distractors")) == ("open", None)
    assert service.is_intact()


def test_a_new_person_is_calibrated_told_what_was_right_and_then_works(service):
    service.policy(calibration_items=2, calibration_pass=0.9)
    entries = [service.choice(f"c{number}") for number in range(3)] + [service.fgqa("d"), service.choice("real")]
    ids = {entry["key"]: entry["id"] for entry in service.add_items(*entries)}
    known = {f"c{number}": {"expected": {"choice": 1}, "explanation": f"See frame {number}."} for number in range(3)}
    known["d"] = {"expected": {"verdict": "nonsense"}, "step": "distractor", "distractor": 0, "explanation": "So."}
    set_calibration(service, known)
    ann = service.person("ann")
    progress = ann.get(PROJECT).json()["calibration"]
    assert (progress["num_done"], progress["wanted"], progress["is_passed"]) == (0, 2, False)
    told = []
    for choice in (0, 1, 1):
        assignment = ann.next()
        assert (assignment["step"], assignment["is_calibration"]) == ("choice", True)
        assert "frame" not in str(assignment["item"]), "nothing is told before"
        if not told:
            body = {"fence": assignment["fence"], "reason": "too hard"}
            assert ann.post(f"/api/v1/assignments/{assignment['id']}/release", json=body).status_code == 204
            assignment = ann.next()
        told.append(ann.submit(assignment, {"choice": choice}).json()["calibration"])
    assert [entry["is_right"] for entry in told] == [False, True, True]
    assert told[0]["explanation"] == "See frame 0."
    assert told[0]["expected"] == {"choice": 1}
    # One of the first two was wrong; the newest two are right.
    assert [entry["progress"]["is_passed"] for entry in told] == [False, False, True]
    assignment = ann.next()
    assert (assignment["item"]["id"], assignment["is_calibration"]) == (ids["real"], False)
    assert "calibration" not in ann.submit(assignment, {"choice": 1}).json()
    (row,) = dashboard(service)["calibrated"]
    assert (row["user"], row["share"], row["n"], row["num_done"]) == ("ann", 1, 2, 3)
    assert row["low"] < 1 == row["high"]
    assert row["passed_at"] is not None
    people = {row["user"]: row for row in dashboard(service)["people"]}
    assert people["ann"]["n"] == 4, "calibration counts as skill"
    assert service.is_intact()


def test_who_fails_gets_no_work_until_a_manager_says_so(sqlite_service):
    service = sqlite_service
    service.policy(calibration_items=5, calibration_pass=1)
    service.add_items(service.choice("c"), service.choice("real"))
    set_calibration(service, {"c": {"expected": {"choice": 0}, "explanation": ""}})
    bob = service.person("bob")
    assert bob.work({"choice": 1})[1]["calibration"]["progress"]["is_passed"] is False
    assert bob.next() is None
    again = {"user": "bob", "role": "annotator"}
    assert service.person("man").post(f"{PROJECT}/members", json=again).status_code == 201
    assert bob.next()["is_calibration"] is False
    assert service.person("exp").get(PROJECT).json()["calibration"] is None
    gold = {"c": {"expected": {"choice": 0}}}
    twice = service.person("man").put(f"{PROJECT}/gold", json=gold)
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "calibration_already")


def test_calibration_that_changes_or_is_discarded_keeps_nobody_from_work(sqlite_service):
    service = sqlite_service
    service.policy(calibration_items=2, calibration_pass=0)
    ids = {entry["key"]: entry["id"] for entry in service.add_items(*(service.fgqa(key) for key in ("a", "b", "real")))}
    verdict = {"expected": {"verdict": "nonsense"}, "step": "distractor"}
    set_calibration(service, {"a": {**verdict, "distractor": 0}, "b": {**verdict, "distractor": 0}})
    ann, man = service.person("ann"), service.person("man")
    assert ann.work()[1]["calibration"]["is_right"] is False
    held = ann.next()
    anew = {"expected": {"verdict": "valid"}, "step": "question_check"}
    set_calibration(service, {"a": anew, "b": anew})
    answer = ann.submit(held, usual_payload(held))
    assert (answer.status_code, "calibration" in answer.json()) == (201, False), "of that nothing is known any more"
    assert ann.get(PROJECT).json()["calibration"]["num_done"] == 0, "what was said of a distractor is no question check"
    assert ann.work()[0] == "question_check"
    assert man.post(f"{PROJECT}/items/{ids['b']}/discard", json={"reason": "blurred"}).status_code == 200
    assert ann.next()["item"]["id"] == ids["real"], "no more is wanted than there is"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"expected": {"choice": 1, "evidence": {"start": 3, "end": 3}}}, "c.expected.evidence"),
        ({"expected": {"choice": 1, "evidence": "frame 3"}}, "c.expected.evidence"),
        ({"expected": {"answers": ["a cat"], "wrong": [3]}, "step": "blind_answer"}, "q.expected.wrong"),
    ],
)
def test_what_no_submission_can_be_held_against_is_not_expected(sqlite_service, entry, field):
    service = sqlite_service
    service.add_items(service.choice("c"), service.fgqa("q"))
    answer = service.person("man").put(f"{PROJECT}/calibration", json={field[0]: entry})
    assert (answer.status_code, answer.json()["error"].get("field")) == (422, field)


def test_what_people_are_told_does_not_become_gold_afterwards(sqlite_service):
    service = sqlite_service
    service.add_items(service.choice("c"))
    known = {"c": {"expected": {"choice": 1}}}
    assert service.person("man").put(f"{PROJECT}/gold", json=known).status_code == 202
    set_calibration(service, known)
    answer = service.person("sue").post(f"{PROJECT}/gold/approve", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "calibration_already")
