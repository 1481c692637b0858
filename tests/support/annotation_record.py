"""What must hold in the database of the annotation service after whatever happened, read from its tables alone.

`problems` looks at the record by itself; `missing` compares it with what a client was told. Both return sentences, none
where all is well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.store.audit import verify
from perceptlm.annotate.store.tables import (
    Assignment,
    Draft,
    Item,
    ItemMove,
    Operation,
    PolicyVersion,
    Project,
    Step,
    Submission,
)

OUTSIDE = ("review", "expert", "ceiling")
MOST = {"choice": "most_labels", "blind_answer": "most_answers", "question_check": "most_question_checks"}


@dataclass(frozen=True)
class Told:
    """What somebody was told: that an operation was taken in, with this answer."""

    user_id: int
    operation: str
    assignment_id: int
    payload: dict[str, Any]
    answer: dict[str, Any]


def problems(session: Session) -> list[str]:
    """Return what is wrong with the record."""
    steps = list(session.scalars(select(Step).order_by(Step.id)))
    assignments = list(session.scalars(select(Assignment).order_by(Assignment.id)))
    submissions = list(session.scalars(select(Submission).order_by(Submission.id)))
    found = [*_slots(steps, assignments, submissions), *_people(steps, submissions)]
    found += [*_overlap(session, steps, submissions), *_moves(session), *_operations(session, submissions)]
    report = verify(session)
    if not report.is_intact:
        found.append(f"audit log, event {report.first_broken}: {report.problem}")
    return found


def missing(session: Session, told: Iterable[Told]) -> list[str]:
    """Return what was acknowledged and is not in the record as it was sent."""
    rows = {(row.user_id, row.client_op_id): row for row in session.scalars(select(Submission))}
    found = []
    for entry in told:
        row = rows.get((entry.user_id, entry.operation))
        if row is None:
            found.append(f"{entry.operation} was acknowledged and is lost")
        elif row.id != entry.answer["id"] or row.assignment_id != entry.assignment_id:
            found.append(f"{entry.operation} was acknowledged as something else")
        elif any(row.payload[name] != value for name, value in entry.payload.items()):
            found.append(f"{entry.operation} holds another payload than was sent")
    return found


def lost_drafts(session: Session, told: Iterable[tuple[int, dict[str, Any]]]) -> list[str]:
    """Return drafts (assignment, body) that somebody was told are kept, and are not."""
    kept = defaultdict(list)
    for row in session.scalars(select(Draft)):
        kept[row.assignment_id].append(row.body)
    return [f"the draft {body} of assignment {number} is lost" for number, body in told if body not in kept[number]]


def _slots(steps: list[Step], assignments: list[Assignment], submissions: list[Submission]) -> Iterable[str]:
    slots, given = defaultdict(list), Counter(row.step_id for row in submissions if row.ordinal == 0)
    for row in assignments:
        if (row.slot is None) != (row.state in ("expired", "released")):
            yield f"assignment {row.id} is {row.state} with the slot {row.slot}"
        if row.slot is not None:
            slots[row.step_id].append(row.slot)
    for step in steps:
        taken = slots[step.id]
        if len(set(taken)) != len(taken):
            yield f"step {step.id} has a slot that two people hold: {taken}"
        if not len(taken) == step.num_taken <= step.num_slots:
            yield f"step {step.id} counts {step.num_taken} of {step.num_slots} slots, {len(taken)} are held"
        if step.num_submitted != given[step.id] or given[step.id] > step.num_slots:
            yield f"step {step.id} counts {step.num_submitted} of {given[step.id]} submissions"
        if (step.lane is not None) != (step.state == "open" and step.num_taken < step.num_slots):
            yield f"step {step.id} stands in the lane {step.lane} with {step.num_taken} of {step.num_slots} taken"
    submitted = Counter(row.assignment_id for row in submissions if row.ordinal == 0)
    for row in assignments:
        if submitted[row.id] != (row.state == "submitted"):
            yield f"assignment {row.id} is {row.state} with {submitted[row.id]} submissions"
    fences = [row.fence for row in assignments]
    if len(set(fences)) != len(fences):
        yield "two leases have one fence"


def _people(steps: list[Step], submissions: list[Submission]) -> Iterable[str]:
    """Nobody does the same work twice, judges what they had a part in, or answers blind what they have seen."""
    by_id = {step.id: step for step in steps}
    done: dict[tuple[int, int], list[Submission]] = defaultdict(list)
    for row in submissions:
        before = done[row.item_id, row.user_id]
        if row.ordinal == 0 and by_id[row.step_id].work in [by_id[old.step_id].work for old in before]:
            yield f"user {row.user_id} did {by_id[row.step_id].work} twice on item {row.item_id}"
        kinds = {old.step_kind for old in before}
        if row.step_kind in OUTSIDE and kinds - ({"expert"} if row.step_kind == "expert" else set()):
            yield f"user {row.user_id} did {row.step_kind} on item {row.item_id} after {sorted(kinds)}"
        if row.step_kind in ("blind_answer", "choice") and row.ordinal == 0 and kinds & {"review", "expert"}:
            yield f"user {row.user_id} answered item {row.item_id} blind after {sorted(kinds)}"
        before.append(row)


def _overlap(session: Session, steps: list[Step], submissions: list[Submission]) -> Iterable[str]:
    """No more people than the widest policy of the project allows did a piece of work, in one round of an item."""
    most: dict[tuple[int, str], int] = defaultdict(int)
    for version in session.scalars(select(PolicyVersion)):
        policy = Policy.model_validate(version.body)
        for kind, name in MOST.items():
            key = (version.project_id, kind)
            most[key] = max(most[key], getattr(policy, name))
    repeated = set(session.scalars(select(Item.id).where(Item.is_repeated)))
    by_id = {step.id: step for step in steps}
    counts = Counter(
        (row.project_id, row.item_id, by_id[row.step_id].round, by_id[row.step_id].work, row.step_kind)
        for row in submissions
        if row.ordinal == 0 and row.item_id not in repeated
    )
    for (project_id, item_id, number, work, kind), count in counts.items():
        limit = most[project_id, kind] if kind in MOST else 1 if kind in OUTSIDE else None
        if limit is not None and count > limit:
            yield f"item {item_id}, round {number}: {count} people did {work}, {limit} at most should"


def _moves(session: Session) -> Iterable[str]:
    state = {}
    for row in session.scalars(select(ItemMove).order_by(ItemMove.id)):
        if row.from_state != state.get(row.item_id, "ingested"):
            yield f"item {row.item_id} moved from {row.from_state}, where it was not"
        state[row.item_id] = row.to_state
    for item_id, now in session.execute(select(Item.id, Item.state)):
        if now != state.get(item_id, "ingested"):
            yield f"item {item_id} is {now} without a move"


def _operations(session: Session, submissions: list[Submission]) -> Iterable[str]:
    answers = {(row.user_id, row.client_op_id): row.response["id"] for row in session.scalars(select(Operation))}
    if answers != {(row.user_id, row.client_op_id): row.id for row in submissions}:
        yield "operations and submissions are not the same"
    for project in session.scalars(select(Project)):
        if project.num_since_fit < 0:
            yield f"project {project.slug} counts {project.num_since_fit} submissions since the last fit"
