"""What is kept: the audit log and its tampering, rows the database will not change, gold, releases, webhooks."""

from __future__ import annotations

import hashlib
import itertools
import json
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from PIL import Image
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError

from perceptlm.annotate.api.bodies import NewItem
from perceptlm.annotate.deliveries import deliver_due, signature, signing_key
from perceptlm.annotate.egress import EgressRefused
from perceptlm.annotate.frames.identity import identify
from perceptlm.annotate.refusals import Unavailable
from perceptlm.annotate.services import release_drawing, releases
from perceptlm.annotate.services.assets import Upload, add_assets
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.items import add_items
from perceptlm.annotate.services.projects import project_named
from perceptlm.annotate.store import audit
from perceptlm.annotate.store.gold_guard import GoldReached
from perceptlm.annotate.store.tables import APPEND_ONLY, Delivery, GoldItem


@pytest.fixture
def labelled(service):
    """A service with two accepted items."""
    service.add_items(service.choice("a"), service.choice("b"))
    service.work_off("ann", "bob")
    service.refit()
    return service


def _without_triggers(service, statement):
    """Do what only somebody with the database in their hands can."""
    with service.database.engine.connect() as connection:
        if service.database.is_sqlite:
            for name in (
                connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            ):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(statement))
        connection.commit()
        connection.invalidate()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_events SET actor = 'user:9' WHERE seq = 5", "altered"),
        ("DELETE FROM audit_events WHERE seq = 5", "missing"),
        ("DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)", "cut off"),
        ("UPDATE submissions SET payload = '{}' WHERE id = 1", "submission 1 was altered"),
    ],
)
def test_tampering_is_found(labelled, statement, problem):
    assert labelled.is_intact()
    _without_triggers(labelled, statement)
    report = labelled.database.read(audit.verify)
    assert not report.is_intact
    assert problem in report.problem


def test_the_database_itself_refuses_to_change_records(labelled):
    for table in APPEND_ONLY:
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET created_at = 1"):
            statement = statement.replace("created_at", "at") if table == "audit_events" else statement
            statement = statement.replace("created_at = 1", "row_version = 1") if table == "release_rows" else statement
            statement = statement.replace("created_at", "shown_at") if table == "proposal_views" else statement
            empty = labelled.database.read(
                lambda s, t=table: s.execute(text(f"SELECT count(*) FROM {t}")).scalar() == 0
            )
            if not empty:
                with (
                    pytest.raises(DBAPIError, match="never changed"),
                    labelled.database.session(writes=True) as session,
                ):
                    session.execute(text(statement))


def test_gold_cannot_be_named_by_a_transaction_that_was_not_opened_for_it(service):
    for work in (lambda s: s.scalars(select(GoldItem)).all(), lambda s: s.execute(text('SELECT 1 FROM "GOLD_items"'))):
        with pytest.raises(GoldReached):
            service.database.read(work)
    assert service.database.read(lambda s: s.scalars(select(GoldItem)).all(), gold=True) == []
    # Text of people is bound, not part of a statement: it neither sets it off nor gets round it.
    assert service.add_items(service.choice("a", question="what is in gold_items?"))


def test_gold_needs_two_people_and_looks_like_any_other_item(service):
    service.policy(gold_rate=0.5, first_labels=1, most_answers=1)
    service.server.settings = service.server.settings.model_copy(update={"rescan_seconds": 1e6})
    service.add_items(*(service.choice(f"k{n}") for n in range(12)), service.choice("g"))
    man, sue = service.person("man"), service.person("sue")
    body = {"g": {"expected": {"choice": 1}, "planted_wrong": False}}
    assert man.put("/api/v1/projects/p/gold", json=body).status_code == 202
    own = man.post("/api/v1/projects/p/gold/approve", json={})
    assert (own.status_code, own.json()["error"]["code"]) == (409, "second_person_needed")
    assert sue.post("/api/v1/projects/p/gold/approve", json={}).status_code == 200
    shapes, keys = set(), []
    for name in ("ann", "bob"):
        for _ in range(6):
            assignment = service.person(name).next()
            assert "gold" not in json.dumps(assignment)
            shapes.add((frozenset(assignment), frozenset(assignment["item"])))
            keys.append(assignment["item"]["id"])
            assert service.person(name).submit(assignment, {"choice": 1}).status_code == 201
    assert keys.count(13) == 2, "each person gets it once"
    assert len(set(keys)) == 11, "and no ordinary item is passed over for it"
    assert len(shapes) == 1
    service.refit()
    assert service.state(13) == "open", "gold is never finished"
    shown = man.get("/api/v1/projects/p/gold").json()
    assert shown["gold"] == {"g": {**body["g"], "step": "choice", "distractor": None}}
    assert service.is_intact()


