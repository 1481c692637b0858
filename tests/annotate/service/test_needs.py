"""What items want from models, over the interface and on both databases: listed, met once, checked, logged."""

from __future__ import annotations

import json

import pytest
from alembic import command
from sqlalchemy import select, text

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.services.projects import content_of, project_named
from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.gold_guard import GOLD_ALLOWED
from perceptlm.annotate.store.migrate import alembic_config, migrate
from perceptlm.annotate.store.tables import AuditEvent

SAID = {"model": {"name": "m", "revision": "1", "licence": "Apache-2.0"}, "prompt_sha256": "a" * 64}


def needs(service, need, **params):
    answer = service.person("man").get("/api/v1/projects/p/needs", params={"need": need, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(service, item, what, **body):
    answer = service.person("man").post(f"/api/v1/projects/p/items/{item}/{what}", json=body)
    return answer.status_code, answer.json()


def test_needs_are_listed_met_once_and_text_only_checks_are_about_what_is_there(service):
    service.policy(use_text_only=True)
    first, second, third = (
        entry["id"]
        for entry in service.add_items(
            service.fgqa("a", step="blind_answer"), *(service.fgqa(key, proposals=[]) for key in "bc")
        )
    )
    assert needs(service, "answer_proposals")["items"] == [], "the question comes first"
    service.work_off("ann", "bob")
    page = needs(service, "distractor_proposals", limit=1)
    assert [entry["key"] for entry in page["items"]] == ["b"]
    assert [entry["key"] for entry in needs(service, "distractor_proposals", after=page["next"])["items"]] == ["c"]
    assert page["items"][0]["answer"] == "a cat"
    proposals = [{"kind": "distractor", "text": word, **SAID} for word in ("a dog", "a cow")]
    assert post(service, second, "proposals", proposals=proposals, if_needed=True)[0] == 201
    status, refused = post(service, second, "proposals", proposals=proposals, if_needed=True)
    assert (status, refused["error"]["code"]) == (409, "not_needed")
    assert post(service, third, "refusals", need="distractor_proposals", reasons=["no list"], **SAID)[0] == 201
    (waiting,) = needs(service, "distractor_proposals")["items"]
    assert (waiting["key"], waiting["refusals"][0]["reason"]) == ("c", "no list")

    (entry,) = needs(service, "text_only")["items"]
    assert entry["id"] == first
    counts = [{"distractor_id": d["id"], "num_trials": 4, "num_right": 4} for d in entry["distractors"]]
    body = {"about": entry["about"], "counts": counts, "num_unreadable": 0, **SAID}
    for change, status in (
        ({"about": "b" * 64}, 409), ({"counts": counts[:1]}, 409), ({"counts": [*counts, counts[0]]}, 409),
        ({"num_unreadable": 99}, 422), ({"counts": [{**counts[0], "num_right": 5}, counts[1]]}, 422),
    ):  # fmt: skip
        assert post(service, first, "text-only", **{**body, **change})[0] == status
    status, found = post(service, first, "text-only", **body)
    assert (status, found["told"]) == (201, [d["id"] for d in entry["distractors"]])
    assert post(service, first, "text-only", **body)[1]["error"]["code"] == "not_needed"
    assert [entry["key"] for entry in needs(service, "distractor_proposals")["items"]] == ["a", "c"]
    service.work_off("ann", "bob")
    assert [entry["key"] for entry in needs(service, "text_only")["items"]] == ["b"]
    policy = {"policy": {"use_text_only": False, "audit_share": 0}}
    assert service.person("man").post("/api/v1/projects/p/policy", json=policy).status_code == 201
    assert (service.state(second), needs(service, "text_only")["items"]) == ("agreed", []), "it goes on at once"
    logged = service.database.read(lambda s: list(s.scalars(select(AuditEvent).order_by(AuditEvent.seq))))
    told = next(event.body for event in logged if event.action == "item.text_only")
    assert (told["counts"], told["told"]) == (counts, found["told"])
    assert service.is_intact()


def test_no_model_is_asked_about_gold(sqlite_service):
    service = sqlite_service
    distractors = [{"kind": "distractor", "text": text, **SAID} for text in ("a dog", "a hen")]
    service.add_items(*(service.fgqa(key, step="blind_answer", proposals=distractors) for key in ("gold", "work")))
    assert [entry["key"] for entry in needs(service, "answer_proposals")["items"]] == ["gold", "work"]
    known = {"gold": {"step": "distractor", "distractor": 0, "expected": {"verdict": "certainly_false"}}}
    assert service.person("man").put("/api/v1/projects/p/gold", json=known).status_code == 202
    assert service.person("sue").post("/api/v1/projects/p/gold/approve", json={}).status_code == 200
    assert [entry["key"] for entry in needs(service, "answer_proposals")["items"]] == ["work"]


def test_a_project_made_before_the_policy_held_the_switch_is_still_read(migrated_file, tmp_path):
    path = tmp_path / "old.db"
    path.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///{path}")
    config = alembic_config()

    with database.engine.connect().execution_options(**{GOLD_ALLOWED: True}) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        connection.commit()
        kept = json.loads(connection.execute(text("SELECT pack_content FROM projects")).scalar())
    assert kept["use_text_only"] is False
    migrate(database)
    assert database.read(lambda session: content_of(project_named(session, "p"))).steps
    database.close()


def test_a_policy_made_before_there_was_a_most_of_distractor_judges_is_still_read():
    assert Policy.model_validate({"distractor_judges": 4}).most_distractor_judges == 4
    assert Policy.model_validate({"distractor_judges": 1}).most_distractor_judges == 3
    with pytest.raises(ValueError, match="most_distractor_judges 2 is below"):
        Policy.model_validate({"distractor_judges": 4, "most_distractor_judges": 2})
