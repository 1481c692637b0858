"""A server of the annotation service with people, a project and media, for tests; and what people do in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from starlette.testclient import TestClient

from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.projects import create_project, project_named, set_member, set_policy
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.services.users import create_user, hashed, user_named
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.audit import SERVER, Actor
from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.tables import Asset, FrameTableRow, User

PASSWORD = "correct horse battery"
FAST = Settings(argon2_time_cost=1, argon2_memory_kib=8, rescan_seconds=0, allow_plain_http=True)
TABLE_HASH = "f" * 64
NUM_FRAMES = 12
ROLES = {
    "ann": "annotator", "bob": "annotator", "cat": "annotator", "ver": "verifier", "exp": "expert", "man": "manager",
    "sue": "manager", "aud": "auditor",
}  # fmt: skip
_HASH = hashed(PASSWORD, "-", FAST)


class Person(TestClient):
    """A browser with somebody signed in."""

    def __init__(self, service: Service, name: str) -> None:
        super().__init__(service.app, base_url="http://testserver")
        self.__enter__()  # one event loop for all of its requests, until the service is closed
        self.name = name
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in, for the first time or again."""
        answer = self.post("/api/v1/sessions", json={"name": self.name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.headers["X-CSRF-Token"] = answer.json()["csrf_token"]

    def next(self, *steps: str) -> dict[str, Any] | None:
        """Ask for the next assignment of the project `p`."""
        answer = self.post("/api/v1/projects/p/next", json={"steps": list(steps) or None})
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.status_code == 200 else None

    def submit(self, assignment: dict[str, Any], payload: dict[str, Any], **changes: Any) -> Any:
        """Submit for an assignment and return the response."""
        body = {
            "client_op_id": str(uuid.uuid4()),
            "fence": assignment["fence"],
            "payload": payload,
            "frame_table_hash": TABLE_HASH,
            "guideline_version": 1,
            "active_seconds": 2.0,
            **changes,
        }
        return self.post(f"/api/v1/assignments/{assignment['id']}/submissions", json=body)

    def work(self, payload: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]] | None:
        """Do the next piece of work; return its step and the answer to the submission."""
        assignment = self.next()
        if assignment is None:
            return None
        answer = self.submit(assignment, payload or usual_payload(assignment))
        assert answer.status_code == 201, answer.text
        return assignment["step"], answer.json()


def usual_payload(assignment: dict[str, Any]) -> dict[str, Any]:
    """Return what an agreeable person would submit."""
    item = assignment["item"]
    others = [{"submission_id": entry["id"], "same_meaning": True} for entry in item["history"] if not entry["is_own"]]
    distractor = (item["distractor"] or {}).get("id")
    proposal = (assignment["proposal"] or {}).get("id")
    payloads: dict[str, dict[str, Any]] = {
        "question_check": {"verdict": "valid"},
        "blind_answer": {"answer": "a cat", "evidence": {"start": 0, "end": 3}},
        "compare": {"proposal_id": proposal, "same_meaning": True, "others": others},
        "distractor": {"distractor_id": distractor, "verdict": "certainly_false"},
        "choice": {"choice": 1},
        "ceiling": {"choice": 0},
        "review": {"verdict": "accept"},
        "expert": {"choice": 1, "rationale": "It can be seen.", "reason": "other"},
    }
    return payloads[assignment["step"]]


def fill(session: Any) -> None:
    """Put people, a project and a video into a migrated database."""
    user_ids: dict[str, int] = {}
    for name in ("own", "out", *ROLES):
        user = create_user(session, SERVER, name, _HASH, is_owner=name == "own")
        user_ids[name] = user.id
    owner = Actor.user(user_ids["own"])
    project = create_project(session, owner, "p", "Project", "plain", "blind_first")
    for name, role in ROLES.items():
        set_member(session, Caller(user_ids["own"]), project, name, role)
    policy = Policy(audit_share=0, ceiling_share=0, gold_rate=0)
    set_policy(session, owner, project, policy)
    table = {"kind": "video", "time_base": [1, 10], "pts": list(range(NUM_FRAMES)), "duration": NUM_FRAMES,
             "width": 64, "height": 48, "rotation": 0, "mirrored": False, "decoder": "test"}  # fmt: skip
    session.add(FrameTableRow(hash=TABLE_HASH, body=table))
    session.flush()
    asset = Asset(
        project_id=project.id, sha256="a" * 64, suffix="vid", kind="video", width=64, height=48,
        num_frames=NUM_FRAMES, duration_seconds=1.2, frame_table_hash=TABLE_HASH, licence="CC0-1.0",
        created_by=owner.user_id, created_at=0,
    )  # fmt: skip
    session.add(asset)
    session.flush()


@dataclass
class Service:
    """A server with the project `p`, the people of ROLES, the owner `own`, and the outsider `out`."""

    server: Server
    clock: ManualClock
    directory: DataDirectory
    asset_id: int = 0
    user_ids: dict[str, int] = field(default_factory=dict)
    _people: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app = make_app(self.server)
        self.database: Database = self.server.database

        def look(session: Any) -> None:
            self.user_ids = {user.name: user.id for user in session.scalars(select(User))}
            self.asset_id = session.scalar(select(Asset.id))

        self.database.read(look)

    def person(self, name: str) -> Person:
        """Return somebody's browser, signed in once."""
        if name not in self._people:
            self._people[name] = Person(self, name)
        return self._people[name]

    def policy(self, **changes: Any) -> None:
        """Change the policy of the project."""
        values = {"audit_share": 0, "ceiling_share": 0, "gold_rate": 0, **changes}
        owner = Actor.user(self.user_ids["own"])
        self.database.write(lambda s: set_policy(s, owner, project_named(s, "p"), Policy(**values)))

    def add_items(self, *entries: dict[str, Any], by: str = "man") -> list[dict[str, Any]]:
        """Add items; `choice` and `fgqa` below make entries."""
        answer = self.person(by).post("/api/v1/projects/p/items", json={"items": list(entries)})
        assert answer.status_code == 201, answer.text
        return answer.json()["items"]

    def choice(self, key: str, **changes: Any) -> dict[str, Any]:
        """Return an item that is a choice of two."""
        return {"key": key, "asset_id": self.asset_id, "domain": "general", "question": "Which?",
                "options": ["left", "right"], "step": "choice", **changes}  # fmt: skip

    def fgqa(self, key: str, **changes: Any) -> dict[str, Any]:
        """Return an item with a free answer, a proposal and two distractors."""
        model = {"name": "m", "revision": "1", "licence": "Apache-2.0"}
        proposals = [{"kind": "answer", "text": "a cat", "confidence": 0.9, "model": model}]
        proposals += [{"kind": "distractor", "text": text, "model": model} for text in ("a dog", "a cow")]
        return {"key": key, "asset_id": self.asset_id, "domain": "general", "question": "What is it?",
                "step": "question_check", "proposals": proposals, **changes}  # fmt: skip

    def work_off(self, *names: str) -> list[str]:
        """Let people work in turn until nobody gets anything; return the steps that were done."""
        steps, idle = [], 0
        while idle < len(names):
            for name in names:
                done = self.person(name).work()
                idle = idle + 1 if done is None else 0
                steps += [] if done is None else [done[0]]
        return steps

    def refit(self) -> dict[str, Any]:
        """Run the quality engine."""
        answer = self.person("man").post("/api/v1/projects/p/refit")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self, item_id: int) -> str:
        """Return the state of an item."""
        return self.person("man").get(f"/api/v1/projects/p/items/{item_id}").json()["state"]

    def is_intact(self) -> bool:
        """Return whether the audit log is."""
        return self.person("own").get("/api/v1/audit/verify").json()["is_intact"]

    def user(self, name: str) -> Any:
        """Return the row of a person."""
        return self.database.read(lambda session: user_named(session, name))

    def close(self) -> None:
        """Close browsers and database."""
        for person in self._people.values():
            person.__exit__()
        self.server.close()
