"""What a refit is to do: which decisions are new, who is asked, in which order. Reads and fits; changes nothing.

Who decides is `quality`: its posteriors, its policy and its choice of experts. Nothing here holds a lock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.payloads import Step as StepKind
from perceptlm.annotate.fgqa.stages import plain_verdict
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality import routing
from perceptlm.annotate.quality.assess import Assessment
from perceptlm.annotate.quality.records import count
from perceptlm.annotate.services.assessments import Assessed, assess_project
from perceptlm.annotate.services.quality_records import (
    BLOCK,
    COPIES,
    FAILING,
    KIND,
    Records,
    rules_of,
)
from perceptlm.annotate.services.standing import Standing, changed_standing
from perceptlm.annotate.services.steps import better_lane, chosen_for
from perceptlm.annotate.store.tables import Project, Step, StepDecision

ACTIONS = {routing.ACCEPT: "accept", routing.ANOTHER_LABEL: "another_label", routing.ESCALATE: "escalate"}
_ROUTED = ("open", "agreed", "contested", "accepted")


@dataclass(frozen=True)
class Due:
    """What is to be done about one step. `is_new`: the decision was not made before, from the same submissions.

    `lane`: where the step is to wait; `expert`: who was chosen for the item. None where neither changes.
    """

    step_id: int
    item_id: int
    action: str
    reason: str | None
    value: str
    posterior: float
    num_labels: int
    submissions: list[int]
    is_new: bool = True
    lane: str | None = None
    expert: int | None = None
    follows: int | None = None
    """The step's newest decision when this was planned: if there is another by now, somebody else has decided."""
    waits_for: int | None = None
    """The expert for whom the item was waiting then."""


@dataclass(frozen=True)
class Plan:
    """Decisions in the order in which they are to be done, and people who stand otherwise than before."""

    due: list[Due] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    num_labels: int = 0
    num_pieces: int = 0


def plan_refit(session: Session, project: Project, policy: Policy) -> Plan:
    """Return what follows from a project's labels; the session must be opened for gold."""
    assessed = assess_project(session, project, policy)
    due: list[Due] = []
    for kind, one in assessed.items():
        last = _last_decisions(session, one.records)
        due += (
            _choices_due(session, project, policy, one, last)
            if kind == KIND
            else _verdicts_due(one, policy, kind, last)
        )
    return Plan(
        due,
        changed_standing(session, project.id, _standing(assessed)),
        sum(len(one.records.labels) for one in assessed.values()),
        sum(len(one.records.pieces) for one in assessed.values()),
    )


def _choices_due(
    session: Session, project: Project, policy: Policy, one: Assessed, last: dict[int, Row[Any]]
) -> list[Due]:
    """Return what is to be done about choices; of what goes to experts the most urgent first."""
    records, found = one.records, one.found
    due, escalated = [], []
    for number, piece in enumerate(records.pieces):
        entry = _due(records, found, number, policy)
        if piece.is_repeated or entry is None:
            continue
        if entry.action == "escalate":
            escalated.append((float(found.decisions.priority[number]), number, entry))
            continue
        entry = _dated(entry, last.get(piece.step_id))
        if entry.is_new or entry.lane is not None:
            due.append(entry)
    escalated.sort(key=lambda entry: -entry[0])
    return due + _with_experts(
        session, project, records, found, [(number, entry) for _, number, entry in escalated], last
    )


def _verdicts_due(one: Assessed, policy: Policy, kind: str, last: dict[int, Row[Any]]) -> list[Due]:
    """Return what is to be done about verdicts on which people are split or unsure.

    Where they are clear the flow went on at once, and what was accepted or given to an expert stays so: work was built
    on it.
    """
    records, labels = one.records, one.records.labels
    said: list[list[str]] = [[] for _ in records.pieces]
    is_unsure = [False] * len(records.pieces)
    for place, value, unsure in zip(labels.item, labels.value, labels.unsure, strict=True):
        said[place].append(records.value(place, value))
        is_unsure[place] |= bool(unsure)
    first = rules_of(policy, kind).first_labels
    due = []
    for number, piece in enumerate(records.pieces):
        before = last.get(piece.step_id)
        is_open = piece.step_state == "open" and piece.item_state in (*_ROUTED, "escalated")
        is_decided = before is not None and before.action != "another_label"
        clear = plain_verdict(cast(StepKind, kind), said[number], is_unsure=is_unsure[number])
        if piece.is_repeated or not is_open or is_decided or clear is not None or piece.num_submitted < first:
            continue
        entry = _dated(_decided(records, one.found, number), before)
        if entry.is_new:
            due.append(entry)
    return due


def _standing(assessed: dict[str, Assessed]) -> list[Standing]:
    """Return how everybody stands who could be asked or has given labels."""
    reasons: dict[int, str | None] = {}
    better = set()
    for kind, one in assessed.items():
        for worker, user_id in enumerate(one.records.user_ids):
            found = {_paused_reason(one.found, worker), reasons.get(user_id)}
            reasons[user_id] = COPIES if COPIES in found else FAILING if FAILING in found else None
            if kind == KIND and one.found.better[worker]:
                better.add(user_id)
    return [Standing(user_id, reason, user_id in better) for user_id, reason in sorted(reasons.items())]


def _paused_reason(found: Assessment, worker: int) -> str | None:
    if not found.paused[worker]:
        return None
    return COPIES if found.flagged[worker] else FAILING