def test_a_release_is_frozen_published_by_another_person_and_streamed(labelled):
    service = labelled
    man, sue = service.person("man"), service.person("sue")
    drawn = man.post("/api/v1/projects/p/releases", json={"purpose": "training"}).json()
    assert (drawn["state"], drawn["num_rows"]) == ("draft", 2)
    assert man.post(f"/api/v1/releases/{drawn['id']}/approve").json()["error"]["code"] == "second_person_needed"
    assert sue.post(f"/api/v1/releases/{drawn['id']}/approve").json()["state"] == "published"
    rows = man.get(f"/api/v1/releases/{drawn['id']}/rows")
    assert hashlib.sha256(rows.content).hexdigest() == drawn["rows_sha256"]
    found = [json.loads(line) for line in rows.text.splitlines()]
    assert [row["derived"]["choice"] for row in found] == [1, 1]
    assert all(f'"{name}"' not in rows.text for name in ("ann", "bob"))
    assert sue.post(f"/api/v1/releases/{drawn['id']}/approve").status_code == 409
    item = found[0]["item"]
    answer = service.person("ann").post(f"/api/v1/projects/p/items/{item}/report", json={"reason": "wrong"})
    assert answer.json() == {"id": item}
    assert service.state(item) == "open"
    assert man.get(f"/api/v1/releases/{drawn['id']}").json()["errata"] == [found[0]["key"]]
    assert man.get(f"/api/v1/releases/{drawn['id']}/rows").content == rows.content
    again = man.post("/api/v1/projects/p/releases", json={"purpose": "training, mended"}).json()
    assert sue.post(f"/api/v1/releases/{again['id']}/approve").json()["num_rows"] == 1
    done = man.post(f"/api/v1/releases/{drawn['id']}/supersede", json={"reason": "an error"})
    assert done.json()["state"] == "superseded"
    kept = found[1]["item"]
    assert [service.state(number) for number in (item, kept)] == ["open", "released"], "another one carries it"
    man.post(f"/api/v1/releases/{again['id']}/supersede", json={"reason": "another"})
    assert service.state(kept) == "superseded"
    last = man.post("/api/v1/projects/p/releases", json={"purpose": "once more"}).json()
    assert sue.post(f"/api/v1/releases/{last['id']}/approve").json()["state"] == "published"
    assert service.state(kept) == "released", "and carries it again"
    assert man.get(f"/api/v1/releases/{last['id']}").json()["errata"] == []
    assert man.post(f"/api/v1/releases/{drawn['id']}/supersede", json={"reason": "again"}).status_code == 409
    assert service.is_intact()


def test_a_release_that_was_left_half_drawn_is_unseen_and_finished_by_the_worker(labelled, monkeypatch):
    """As where the server is killed: nothing but what was committed is there, and the next server goes on with it."""
    man, sue, server = labelled.person("man"), labelled.person("sue"), labelled.server
    monkeypatch.setattr(release_drawing, "CHUNK", 1)
    keep, seal, settle, written = release_drawing._keep, release_drawing._seal, releases.settle, []

    def killed(*arguments):
        if written:
            raise Unavailable("unavailable", "killed here")
        written.append(keep(*arguments))

    monkeypatch.setattr(release_drawing, "_keep", killed)
    assert man.post("/api/v1/projects/p/releases", json={"purpose": "t"}).status_code == 503
    monkeypatch.setattr(release_drawing, "_keep", keep)
    monkeypatch.setattr(release_drawing, "_seal", lambda *arguments: True)
    releases.resume(server)
    assert man.get("/api/v1/projects/p/releases").json()["releases"] == []
    assert [man.get(f"/api/v1/releases/1{part}").status_code for part in ("", "/rows")] == [404, 404]
    assert sue.post("/api/v1/releases/1/approve").status_code == 404
    monkeypatch.setattr(release_drawing, "_seal", seal)
    releases.resume(server)
    (drawn,) = man.get("/api/v1/projects/p/releases").json()["releases"]
    assert (drawn["state"], drawn["num_rows"], drawn["purpose"]) == ("draft", 2, "t")
    rows = man.get("/api/v1/releases/1/rows").content
    assert hashlib.sha256(rows).hexdigest() == drawn["rows_sha256"]
    monkeypatch.setattr(releases, "settle", lambda *arguments: None)
    assert sue.post("/api/v1/releases/1/approve").json()["state"] == "published"
    assert labelled.state(1) == "accepted"
    monkeypatch.setattr(releases, "settle", settle)
    releases.resume(server)
    assert labelled.state(1) == "released"
    assert labelled.is_intact()
    monkeypatch.setattr(release_drawing, "row_bodies", lambda *arguments: {}["a fault of the program"])
    assert man.post("/api/v1/projects/p/releases", json={"purpose": "t"}).status_code == 500
    releases.resume(server)
    assert len(man.get("/api/v1/projects/p/releases").json()["releases"]) == 1, "one that failed is not tried for ever"


