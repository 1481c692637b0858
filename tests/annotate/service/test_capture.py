"""The dashboard's capture: of wrong choices among the audited items, how many were escalated without the audit."""

from __future__ import annotations

import json

import pytest


def changed(service, *, after_refit=False):
    """Return which audited rows of a release an expert changed."""
    if after_refit:
        service.refit()
    man = service.person("man")
    drawn = man.post("/api/v1/projects/p/releases", json={"purpose": "training"}).json()
    lines = man.get(f"/api/v1/releases/{drawn['id']}/rows").text.splitlines()
    return {row["key"]: row["audit_changed"] for row in map(json.loads, lines) if row["audited"]}


def test_capture_is_measured_on_audited_items_and_left_out_where_nobody_erred(sqlite_service):
    service = sqlite_service
    credential = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64,
                  "expires_at": service.clock.now_ms() + 10**9}  # fmt: skip
    path = f"/api/v1/users/{service.user_ids['exp']}/credentials"
    assert service.person("own").post(path, json=credential).status_code == 201
    service.policy(audit_share=1, most_labels=2)
    keys = ("agreed", "agreed and wrong", "split", "split and wrong")
    ids = {entry["id"]: entry["key"] for entry in service.add_items(*(service.choice(key) for key in keys))}

    def capture():
        return service.person("man").get("/api/v1/projects/p/dashboard").json()["escalations"]["capture"]

    for name, second in (("ann", 1), ("bob", 0)):
        while (assignment := service.person(name).next()) is not None:
            choice = second if ids[assignment["item"]["id"]].startswith("split") else 1
            assert service.person(name).submit(assignment, {"choice": choice}).status_code == 201
    service.refit()
    assert capture() == []
    man = service.person("man")
    rows = {row["key"]: row for row in man.get("/api/v1/projects/p/choices").json()["choices"]}
    while (assignment := service.person("exp").next()) is not None:
        key = ids[assignment["item"]["id"]]
        choice = rows[key]["choice"] if not key.endswith("wrong") else 1 - rows[key]["choice"]
        payload = {"choice": choice, "rationale": "It can be seen.", "reason": "other"}
        assert service.person("exp").submit(assignment, payload).status_code == 201
    assert changed(service) == changed(service, after_refit=True) == {"agreed": False, "agreed and wrong": True}
    (row,) = capture()
    assert (row["on"], row["share"], row["n"]) == ("audit", 0.5, 2)
    assert (row["low"], row["high"]) == pytest.approx((0.0126, 0.9874), abs=1e-4)
