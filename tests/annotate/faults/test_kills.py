"""The server is killed at chosen points while people work, and starts again on the same data.

What was acknowledged is there; what was not is sent again by the people and then counts exactly once.
"""

from __future__ import annotations

import random

import pytest
from annotation_launcher import POINTS
from annotation_load import Crowd
from annotation_record import lost_drafts, missing, problems

from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.tables import Submission

COUNTS = {"statement": (50, 150), "before_commit": (15, 35), "after_commit": (15, 35), "before_response": (10, 40)}
"""How often a server comes to its point before it is killed there: from, to."""
NAMES = ("ann", "bob", "cat", "ver", "exp")


def prepare(fresh, num_choices, num_questions):
    """Return data directory, database URL and user ids of a site with items."""
    service = fresh.service()
    service.policy(first_labels=2, most_labels=3, lease_seconds=600)
    service.add_items(*(service.choice(f"c{number}") for number in range(num_choices)))
    service.add_items(*(service.fgqa(f"q{number}") for number in range(num_questions)))
    credential = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64, "expires_at": 2**52}
    answer = service.person("own").post(f"/api/v1/users/{service.user_ids['exp']}/credentials", json=credential)
    assert answer.status_code == 201
    return service.directory.path, fresh.urls[service.directory], {name: service.user_ids[name] for name in NAMES}


def check(url, crowd):
    """Compare the record with what the crowd was told; return the number of submissions."""
    database = Database(url)

    def look(session):
        assert problems(session) == []
        assert missing(session, crowd.told()) == []
        assert lost_drafts(session, crowd.drafts()) == []
        return session.query(Submission.id).count()

    try:
        return database.read(look)
    finally:
        database.close()


def kill_and_go_on(fresh, launcher, points, seed):
    """Let a crowd work, kill the server once per point; return how many submissions were acknowledged."""
    counts = random.Random(seed)
    path, url, user_ids = prepare(fresh, 15 * len(points), 3 * len(points))
    with Crowd(user_ids, seed) as crowd:
        for point in (*points, None):
            # The logins of the first time outlive every server.
            count = 0 if point is None else counts.randint(*COUNTS[point])
            crowd.connect(launcher.start(path, url, point, count))
            crowd.send_again()
            assert crowd.strange() == []
            assert check(url, crowd) == len(crowd.told()), "every operation counts once"
            if point is not None:
                launcher.arm()
                crowd.start().join(stop=False)
                assert launcher.has_ended(5), f"the server never came to its point {point}: {crowd.strange()}"
                assert launcher.wait() == -9
                check(url, crowd)
        launcher.kill()
        return len(crowd.told())


@pytest.mark.parametrize(
    ("kind", "points"),
    [("sqlite", ("before_commit", "after_commit")), ("postgresql", ("statement", "before_response"))],
)
def test_a_killed_server_loses_nothing_and_counts_nothing_twice(fresh_of, launcher, kind, points):
    num_acknowledged = kill_and_go_on(fresh_of(kind), launcher, points, seed=1)
    print(f"{num_acknowledged} acknowledged")
    assert num_acknowledged >= 2 * len(points)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_many_kills_lose_nothing(fresh, launcher, seed):
    points = random.Random(seed).choices(POINTS, k=20)
    num_acknowledged = kill_and_go_on(fresh, launcher, points, seed)
    print(f"{num_acknowledged} acknowledged")
    assert num_acknowledged > 2 * len(points), "people did work between the kills"
