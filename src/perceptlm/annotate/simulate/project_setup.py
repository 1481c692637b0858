"""Brings a crowd to a server: people with roles and credentials, policy, items, proposals, gold. By requests only."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.records import EXPERT, MODEL
from perceptlm.annotate.simulate.people import Crowd
from perceptlm.annotate.simulate.private_server import OWNER, Served, domain_id
from perceptlm.annotate.simulate.requests import Login, Requests
from perceptlm.annotate.simulate.scenario import Scenario
from perceptlm.config import parse
from perceptlm.media.image import write_png

ITEMS_AT_ONCE = 500
GOLD_AT_ONCE = 5000
_MANAGERS = ("manager-1", "manager-2")
_YEAR_MS = 365 * 86_400_000
_NEVER = 10**9
T = TypeVar("T")


@dataclass(frozen=True)
class SetUp:
    """Who is signed in, by their number in the crowd; which number an item of the server has there."""

    manager: Login
    logins: dict[int, Login]
    places: dict[int, int]
    frame_table_hash: str


def option(value: int) -> str:
    """Return the text of an option."""
    return f"option-{value:02d}"


def service_policy(scenario: Scenario) -> Policy:
    """Return the policy of the project; ConfigError names what the service does not take.

    The server never runs the engine by itself: whoever drives asks it to, so that it happens at the same moment always.
    """
    rules = scenario.policy_at_costs()
    values: dict[str, Any] = {
        **rules.to_dict(),
        "most_answers": rules.most_labels,
        "gold_first": scenario.gold.num_first(),
        "gold_rate": scenario.gold.rate,
        "gold_most": scenario.gold.per_worker,
        "count_proposals": scenario.proposals_count(),
        "ceiling_share": 0.0,
        "refit_every": _NEVER,
    }
    return parse(Policy, values, source=f"scenario '{scenario.name}', policy")


def set_up(crowd: Crowd, requests: Requests, served: Served) -> SetUp:
    """Fill the project of a new server and sign everybody in."""
    owner = requests.sign_in(OWNER, served.password)
    for name in _MANAGERS:
        _add(crowd, requests, owner, name, served.password, "manager")
    first, second = (requests.sign_in(name, served.password) for name in _MANAGERS)
    policy = service_policy(crowd.scenario).to_dict()
    requests.send(first, "POST", f"/projects/{crowd.project}/policy", {"policy": policy})
    logins = _add_people(crowd, requests, owner, served.password)
    files = {"file": ("picture.png", _picture(), "image/png")}
    asset = requests.send(first, "POST", f"/projects/{crowd.project}/assets", files=files)
    places = {}
    for block in _blocks(range(len(crowd.truth)), ITEMS_AT_ONCE):
        body = {"items": [_item(crowd, item, asset["id"]) for item in block]}
        rows = requests.send(first, "POST", f"/projects/{crowd.project}/items", body)["items"]
        places.update({row["id"]: item for row, item in zip(rows, block, strict=True)})
    for block in _blocks(range(crowd.num_items, len(crowd.truth)), GOLD_AT_ONCE):
        gold = {crowd.key(item): _known(crowd, item) for item in block}
        requests.send(first, "PUT", f"/projects/{crowd.project}/gold", gold)
        requests.send(second, "POST", f"/projects/{crowd.project}/gold/approve", {})
    return SetUp(first, logins, places, asset["frame_table_hash"])


def _picture() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_png(path, np.full((8, 8, 3), 127, np.uint8))
        return path.read_bytes()


def _add(crowd: Crowd, requests: Requests, owner: Login, name: str, password: str, role: str) -> int:
    user = requests.send(owner, "POST", "/users", {"name": name, "password": password})
    requests.send(owner, "POST", f"/projects/{crowd.project}/members", {"user": name, "role": role})
    return int(user["id"])


def _add_people(crowd: Crowd, requests: Requests, owner: Login, password: str) -> dict[int, Login]:
    """Add everybody in the order of their numbers, so that those of the server have the same order."""
    logins = {}
    for worker in np.flatnonzero(crowd.people.role != MODEL).tolist():
        is_expert = crowd.people.role[worker] == EXPERT
        name = crowd.name(worker)
        user_id = _add(crowd, requests, owner, name, password, "expert" if is_expert else "annotator")
        for domain in np.flatnonzero(crowd.people.own[worker]).tolist():
            credential = {
                "domain": domain_id(domain),
                "level": "simulated",
                "evidence_sha256": hashlib.sha256(f"{name}/{domain}".encode()).hexdigest(),
                "expires_at": int(time.time() * 1000) + _YEAR_MS,
            }
            requests.send(owner, "POST", f"/users/{user_id}/credentials", credential)
        logins[worker] = requests.sign_in(name, password)
    return logins


def _item(crowd: Crowd, item: int, asset_id: int) -> dict[str, Any]:
    plan = crowd.scenario.items
    proposals = []
    if crowd.proposal[item] >= 0:
        assert crowd.scenario.model is not None
        name = "planted" if crowd.planted[item] else "simulated"
        proposals.append(
            {
                "kind": "choice",
                "text": option(int(crowd.proposal[item])),
                "confidence": crowd.scenario.model.confidence,
                "model": {"name": name},
            }
        )
    return {
        "key": crowd.key(item),
        "asset_id": asset_id,
        "domain": domain_id(int(crowd.domain[item])),
        "question": f"Question {item}?",
        "options": [option(value) for value in range(plan.options)],
        "step": "choice",
        "proposals": proposals,
    }


def _known(crowd: Crowd, item: int) -> dict[str, Any]:
    return {"expected": {"choice": int(crowd.truth[item])}, "planted_wrong": bool(crowd.planted[item])}


def _blocks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
