"""What people of all minds submit in the annotation service: one valid payload of a step for every number."""

from __future__ import annotations

from typing import Any


def payload_for(assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    """Return a valid payload for an assignment; `pick` says which. Even numbers agree, odd ones are of another mind."""
    return _PAYLOADS[assignment["step"]](assignment["item"], assignment, pick)


def _question_check(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    if pick % 8 == 7:
        return {"verdict": "invalid", "reason": "ambiguous"}
    return {"verdict": "valid", "unsure": pick % 8 == 5}


def _blind_answer(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    return {"answer": f"a cat {pick % 4 % 3}", "evidence": {"start": 0, "end": 3}, "unsure": pick % 8 == 5}


def _compare(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    is_same = pick % 4 != 3
    others = [
        {"submission_id": entry["id"], "same_meaning": is_same} for entry in item["history"] if not entry["is_own"]
    ]
    return {"proposal_id": (assignment["proposal"] or {}).get("id"), "same_meaning": is_same, "others": others}


def _distractor(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    verdict = "could_be_true" if pick % 4 == 3 else "certainly_false"
    return {"distractor_id": item["distractor"]["id"], "verdict": verdict}


def _choice(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    return {"choice": pick % 2, "unsure": pick % 8 == 5}


def _ceiling(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    return {"choice": pick % 2}


def _review(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    verdict = {1: "rework", 3: "reject"}.get(pick % 8, "accept")
    return {"verdict": verdict, "reasons": [] if verdict == "accept" else ["other"]}


def _expert(item: dict[str, Any], assignment: dict[str, Any], pick: int) -> dict[str, Any]:
    found = {"rationale": f"It can be seen ({pick}).", "reason": "other"}
    if item["about"] == "choice":
        return {**found, "choice": pick % 2}
    if item["about"] == "blind_answer":
        return {**found, "answer": "a cat"}
    return {**found, "verdict": "valid" if item["about"] == "question_check" else "certainly_false"}


_PAYLOADS = {
    "question_check": _question_check,
    "blind_answer": _blind_answer,
    "compare": _compare,
    "distractor": _distractor,
    "choice": _choice,
    "ceiling": _ceiling,
    "review": _review,
    "expert": _expert,
}