def test_a_row_that_another_server_writes_as_a_release_is_sealed_is_counted(labelled, monkeypatch):
    labelled.add_items(labelled.choice("late"))
    labelled.work_off("ann", "bob")
    database, pages, found = labelled.database, release_drawing.row_pages, []

    def pages_and_then_a_row(*arguments):
        yield from pages(*arguments)
        if not found:
            found.append(labelled.refit())
            rows = database.read(lambda session: release_drawing._next_rows(session, 1, labelled.server.secret))
            database.write(lambda session: release_drawing._keep(session, 1, *rows))

    monkeypatch.setattr(release_drawing, "row_pages", pages_and_then_a_row)
    drawn = labelled.person("man").post("/api/v1/projects/p/releases", json={"purpose": "t"}).json()
    rows = labelled.person("man").get("/api/v1/releases/1/rows").content
    assert (drawn["num_rows"], rows.count(b"\n")) == (3, 3)
    assert hashlib.sha256(rows).hexdigest() == drawn["rows_sha256"]


def test_a_release_that_is_published_while_another_is_superseded_keeps_its_items(labelled, monkeypatch):
    man, sue, write = labelled.person("man"), labelled.person("sue"), releases.write_moves
    drawn = [man.post("/api/v1/projects/p/releases", json={"purpose": "t"}).json()["id"] for _ in range(2)]
    assert sue.post(f"/api/v1/releases/{drawn[0]}/approve").json()["state"] == "published"
    with ThreadPoolExecutor(1) as pool:
        published = []

        def meanwhile(*arguments):
            if not published:
                published.append(pool.submit(sue.post, f"/api/v1/releases/{drawn[1]}/approve"))
                wait(published, 0.5)
            write(*arguments)

        monkeypatch.setattr(releases, "write_moves", meanwhile)
        assert man.post(f"/api/v1/releases/{drawn[0]}/supersede", json={"reason": "r"}).json()["state"] == "superseded"
        assert published[0].result().json()["state"] == "published"
    assert [labelled.state(number) for number in (1, 2)] == ["released"] * 2
    assert labelled.is_intact()


def test_a_release_whose_items_changed_is_not_published(labelled):
    man, sue = labelled.person("man"), labelled.person("sue")
    drawn = man.post("/api/v1/projects/p/releases", json={"purpose": "t"}).json()
    item = man.get("/api/v1/projects/p/items").json()["items"][0]["id"]
    man.post(f"/api/v1/projects/p/items/{item}/report", json={"reason": "wrong"})
    answer = sue.post(f"/api/v1/releases/{drawn['id']}/approve")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "release_stale")
    states = {entry["state"] for entry in man.get("/api/v1/projects/p/items").json()["items"]}
    assert states == {"open", "accepted"}, "none was released"


def test_a_reported_item_is_answered_anew_whatever_an_expert_had_said(service):
    credential = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64,
                  "expires_at": service.clock.now_ms() + 10**9}  # fmt: skip
    own = service.person("own")
    assert own.post(f"/api/v1/users/{service.user_ids['exp']}/credentials", json=credential).status_code == 201
    service.policy(audit_share=1)
    (item,) = service.add_items(service.choice("a"))
    service.work_off("ann", "bob")
    service.refit()
    assert service.work_off("exp") == ["expert"]
    assert service.state(item["id"]) == "accepted"
    body = {"reason": "wrong"}
    answer = service.person("ann").post(f"/api/v1/projects/p/items/{item['id']}/report", json=body)
    assert answer.status_code == 200
    assert service.state(item["id"]) == "open"
    assert service.work_off("cat") == ["choice"]
    assert service.state(item["id"]) == "open"


