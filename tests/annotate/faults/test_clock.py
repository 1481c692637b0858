"""The clock of the server jumps: leases do not double or last for days, logins behave, the log stays intact."""

from __future__ import annotations

import pytest
from annotation_record import problems
from annotation_service import FAST, PASSWORD

from perceptlm.annotate.services.leases import expire_overdue

HOUR, DAY = 3600, 86_400


def work_once(service, name):
    person = service.person(name)
    if person.get("/api/v1/me").status_code == 401:
        person.sign_in()
    return person.work()


@pytest.mark.parametrize(
    ("kind", "jumps"), [("sqlite", (-HOUR, DAY)), ("sqlite", (DAY, -DAY, -HOUR)), ("postgresql", (DAY, -HOUR))]
)
def test_work_goes_on_whichever_way_the_clock_jumps(fresh_of, kind, jumps):
    service = fresh_of(kind).service()
    service.add_items(*(service.choice(f"c{number}") for number in range(4)))
    names, done = ("ann", "bob"), 0
    for seconds in jumps:
        held = service.person("cat").next()
        service.clock.move_seconds(seconds)
        done += sum(work_once(service, name) is not None for name in names)
        assert service.database.read(problems) == []
        cat = service.person("cat")
        if cat.get("/api/v1/me").status_code == 401:
            cat.sign_in()
        given = {"fence": held["fence"], "reason": "no time"}
        assert cat.post(f"/api/v1/assignments/{held['id']}/release", json=given).status_code in (204, 409)
    assert done == 2 * len(jumps)
    assert service.is_intact()


def test_a_lease_made_while_the_clock_was_a_day_ahead_ends_in_its_time(fresh_sqlite):
    service = fresh_sqlite.service()
    service.policy(first_labels=1, most_answers=1)
    service.add_items(service.choice("a"))
    ann, bob = service.person("ann"), service.person("bob")
    service.clock.move_seconds(DAY / 4)
    first = ann.next()
    service.clock.move_seconds(-DAY / 4)
    assert bob.next() is None, "it is still held"
    service.clock.move_seconds(901)
    theirs = bob.next()
    assert theirs is not None
    assert theirs["item"]["id"] == first["item"]["id"]
    assert ann.submit(first, {"choice": 1}).json()["error"]["code"] == "lease_lost"
    assert bob.submit(theirs, {"choice": 1}).status_code == 201
    assert service.database.read(problems) == []


def test_a_clock_put_back_does_not_hide_work_that_came_free(fresh_sqlite):
    service = fresh_sqlite.service(FAST.model_copy(update={"rescan_seconds": 30.0}))
    service.add_items(service.choice("a"))
    ann = service.person("ann")
    first = ann.next()
    service.clock.move_seconds(901)
    assert service.database.write(expire_overdue) == 1
    service.clock.move_seconds(-HOUR)
    assert ann.next()["item"]["id"] == first["item"]["id"], "the step lies behind where ann has been"


def test_a_clock_put_back_locks_nobody_out(fresh_sqlite):
    service = fresh_sqlite.service()
    service.clock.move_seconds(DAY)
    ann = service.person("ann")
    for _ in range(FAST.login_failures):
        ann.post("/api/v1/sessions", json={"name": "ann", "password": "wrong password"})
    right = {"name": "ann", "password": PASSWORD}
    assert ann.post("/api/v1/sessions", json=right).status_code == 429
    service.clock.move_seconds(-DAY)
    assert ann.post("/api/v1/sessions", json=right).status_code == 200


def test_a_login_ends_when_the_clock_jumps_a_day_and_not_when_it_goes_back(fresh_sqlite):
    service = fresh_sqlite.service()
    ann = service.person("ann")
    service.clock.move_seconds(-HOUR)
    assert ann.get("/api/v1/me").status_code == 200
    service.clock.move_seconds(DAY)
    assert ann.get("/api/v1/me").json()["error"]["code"] == "not_signed_in"
    ann.sign_in()
    assert ann.get("/api/v1/me").status_code == 200
    assert service.is_intact()
