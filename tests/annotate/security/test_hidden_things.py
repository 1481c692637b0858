"""What an annotator must not learn: which items are gold, what is expected there, what others answered before oneself.

Every answer that annotators get while they work through a project with gold is searched for the marked words; and
nothing by which gold could be told from other work differs.
"""

from __future__ import annotations

import json
import re

import pytest
from annotation_service import TABLE_HASH, usual_payload
from attack_requests import request_of
from attacked_service import ANSWERED, DRAFTED, EXPECTED, FOREIGN, PROPOSED

WORDS = re.compile(r"gold|expected|planted|is_repeated|repeated|honeypot|request_sha256|password|secret", re.IGNORECASE)
UNSEEN = (EXPECTED, DRAFTED, FOREIGN)


def test_no_operation_tells_an_annotator_what_is_hidden(world, answered):
    """Every operation, asked by somebody who has answered nothing: not a word of others, of models, or of gold."""
    num_read = 0
    for who in ("cat", "out", "none"):
        for operation, answers in answered.items():
            method, path, _ = operation
            request = request_of(world, method, path, who)
            answer = answers.get(who) or world.ask(who, method, request.path, **request.options)
            text = answer.content.decode("utf-8", "replace")
            # Words of a request that is refused come back in its refusal: 'gold.propose' is not allowed to ....
            if answer.is_success and "image" not in answer.headers.get("content-type", ""):
                num_read += 1
                assert not WORDS.search(text), (who, method, path, text[:500])
            for mark in (*UNSEEN, PROPOSED, ANSWERED):
                assert mark not in text, (who, method, path)
    assert num_read > 12


def test_one_who_answered_sees_the_answers_before_theirs_and_nothing_else(world, answered):
    ids = world.ids
    shown = world.ask("ann", "GET", f"assignments/{ids['lease:ann']}").text
    assert ANSWERED in shown
    assert PROPOSED in shown
    for operation, answers in answered.items():
        for mark in UNSEEN:
            assert mark not in answers["ann"].text, operation


def crawl(world, names):
    """Let people work until nothing is left; return (item, is gold, everything that was answered) for each lease."""
    seen = []
    for name in names:
        while True:
            answer = world.ask(name, "POST", "projects/p/next", json={})
            assert answer.status_code in (200, 204)
            if answer.status_code == 204:
                break
            lease = answer.json()
            url, fence = f"assignments/{lease['id']}", {"fence": lease["fence"]}
            body = {"client_op_id": f"{lease['id']:08x}-0000-4000-8000-000000000000", **fence, "guideline_version": 1,
                    "payload": usual_payload(lease), "frame_table_hash": TABLE_HASH, "active_seconds": 1.0}  # fmt: skip
            answers = [answer, *(world.ask(name, "GET", f"{url}{part}") for part in ("", "/draft"))]
            answers.append(world.ask(name, "POST", f"{url}/heartbeat", json=fence))
            submitted = world.ask(name, "POST", f"{url}/submissions", json=body)
            assert submitted.status_code == 201, submitted.text
            answers.append(submitted)
            answers.append(world.ask(name, "GET", url))
            answers.append(
                world.ask(name, "POST", f"projects/p/items/{lease['item']['id']}/report", json={"reason": "x"})
            )
            seen.append((lease, answers))
    return seen


@pytest.fixture
def with_gold(own_world):
    """Six people, ordinary choices and questions, and gold of each kind, every other lease drawn from it while there is
    some."""
    service = own_world.service
    for number in range(3):
        name = f"w{number}"
        assert own_world.ask(
            "own", "POST", "users", json={"name": name, "password": "correct horse battery"}
        ).is_success
        member = {"user": name, "role": "annotator"}
        assert own_world.ask("own", "POST", "projects/p/members", json=member).is_success
        answer = own_world.ask("none", "POST", "sessions", json={"name": name, "password": "correct horse battery"})
        cookie = answer.headers["set-cookie"].partition(";")[0]
        token = {"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf_token"]}
        own_world.tokens = {**own_world.tokens, name: token}
    service.policy(gold_rate=0.5, first_labels=2, most_labels=5, most_answers=5, question_checks=2, distractor_judges=3)
    keys = [f"k{number}" for number in range(4)] + ["g1", "g2"]
    entries = [service.choice(key) for key in keys] + [service.fgqa(key) for key in ("q1", "gq", "gd")]
    added = own_world.ask("man", "POST", "projects/p/items", json={"items": entries}).json()["items"]
    gold = {key: {"expected": {"choice": 1, "note": EXPECTED}, "planted_wrong": key == "g1"} for key in ("g1", "g2")}
    gold["gq"] = {"expected": {"verdict": "valid", "note": EXPECTED}}
    gold["gd"] = {"expected": {"verdict": "nonsense", "note": EXPECTED}, "step": "distractor", "distractor": 0}
    assert own_world.ask("man", "PUT", "projects/p/gold", json=gold).status_code == 202
    assert own_world.ask("sue", "POST", "projects/p/gold/approve", json={"change": 3}).status_code == 200
    return own_world, {entry["id"] for entry in added if entry["key"] in gold} | {own_world.ids["gold"]}


def shape(value):
    """Return the form of a JSON value without its content."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in value.items()}
    return [shape(entry) for entry in value] if isinstance(value, list) else type(value).__name__


def test_gold_is_worked_on_without_anything_that_tells_it_from_other_work(with_gold):
    world, gold = with_gold
    seen = crawl(world, ("cat", "w0", "w1", "w2"))
    kinds = {step: {True: set(), False: set()} for step in ("choice", "question_check", "distractor")}
    for lease, answers in seen:
        if lease["step"] not in kinds:
            continue
        for answer in answers:
            assert not WORDS.search(answer.text), answer.text
            assert not any(mark in answer.text for mark in UNSEEN)
        forms = [(answer.status_code, shape(answer.json())) for answer in answers]
        kinds[lease["step"]][lease["item"]["id"] in gold].add(json.dumps(forms, sort_keys=True))
    for step, forms in kinds.items():
        assert forms[True], f"nobody was given gold of {step}"
        assert forms[True] == forms[False], f"the forms of answers differ for {step}"
    # Numbers as well: a slot above the overlap would tell, gold having as many as there are people.
    assert not [lease for lease, _ in seen if "slot" in lease]


def test_the_share_of_gold_is_not_shown_to_those_who_work(world):
    for who in ("ann", "ver", "exp", "key"):
        assert world.ask(who, "GET", "projects/p/policy").status_code == 403


@pytest.mark.parametrize(
    "expected", [{"choice": 2}, {"choice": -1}, {"choice": True}, {"choice": "1"}, {}, {"choice": None}]
)
def test_gold_that_the_engine_could_not_count_with_is_refused(world, expected):
    answer = world.ask("man", "PUT", "projects/p/gold", json={"open": {"expected": expected}})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "open.expected.choice")
