"""A server with two projects in the middle of their work, for tests that attack it; made once, by the HTTP API.

Project `p` has work of every kind under way, gold, other people's answers and drafts, releases and a webhook; project
`q` belongs to other people. Words that somebody must never see are marked, so that a test can search answers for them.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from annotation_service import FAST, Person, Service
from PIL import Image
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.projects import project_named
from perceptlm.annotate.services.revocations import disable_user
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.services.setup import SERVICE_ACTIONS, add_key
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.database import Database
from perceptlm.media.write_video import write_video

EXPECTED, PROPOSED, ANSWERED, DRAFTED = "expected-7f3a91", "proposed-55d0aa", "answered-91c2bb", "drafted-3e1fcc"
FOREIGN = "foreign-c0ffee"
MARKS = (EXPECTED, PROPOSED, ANSWERED, DRAFTED, FOREIGN)
PASSWORD = "correct horse battery"
PACK = "surgery-demo"
COLUMNS = ("none", "out", "own", "man", "ann", "ver", "exp", "aud", "key", "qkey")
"""Who calls: nobody, somebody without a role, the roles, an API key of this project, one of another."""


class FrozenDatabase(Database):
    """Does every write up to its end and then takes it back, so that each request meets the same state."""

    is_frozen = False

    @contextmanager
    def session(self, *, writes: bool, gold: bool = False) -> Iterator[Session]:
        """Yield a session as `Database` does; with `is_frozen`, nothing of it stays."""
        with super().session(writes=writes, gold=gold) as session:
            yield session
            if writes and self.is_frozen:
                session.flush()
                session.rollback()


@dataclass
class World:
    """The server, tokens of everybody, and the numbers of things by name."""

    service: Service
    tokens: dict[str, dict[str, str]]
    ids: dict[str, int]
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TestClient(self.service.app, base_url="http://testserver", raise_server_exceptions=False)
        self.client.__enter__()

    def ask(self, who: str, method: str, path: str, **options: Any) -> Any:
        """Send one request as somebody of COLUMNS or of the people; nothing is kept between requests."""
        self.client.cookies.clear()
        headers = {**self.tokens.get(who, {}), **options.pop("headers", {})}
        url = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.request(method, url, headers=headers, follow_redirects=False, **options)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within this, what is written stays."""
        database = self.service.database
        assert isinstance(database, FrozenDatabase)
        database.is_frozen = False
        try:
            yield
        finally:
            database.is_frozen = True

    def close(self) -> None:
        """Close everything."""
        self.client.__exit__()
        self.service.close()


def open_service(folder: Path) -> Service:
    """Open a filled directory with a clock that stands still."""
    clock = ManualClock()
    directory = DataDirectory.create(folder)
    server = Server(directory, FrozenDatabase(directory.database_url, clock), FAST, directory.secret())
    return Service(server, clock, directory)


def copy_of(world: World, folder: Path) -> World:
    """Return a world of its own with the same content, in which writes stay."""
    shutil.copytree(world.service.directory.path, folder)
    service = open_service(folder)
    service.asset_id = world.ids["asset"]
    return World(service, world.tokens, world.ids)


def make_world(folder: Path) -> World:
    """Fill the service in `folder`, which holds a database as `annotation_service.fill` leaves it."""
    service = open_service(folder)
    ids = _work_of_p(service)
    ids |= _media(service, folder) | _records(service)
    ids |= _project_q(service)
    keys = {
        "key": add_key(service.server, "own", "p", "all", SERVICE_ACTIONS, 30),
        "qkey": add_key(service.server, "own", "q", "all", SERVICE_ACTIONS, 30),
    }
    tokens = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
    for name in ("own", "out", "man", "sue", "ann", "bob", "cat", "ver", "exp", "aud", "qman", "qann"):
        tokens[name] = token_headers(service.person(name))
    database = service.database
    assert isinstance(database, FrozenDatabase)
    disable_user(database, SERVER, "dis")
    database.write(lambda session: setattr(project_named(session, "p"), "pack", PACK))  # for its pictures
    ids |= {f"user:{name}": number for name, number in service.user_ids.items()}
    ids["key"] = service.person("own").get("/api/v1/projects/p/keys").json()["keys"][0]["id"]
    database.is_frozen = True
    return World(service, tokens, ids)


def token_headers(person: Person) -> dict[str, str]:
    """Return what a request of a signed-in browser carries."""
    return {"Cookie": f"plm_session={person.cookies['plm_session']}", "X-CSRF-Token": person.headers["X-CSRF-Token"]}