def test_an_illegal_move_is_refused(labelled):
    item = labelled.person("man").get("/api/v1/projects/p/items").json()["items"][0]["id"]
    answer = labelled.person("man").post(f"/api/v1/projects/p/items/{item}/discard", json={"reason": "no"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "illegal_move")


def test_webhooks_are_told_with_a_signature_and_tried_again(service):
    man = service.person("man")
    body = {"url": "http://hooks.example/in", "events": ["item.moved"]}
    made = man.post("/api/v1/projects/p/webhooks", json=body).json()
    assert made["signing_key"] == signing_key(service.server.secret, made["id"])
    service.add_items(service.choice("a"))
    sent = []

    def fail(url, body, headers, settings):
        raise EgressRefused("nobody there")

    def send(url, body, headers, settings):
        sent.append((url, body, headers))
        return 200

    assert deliver_due(service.server, fail) == 0
    assert deliver_due(service.server, send) == 0, "not yet again"
    service.clock.move_seconds(61)
    assert deliver_due(service.server, send) == 2
    url, content, headers = sent[0]
    assert url == body["url"]
    expected = signature(made["signing_key"], int(headers["X-PLM-Timestamp"]), content)
    assert headers["X-PLM-Signature"] == expected
    assert json.loads(content)["data"]["event"] == "screen"
    shown = man.get("/api/v1/projects/p/webhooks").json()["webhooks"][0]
    assert shown["deliveries"] == {"delivered": 2}
    assert "signing_key" not in shown


def test_a_webhook_that_never_answers_is_given_up(sqlite_service):
    service = sqlite_service
    body = {"url": "https://hooks.example/in", "events": ["item.moved"]}
    service.person("man").post("/api/v1/projects/p/webhooks", json=body)
    service.add_items(service.choice("a"))

    def fail(url, body, headers, settings):
        raise EgressRefused("nobody there")

    for _ in range(service.server.settings.delivery_attempts + 2):
        deliver_due(service.server, fail)
        service.clock.move_seconds(100_000)
    states = service.database.read(lambda s: s.execute(select(Delivery.state, Delivery.num_attempts)).all())
    assert {tuple(row) for row in states} == {("failed", service.server.settings.delivery_attempts)}


def test_the_same_key_again_changes_nothing_and_another_content_is_refused(service):
    first = service.add_items(service.choice("a"))[0]
    again = service.add_items(service.choice("a"))[0]
    assert (again["id"], again["is_new"]) == (first["id"], False)
    man = service.person("man")
    other = man.post("/api/v1/projects/p/items", json={"items": [service.choice("b"), service.choice("a", priority=3)]})
    assert (other.status_code, other.json()["error"]["field"]) == (409, "items.1.key")
    assert len(man.get("/api/v1/projects/p/items").json()["items"]) == 1, "all or none"


def test_many_items_and_assets_are_taken_in_with_as_many_statements_as_few(service, tmp_path):
    """Counted below everything: a thousand items once took forty thousand statements."""
    counts = []
    count = event.listens_for(service.database.engine, "before_cursor_execute")
    count(lambda *statement: counts.append(statement[2]))
    caller, number = Caller(service.user_ids["man"]), itertools.count()

    def taken_in(size):
        entries = [NewItem(**service.fgqa(f"k{next(number)}", priority=k % 2)).to_dict() for k in range(size)]
        uploads = [Upload(tmp_path / "none", "image", identity) for _ in range(size)]
        for upload in uploads:
            upload.sha256 = f"{next(number):064x}"

        def work(session):
            project = project_named(session, "p")
            items = add_items(session, caller, project, entries)
            assert [asset.id for asset, _ in add_assets(session, caller, project, uploads, "CC0-1.0")]
            return items

        counts.clear()
        found = service.database.write(work)
        assert [entry["key"] for entry in found] == [entry["key"] for entry in entries]
        return len(counts)

    Image.new("RGB", (8, 6)).save(tmp_path / "none", format="PNG")
    identity = identify(tmp_path / "none")
    first = taken_in(2)
    assert taken_in(30) <= first < 40
    assert service.is_intact()
    assert service.person("ann").next()["item"]["question"] == "What is it?"