def _due(records: Records, found: Assessment, number: int, policy: Policy) -> Due | None:
    """Return the decision about a piece; None where nothing is the engine's to decide now."""
    piece, decisions = records.pieces[number], found.decisions
    reason = routing.REASONS[int(decisions.reason[number])] or None
    action = ACTIONS[int(decisions.action[number])]
    is_closed = piece.step_state != "open" and piece.item_state not in ("accepted", "escalated")
    # Whoever needs a credential decides after people have answered, as whoever audits does.
    is_early = reason == "credential" and piece.num_submitted < policy.first_labels
    if is_closed or is_early or piece.item_state not in (*_ROUTED, "escalated"):
        return None
    # What waits for an expert is the expert's to decide; only who that is may still be open.
    if piece.item_state == "escalated":
        action, reason = "escalate", reason or "posterior"
    lane = better_lane(KIND) if found.waits_for_better[number] else KIND
    return replace(
        _decided(records, found, number),
        action=action,
        reason=reason,
        lane=lane if action == "another_label" and lane != piece.home_lane else None,
    )


def _decided(records: Records, found: Assessment, number: int) -> Due:
    """Return what the engine says of a piece."""
    piece, decisions = records.pieces[number], found.decisions
    return Due(
        step_id=piece.step_id,
        item_id=piece.item_id,
        action=ACTIONS[int(decisions.action[number])],
        reason=routing.REASONS[int(decisions.reason[number])] or None,
        value=records.value(number, int(found.fit.answer[number])),
        posterior=float(np.round(found.fit.confidence[number], 9)),
        num_labels=int(decisions.num_labels[number]),
        submissions=records.submission_ids[number],
    )


def _dated(due: Due, last: Row[Any] | None) -> Due:
    """Return what is due with the decision that it follows, and whether it is another one."""
    if last is None:
        return due
    said = (last.action, last.value, last.num_labels, last.submissions)
    is_new = said != (due.action, due.value, due.num_labels, due.submissions)
    return replace(due, is_new=is_new, follows=last.id)


def _last_decisions(session: Session, records: Records) -> dict[int, Row[Any]]:
    """Return the newest decision of each step."""
    found: dict[int, Row[Any]] = {}
    ids = [piece.step_id for piece in records.pieces]
    columns = (
        StepDecision.id, StepDecision.step_id, StepDecision.action, StepDecision.value, StepDecision.num_labels,
        StepDecision.submissions,
    )  # fmt: skip
    for start in range(0, len(ids), BLOCK):
        newest = (
            select(func.max(StepDecision.id))
            .where(StepDecision.step_id.in_(ids[start : start + BLOCK]))
            .group_by(StepDecision.step_id)
        )
        for row in session.execute(select(*columns).where(StepDecision.id.in_(newest))):
            found[row.step_id] = row
    return found


def _with_experts(
    session: Session,
    project: Project,
    records: Records,
    found: Assessment,
    escalated: list[tuple[int, Due]],
    last: dict[int, Row[Any]],
) -> list[Due]:
    """Choose an expert for each item that nobody was chosen for, in the order given."""
    waiting = _waiting_for_expert(session, project)
    place = {user_id: worker for worker, user_id in enumerate(records.user_ids)}
    load = Counter(user_id for user_id in waiting.values() if user_id is not None)
    busy = count(records.labels.worker, len(records.people)).astype(np.int64)
    for user_id, number in load.items():
        if user_id in place:
            busy[place[user_id]] += number
    involved = _involved(records)
    due = []
    for number, one in escalated:
        domain = int(records.items.domain[number])
        # Only who holds the credential will be given it.
        excluded = found.paused | ~records.people.own[:, domain]
        waiting_for = waiting.get(one.item_id)
        waits_for = place.get(waiting_for or 0)
        is_in_hand = one.item_id not in waiting and _is_at_expert(records, number)
        if is_in_hand or (waits_for is not None and not excluded[waits_for]):
            continue
        excluded[involved.get(number, [])] = True
        chosen = routing.choose_expert(found.skill, records.people, domain, busy=busy, excluded=excluded)
        if chosen is not None:
            busy[chosen] += 1
        expert = None if chosen is None else records.user_ids[chosen]
        one = _dated(one, last.get(one.step_id))
        is_new = one.item_id not in waiting and one.is_new
        if is_new or expert is not None:
            due.append(replace(one, is_new=is_new, expert=expert, waits_for=waiting_for))
    return due


def _is_at_expert(records: Records, number: int) -> bool:
    """Whether an expert has the item in hand: it is escalated, and no step of it waits."""
    return records.pieces[number].item_state == "escalated"


def _involved(records: Records) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for item, worker in zip(records.labels.item.tolist(), records.labels.worker.tolist(), strict=True):
        found.setdefault(item, []).append(worker)
    return found


def _waiting_for_expert(session: Session, project: Project) -> dict[int, int | None]:
    """Return who was chosen for each item whose choice waits for an expert, None where nobody was."""
    statement = select(Step.item_id, Step.home_lane).where(
        Step.project_id == project.id,
        Step.kind == "expert",
        Step.about == KIND,
        Step.state == "open",
        Step.num_taken == 0,
        Step.lane.is_not(None),
    )
    return {item_id: chosen_for(lane) for item_id, lane in session.execute(statement)}
