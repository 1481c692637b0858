"""One valid request for every operation of the interface, against the server of `attacked_service`.

`request_of` fills an operation's path with things that are there: one's own assignment where one has one. An operation
without a request here is an error, so that no new route goes untested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from attacked_service import PACK, PASSWORD, World, picture_bytes

from perceptlm.annotate.packs.load import SHIPPED

HASH = "f" * 64
IN_STEPS = ("POST /api/v1/projects/{project}/releases",)
"""Operations of several transactions, each of which needs what the one before has written."""
OPERATION = "6f1c1a2e-4b5d-4f60-8a1b-2c3d4e5f6071"


@dataclass
class Request:
    """What is sent."""

    path: str
    options: dict[str, Any] = field(default_factory=dict)


def operations(world: World) -> list[tuple[str, str, str]]:
    """Return (method, path, action) of every operation in the OpenAPI document, sorted."""
    found = []
    for path, methods in world.service.app.openapi()["paths"].items():
        found += [(method.upper(), path, operation["x-action"]) for method, operation in methods.items()]
    return sorted(found, key=lambda entry: (entry[1], entry[0]))


def request_of(world: World, method: str, path: str, who: str) -> Request:
    """Return the request for an operation; KeyError for one that is not known here."""
    ids = world.ids
    holder = who if f"lease:{who}" in ids else "ann"
    operation = f"{method} {path.removeprefix('/api/v1')}"
    values = {
        "project": "p",
        "version": "current",
        "asset_id": ids["video"],
        "frame": 0,
        "item_id": ids["released"] if path.endswith("/report") else ids["open"],
        "user_id": ids["user:exp"],
        "credential_id": ids["credential"],
        "key_id": ids["key"],
        "assignment_id": ids[f"lease:{holder}"],
        "release_id": ids["draft_release" if path.endswith("/approve") else "published"],
        "name": sorted(path.name for path in (SHIPPED / PACK / "pictures").iterdir())[0],
    }
    return Request(path.format(**values), _options(world, holder)[operation])


def payload_of(world: World, holder: str) -> dict[str, Any]:
    """Return what the holder of a lease may submit."""
    others = [{"submission_id": world.ids["other:ann"], "same_meaning": True}]
    return {
        "ann": {"proposal_id": world.ids["proposal:ann"], "same_meaning": True, "others": others},
        "bob": {"choice": 0},
        "ver": {"verdict": "accept"},
        "exp": {"choice": 1, "rationale": "It can be seen.", "reason": "other"},
    }[holder]


def _options(world: World, holder: str) -> dict[str, dict[str, Any]]:
    ids = world.ids
    later = world.service.clock.now_ms() + 86_400_000
    fence = {"fence": ids[f"fence:{holder}"]}
    item = {"key": "new", "asset_id": ids["video"], "domain": "general", "question": "?", "step": "blind_answer"}
    proposal = {"kind": "answer", "text": "x", "model": {"name": "m"}}
    said = {"model": {"name": "m"}, "prompt_sha256": HASH}
    refused = {"need": "answer_proposals", "reasons": ["no answer"], **said}
    counts = [{"distractor_id": 1, "num_trials": 4, "num_right": 2}]
    text_only = {"about": HASH, "counts": counts, "num_unreadable": 0, **said}
    gold = {"open": {"expected": {"choice": 0}}}
    submission = {"client_op_id": OPERATION, "payload": payload_of(world, holder), "frame_table_hash": HASH,
                  "guideline_version": 1, "active_seconds": 1.0, **fence}  # fmt: skip
    credential = {"domain": "general", "level": "md", "evidence_sha256": "c" * 64, "expires_at": later}
    return {
        "POST /sessions": {"json": {"name": "ann", "password": PASSWORD}},
        "DELETE /sessions": {},
        "GET /me": {},
        "POST /users": {"json": {"name": "new", "password": PASSWORD}},
        "GET /users/{user_id}/credentials": {},
        "POST /users/{user_id}/credentials": {"json": credential},
        "POST /users/{user_id}/credentials/{credential_id}/revoke": {"json": {"reason": "left"}},
        "GET /projects": {},
        "POST /projects": {"json": {"slug": "new", "title": "New"}},
        "GET /projects/{project}": {},
        "GET /projects/{project}/guidelines/{version}": {},
        "POST /projects/{project}/guidelines": {"json": {"markdown": "# New"}},
        "GET /projects/{project}/guideline-pictures/{name}": {},
        "GET /projects/{project}/policy": {},
        "POST /projects/{project}/policy": {"json": {"policy": {}}},
        "GET /projects/{project}/members": {},
        "POST /projects/{project}/members": {"json": {"user": "out", "role": "annotator"}},
        "POST /projects/{project}/members/{user_id}/remove": {"json": {"reason": "left"}},
        "GET /projects/{project}/keys": {},
        "POST /projects/{project}/keys/{key_id}/revoke": {"json": {"reason": "lost"}},
        "POST /projects/{project}/assets": {"files": {"file": ("x.png", picture_bytes((0, 0, 9)))}},
        "GET /assets/{asset_id}": {},
        "GET /assets/{asset_id}/frame-table": {},
        "GET /assets/{asset_id}/frames/{frame}": {},
        "GET /assets/{asset_id}/video": {},
        "POST /projects/{project}/items": {"json": {"items": [item]}},
        "GET /projects/{project}/items": {},
        "GET /projects/{project}/items/{item_id}": {},
        "POST /projects/{project}/items/{item_id}/proposals": {"json": {"proposals": [proposal]}},
        "GET /projects/{project}/needs": {"params": {"need": "answer_proposals"}},
        "POST /projects/{project}/items/{item_id}/refusals": {"json": refused},
        "POST /projects/{project}/items/{item_id}/text-only": {"json": text_only},
        "POST /projects/{project}/items/{item_id}/report": {"json": {"reason": "wrong"}},
        "POST /projects/{project}/items/{item_id}/discard": {"json": {"reason": "useless"}},
        "GET /projects/{project}/gold": {},
        "PUT /projects/{project}/gold": {"json": gold},
        "POST /projects/{project}/gold/approve": {"json": {}},
        "PUT /projects/{project}/calibration": {"json": gold},
        "POST /projects/{project}/next": {"json": {}},
        "GET /assignments/{assignment_id}": {},
        "POST /assignments/{assignment_id}/heartbeat": {"json": fence},
        "POST /assignments/{assignment_id}/release": {"json": {**fence, "reason": "tired"}},
        "POST /assignments/{assignment_id}/reveal": {"json": fence},
        "GET /assignments/{assignment_id}/draft": {},
        "PUT /assignments/{assignment_id}/draft": {"json": {"body": {}}, "headers": {"If-Match": '"0"'}},
        "POST /assignments/{assignment_id}/submissions": {"json": submission},
        "POST /projects/{project}/refit": {},
        "GET /projects/{project}/choices": {},
        "GET /projects/{project}/dashboard": {},
        "GET /projects/{project}/queue": {},
        "GET /projects/{project}/releases": {},
        "POST /projects/{project}/releases": {"json": {"purpose": "x"}},
        "GET /releases/{release_id}": {},
        "GET /releases/{release_id}/rows": {},
        "POST /releases/{release_id}/approve": {},
        "POST /releases/{release_id}/supersede": {"json": {"reason": "old"}},
        "GET /audit": {},
        "GET /audit/verify": {},
        "GET /projects/{project}/webhooks": {},
        "POST /projects/{project}/webhooks": {
            "json": {"url": "https://hooks.example/new", "events": ["item.moved"]}
        },
        "GET /healthz": {},
    }  # fmt: skip
