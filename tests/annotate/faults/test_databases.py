"""The database goes away, or the disk is full: a clear refusal, nothing acknowledged lost, and work goes on after."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from annotation_answers import payload_for
from annotation_load import Crowd
from annotation_record import Told, lost_drafts, missing, problems
from annotation_service import TABLE_HASH, Service
from private_postgres import crash_and_start, folder_of_programs
from sqlalchemy import event, text

from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.store.database import Database


def user_ids(service, *names):
    return {name: service.user_ids[name] for name in names}


def check(url, told, drafts=()):
    database = Database(url)
    try:
        assert database.read(lambda s: [*problems(s), *missing(s, told), *lost_drafts(s, drafts)]) == []
    finally:
        database.close()


def restart_under_load(fresh, launcher, num_restarts):
    """Let a crowd work while PostgreSQL crashes and comes back; return acknowledged submissions and refusals."""
    service = fresh.service()
    service.add_items(*(service.choice(f"c{number}") for number in range(40 + 20 * num_restarts)))
    url = fresh.urls[service.directory]
    with Crowd(user_ids(service, "ann", "bob", "cat"), seed=3) as crowd:
        crowd.connect(launcher.start(service.directory.path, url))
        work = crowd.start()
        for _ in range(num_restarts):
            crowd.wait_for(4)
            crash_and_start(folder_of_programs(), fresh.source)
        crowd.wait_for(4)
        work.join(stop=True)
        crowd.send_again()
        launcher.kill()
        assert crowd.strange() == []
        check(url, crowd.told(), crowd.drafts())
        return len(crowd.told()), crowd.num_passing()


def test_a_database_that_crashes_under_load_is_answered_503_and_loses_nothing(fresh_of, launcher):
    num_told, num_refused = restart_under_load(fresh_of("postgresql"), launcher, 1)
    print(f"{num_told} acknowledged, {num_refused} refused for a while")
    assert num_refused > 0, "nobody noticed"


@pytest.mark.slow
def test_a_database_that_crashes_often_loses_nothing(fresh_of, launcher):
    num_told, num_refused = restart_under_load(fresh_of("postgresql"), launcher, 15)
    print(f"{num_told} acknowledged, {num_refused} refused for a while")
    assert num_refused > 15


@pytest.mark.slow
def test_fits_and_submissions_do_not_wait_for_each_other(fresh_of, launcher):
    """PostgreSQL counts deadlocks; each would make somebody wait for a second."""
    fresh = fresh_of("postgresql")
    service = fresh.service()
    service.add_items(*(service.choice(f"c{number}") for number in range(150)))
    url = fresh.urls[service.directory]
    with Crowd(user_ids(service, "ann", "bob", "cat", "man"), seed=7) as crowd:
        manager = crowd.workers.pop()
        crowd.connect(launcher.start(service.directory.path, url))
        manager.connect(launcher.url)
        work = crowd.start()
        until = time.monotonic() + 20
        num_decided = 0
        while time.monotonic() < until:
            answer = manager.post("/projects/p/refit", {})
            assert answer.status_code == 200, answer.text
            num_decided += sum(answer.json()["decisions"].values())
        work.join(stop=True)
        manager.close()
        launcher.kill()
        assert crowd.strange() == []
        check(url, crowd.told(), crowd.drafts())
    with psycopg.connect(url) as other:
        deadlocks = other.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert deadlocks.fetchone() == (0,)
    print(f"{num_decided} decisions")
    assert num_decided > 20


def test_the_server_waits_for_commits_where_the_cluster_does_not(fresh_of):
    fresh = fresh_of("postgresql")
    _, url = fresh.directory()
    database = Database(url)
    assert database.read(lambda s: s.scalar(text("SHOW synchronous_commit"))) == "on"
    assert database.read(lambda s: s.scalar(text("SHOW transaction_isolation"))) == "repeatable read"
    database.close()
    with psycopg.connect(url) as other:
        assert other.execute("SHOW synchronous_commit").fetchone() == ("off",), "as the tests' cluster is set"


class Alone:
    """Ann alone at work in this process, sending each change until it is taken in."""

    def __init__(self, service: Service) -> None:
        self.service, self.ann = service, service.person("ann")
        self.told: list[Told] = []
        self.drafts: list[tuple[int, dict]] = []

    def work(self, note):
        """Lease, save, submit; return the first answer that is a refusal, or None."""
        answer = self.ann.post("/api/v1/projects/p/next", json={"steps": None})
        if answer.status_code != 200:
            return answer
        lease = answer.json()
        rev = (lease["draft"] or {"rev": 0})["rev"]
        url, body = f"/api/v1/assignments/{lease['id']}", {"note": note, "number": len(self.drafts)}
        answer = self.ann.put(f"{url}/draft", json={"body": body}, headers={"If-Match": str(rev)})
        if answer.status_code != 200:
            return answer
        self.drafts.append((lease["id"], body))
        operation = f"00000000-0000-4000-8000-{lease['id']:012d}"
        payload = payload_for(lease, 0)
        body = {"client_op_id": operation, "fence": lease["fence"], "payload": payload, "guideline_version": 1,
                "frame_table_hash": TABLE_HASH, "active_seconds": 1.0}  # fmt: skip
        answer = self.ann.post(f"{url}/submissions", json=body)
        if answer.status_code not in (200, 201):
            return answer
        user_id = self.service.user_ids["ann"]
        self.told.append(Told(user_id, operation, lease["id"], payload, answer.json()))
        return None

    def until_refused(self, note, most=200):
        """Work until something is refused, and return the refusal."""
        for _ in range(most):
            if (answer := self.work(note)) is not None:
                return answer
        raise AssertionError("nothing was refused")

    def check(self):
        found = self.service.database.read(
            lambda s: [*problems(s), *missing(s, self.told), *lost_drafts(s, self.drafts)]
        )
        assert found == []


def is_full(answer):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (507, "disk_full"), answer.text
    assert error["hint"]
    assert answer.headers["retry-after"]
    return True


def test_a_full_database_is_answered_507_and_work_goes_on_once_there_is_room(fresh_of):
    service = fresh_of("sqlite").service()
    service.add_items(*(service.choice(f"c{number}") for number in range(20)))
    alone, limit = Alone(service), []
    assert alone.work("before") is None

    def set_limit(connection, *more):
        connection.execute(f"PRAGMA max_page_count={limit[0]}")

    event.listen(service.database.engine, "connect", set_limit)

    def room_for(num_pages):
        limit[:] = [service.database.read(lambda s: s.scalar(text("PRAGMA page_count"))) + num_pages]
        service.database.engine.dispose()

    room_for(60)
    assert is_full(alone.until_refused("x" * 50_000))
    assert is_full(alone.work("x" * 50_000)), "again while it is full"
    assert alone.ann.get("/api/v1/me").status_code == 200, "who only reads is served"
    alone.check()
    room_for(100_000)
    num_told = len(alone.told)
    assert alone.work("x" * 50_000) is None
    assert len(alone.told) == num_told + 1
    alone.check()


def test_a_full_disk_of_postgresql_is_answered_507(fresh_of):
    service = fresh_of("postgresql").service()
    service.add_items(*(service.choice(f"c{number}") for number in range(3)))
    alone = Alone(service)
    full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend"
    full += " file: No space left on device' USING ERRCODE = '53100'; END $$"
    trigger = "CREATE TRIGGER full_disk BEFORE INSERT ON submissions FOR EACH ROW EXECUTE FUNCTION full_disk()"
    with service.database.engine.begin() as connection:
        connection.exec_driver_sql(full)
        connection.exec_driver_sql(trigger)
    assert is_full(alone.work("a"))
    alone.check()
    with service.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full_disk ON submissions")
    assert alone.work("b") is None
    alone.check()


def test_a_server_that_may_write_no_more_refuses_and_goes_on_after(fresh_of, launcher):
    """The quota of the process is used up, in the middle of transactions; then it is raised."""
    fresh = fresh_of("sqlite")
    service = fresh.service()
    service.add_items(*(service.choice(f"c{number}") for number in range(60)))
    path, url = service.directory.path, fresh.urls[service.directory]
    with Crowd(user_ids(service, "ann", "bob"), seed=4) as crowd:
        crowd.connect(launcher.start(path, url))
        size = max(file.stat().st_size for file in path.glob("annotate.db*"))
        _, hard = resource.prlimit(launcher.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(launcher.pid, resource.RLIMIT_FSIZE, (size + 20_000, hard))
        work = crowd.start()
        crowd.wait_for_refusals(3)
        resource.prlimit(launcher.pid, resource.RLIMIT_FSIZE, (hard, hard))
        crowd.wait_for(3)
        work.join(stop=True)
        crowd.send_again()
        launcher.kill()
        assert crowd.strange() == []
        check(url, crowd.told(), crowd.drafts())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here; the tests above stand for this")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_file_system_is_answered_507_for_work_and_uploads(fresh_of, filled_file, small_disk):
    directory = DataDirectory.create(small_disk / "data")
    shutil.copy(filled_file, directory.path / "annotate.db")
    from perceptlm.annotate.services.server import open_server

    clock = ManualClock()
    service = Service(open_server(directory, clock=clock), clock, directory)
    try:
        service.add_items(*(service.choice(f"c{number}") for number in range(20)))
        alone = Alone(service)
        assert alone.work("before") is None
        fill_up = Path(small_disk / "other")
        fill_up.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 300_000))
        assert is_full(alone.until_refused("x" * 50_000))
        upload = service.person("man").post("/api/v1/projects/p/assets", files={"file": b"x" * 1_000_000})
        assert is_full(upload)
        assert not list((directory.path / "incoming").iterdir())
        alone.check()
        fill_up.unlink()
        assert alone.work("x" * 50_000) is None
        alone.check()
    finally:
        service.close()