def picture_bytes(colour: tuple[int, int, int] = (200, 10, 10), format: str = "PNG") -> bytes:
    """Return a small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(buffer, format=format)
    return buffer.getvalue()


def _done(person: Person, payload: dict[str, Any]) -> dict[str, Any]:
    assignment = person.next()
    assert assignment is not None
    answer = person.submit(assignment, payload)
    assert answer.status_code == 201, answer.text
    return assignment


def _work_of_p(service: Service) -> dict[str, int]:
    """Bring work of every kind about in `p`; each role that works holds a lease at the end."""
    ids: dict[str, int] = {"asset": service.asset_id}
    ann, bob, man, sue, own = (service.person(name) for name in ("ann", "bob", "man", "sue", "own"))
    service.policy(most_labels=2)
    ids["released"], ids["accepted"] = (entry["id"] for entry in service.add_items(*map(service.choice, "ab")))
    service.work_off("ann", "bob")
    service.refit()
    ids["split"] = service.add_items(service.choice("split"))[0]["id"]
    for number, person in enumerate((ann, bob)):
        _done(person, {"choice": number})
    service.refit()
    soon = service.clock.now_ms() + 30 * 86_400_000
    credential = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64, "expires_at": soon}
    made = own.post(f"/api/v1/users/{service.user_ids['exp']}/credentials", json=credential)
    assert made.status_code == 201
    ids["credential"] = made.json()["id"]
    ids["reviewed"] = service.add_items(_fgqa(service, "reviewed"))[0]["id"]
    service.work_off("ann", "bob")
    ids["open"], ids["gold"], ids["waiting"] = (
        entry["id"] for entry in service.add_items(*map(service.choice, ("open", "gold", "waiting")))
    )
    gold = {"gold": {"expected": {"choice": 1, "note": EXPECTED}}}
    assert man.put("/api/v1/projects/p/gold", json=gold).status_code == 202
    assert sue.post("/api/v1/projects/p/gold/approve", json={}).status_code == 200
    waiting = {"waiting": {"expected": {"choice": 0, "note": EXPECTED}}}
    assert sue.put("/api/v1/projects/p/gold", json=waiting).status_code == 202
    ids["answered"] = service.add_items(_fgqa(service, "answered", priority=9))[0]["id"]
    blind = {"answer": ANSWERED, "evidence": {"start": 0, "end": 3}}
    _done(bob, blind)
    _done(ann, {**blind, "answer": "a cat"})
    for name in ("ann", "bob", "ver", "exp"):
        lease = service.person(name).next()
        assert lease is not None
        ids[f"lease:{name}"], ids[f"fence:{name}"] = lease["id"], lease["fence"]
        if name == "ann":
            assert lease["step"] == "compare"
            ids["proposal:ann"], ids["other:ann"] = lease["proposal"]["id"], lease["item"]["history"][0]["id"]
    draft = {"body": {"text": DRAFTED}}
    assert bob.put(f"/api/v1/assignments/{ids['lease:bob']}/draft", json=draft, headers={"If-Match": "0"}).is_success
    return ids


def _fgqa(service: Service, key: str, **changes: Any) -> dict[str, Any]:
    entry = service.fgqa(key, step="blind_answer", **changes)
    entry["proposals"][0]["text"] = PROPOSED if key == "answered" else "a cat"
    return entry


def _media(service: Service, folder: Path) -> dict[str, int]:
    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    write_video(folder / "v.mp4", frames, 10)
    content = (folder / "v.mp4").read_bytes()
    (folder / "v.mp4").unlink()
    found = {}
    for name, data in (("video", content), ("picture", picture_bytes())):
        answer = service.person("man").post("/api/v1/projects/p/assets", files={"file": (name, data)})
        assert answer.status_code == 201, answer.text
        found[name] = answer.json()["id"]
    return found


def _records(service: Service) -> dict[str, int]:
    """Return a published release, a draft of one, and a webhook."""
    man, sue = service.person("man"), service.person("sue")
    first = man.post("/api/v1/projects/p/releases", json={"purpose": "training"}).json()["id"]
    assert sue.post(f"/api/v1/releases/{first}/approve").status_code == 200
    draft = sue.post("/api/v1/projects/p/releases", json={"purpose": "test"}).json()["id"]
    answer = man.post("/api/v1/projects/p/webhooks", json={"url": "https://hooks.example/in", "events": ["item.moved"]})
    assert answer.status_code == 201, answer.text
    # What was accepted since can be reported; what was released before as well.
    return {"published": first, "draft_release": draft, "webhook": answer.json()["id"]}


def _project_q(service: Service) -> dict[str, int]:
    """Make another project with people of its own; `dis` is somebody who is disabled later."""
    own = service.person("own")
    assert own.post("/api/v1/projects", json={"slug": "q", "title": FOREIGN}).status_code == 201
    for name, role in (("qman", "manager"), ("qann", "annotator"), ("dis", "annotator")):
        made = own.post("/api/v1/users", json={"name": name, "password": PASSWORD})
        assert made.status_code == 201, made.text
        service.user_ids[name] = made.json()["id"]
        assert own.post("/api/v1/projects/q/members", json={"user": name, "role": role}).status_code == 201
    man = service.person("qman")
    files = {"file": ("x", picture_bytes((1, 2, 3)))}
    asset = man.post("/api/v1/projects/q/assets", files=files, data={"licence": FOREIGN}).json()
    entry = {**service.choice(f"{FOREIGN}-{0}"), "asset_id": asset["id"], "question": FOREIGN}
    entries = [entry, {**entry, "key": f"{FOREIGN}-1"}]
    items = man.post("/api/v1/projects/q/items", json={"items": entries}).json()["items"]
    lease = service.person("qann").post("/api/v1/projects/q/next", json={}).json()
    return {"q:asset": asset["id"], "q:item": items[0]["id"], "q:lease": lease["id"], "q:fence": lease["fence"]}
