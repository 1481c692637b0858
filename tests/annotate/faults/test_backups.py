"""A copy made while people work, put back elsewhere: the record of one moment, and every release byte for byte."""

from __future__ import annotations

import subprocess

import pytest
from annotation_load import Crowd
from annotation_record import missing, problems
from private_postgres import folder_of_programs
from sqlalchemy import select

from perceptlm.annotate.backups import copy_directory
from perceptlm.annotate.services.releases import stream_rows
from perceptlm.annotate.store.audit import head_of
from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.tables import AuditEvent, Submission


def publish(service):
    """Publish a release of three items and return its id."""
    service.add_items(*(service.choice(f"r{number}") for number in range(3)))
    service.work_off("ann", "bob")
    service.refit()
    release = service.person("man").post("/api/v1/projects/p/releases", json={"purpose": "test"})
    assert release.status_code == 201, release.text
    published = service.person("sue").post(f"/api/v1/releases/{release.json()['id']}/approve")
    assert published.json()["num_rows"] == 3
    return release.json()["id"]


def copy(fresh, directory, url, out):
    """Copy a data directory as an operator would, and return the URL of the copy's database."""
    if fresh.kind == "sqlite":
        copy_directory(directory.path, out)
        return f"sqlite:///{out / 'annotate.db'}"
    _, restored = fresh.directory(name="restored", is_filled=False)
    programs, dump = folder_of_programs(), out.with_suffix(".dump")
    subprocess.run([programs / "pg_dump", "-Fc", "-f", dump, url], check=True, capture_output=True)
    subprocess.run([programs / "pg_restore", "-d", restored, "--exit-on-error", dump], check=True, capture_output=True)
    return restored


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_copy_made_under_load_is_the_record_of_one_moment(fresh_of, kind, launcher, tmp_path):
    fresh = fresh_of(kind)
    service = fresh.service()
    release_id = publish(service)
    service.add_items(*(service.choice(f"c{number}") for number in range(30)))
    directory, url = service.directory, fresh.urls[service.directory]
    names = ("ann", "bob", "cat")
    with Crowd({name: service.user_ids[name] for name in names}, seed=5) as crowd:
        crowd.connect(launcher.start(directory.path, url))
        work = crowd.start()
        crowd.wait_for(2)
        before = crowd.told()
        copied = copy(fresh, directory, url, tmp_path / "copy")
        crowd.wait_for(2)
        work.join(stop=True)
        launcher.kill()
        assert crowd.strange() == []
    live, restored = Database(url), Database(copied)
    try:
        assert restored.read(problems) == []
        assert restored.read(lambda s: missing(s, before)) == []
        seq, head = restored.read(head_of)
        assert live.read(lambda s: s.get_one(AuditEvent, seq).hash) == head
        payloads = select(Submission.id, Submission.client_op_id, Submission.payload).order_by(Submission.id)
        kept = restored.read(lambda s: s.execute(payloads).all())
        all_of_them = live.read(lambda s: s.execute(payloads).all())
        assert kept == all_of_them[: len(kept)]
        assert len(before) <= len(kept) - 6 < len(all_of_them) - 6
        rows = b"".join(stream_rows(restored, release_id))
        assert rows == b"".join(stream_rows(live, release_id))
        assert rows.count(b"\n") == 3
    finally:
        live.close()
        restored.close()


@pytest.mark.slow
def test_the_log_is_intact_whenever_it_is_asked_also_while_people_work(fresh_of, launcher):
    fresh = fresh_of("postgresql")
    service = fresh.service()
    service.add_items(*(service.choice(f"c{number}") for number in range(30)))
    url = fresh.urls[service.directory]
    with Crowd({name: service.user_ids[name] for name in ("ann", "bob", "cat")}, seed=6) as crowd:
        crowd.connect(launcher.start(service.directory.path, url))
        work = crowd.start()
        database = Database(url)
        for _ in range(10):
            assert database.read(problems) == []
        database.close()
        work.join(stop=True)
        launcher.kill()
        assert crowd.strange() == []
