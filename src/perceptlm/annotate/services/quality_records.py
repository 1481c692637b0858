"""The labels of a project as the quality engine wants them: numbers, with the names kept beside.

One piece of work (a `choice` step in its round) is one item of the engine. Gold is among them with its known value, so
this is read in a transaction opened for gold, by refits and dashboards only. Of long projects the pieces that are not
decided yet are read, and of the decided ones the newest, which are enough to know people by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, Items, Labels, People
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.projects import content_of
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import (
    Credential,
    GoldItem,
    Item,
    Membership,
    Project,
    Proposal,
    ProposalView,
    Step,
    Submission,
)

KIND = "choice"
MAX_DECIDED = 20_000
BLOCK = 500


@dataclass(frozen=True)
class Records:
    """What the engine gets, and which step and person each of its numbers stands for."""

    labels: Labels
    items: Items
    people: People
    steps: list[Step]
    step_items: dict[int, Item]
    user_ids: list[int]
    domains: list[str]
    submission_ids: list[list[int]]
    """Per step, the annotators' submissions that its labels are from."""


def read_records(session: Session, project: Project) -> Records:
    """Return the labels of a project's choices, in the order in which they were given."""
    steps = _steps(session, project)
    place = {step.id: number for number, step in enumerate(steps)}
    items = _by_id(session, Item, [step.item_id for step in steps])
    domains = [entry.id for entry in content_of(project).domains]
    roles = dict(
        session.execute(select(Membership.user_id, Membership.role).where(Membership.project_id == project.id)).all()
    )
    user_ids = sorted(roles)
    worker = {user_id: number for number, user_id in enumerate(user_ids)}
    shown = _shown(session, items) if project.mode == "verify" else {}
    rows: list[tuple[int, int, int, int, bool]] = []
    submission_ids: list[list[int]] = [[] for _ in steps]
    for row, step_id in _submissions(session, steps):
        if row.user_id not in worker or row.payload.get("choice") is None:
            continue
        number = place[step_id]
        seen = shown.get((row.item_id, row.user_id), -1)
        rows.append((number, worker[row.user_id], row.payload["choice"], seen, bool(row.payload.get("unsure"))))
        if row.step_kind == KIND:
            submission_ids[number].append(row.id)
    known = _known(session, project)
    return Records(
        labels=_labels(rows),
        items=Items(
            num_options=np.array([len(items[step.item_id].options or ()) for step in steps], dtype=np.int64),
            domain=np.array([domains.index(items[step.item_id].domain) for step in steps], dtype=np.int64),
            known=np.array([known.get(step.item_id, -1) for step in steps], dtype=np.int64),
            num_domains=len(domains),
        ),
        people=People(
            np.array([EXPERT if roles[user] == Role.EXPERT else ANNOTATOR for user in user_ids], dtype=np.int64),
            _own_domains(session, user_ids, domains),
        ),
        steps=steps,
        step_items=items,
        user_ids=user_ids,
        domains=domains,
        submission_ids=submission_ids,
    )


def _labels(rows: Sequence[tuple[int, int, int, int, bool]]) -> Labels:
    if not rows:
        return Labels.none()
    item, worker, value, shown, unsure = (list(column) for column in zip(*rows, strict=True))
    return Labels(
        np.array(item, dtype=np.int64),
        np.array(worker, dtype=np.int64),
        np.array(value, dtype=np.int64),
        np.array(shown, dtype=np.int64),
        np.array(unsure, dtype=np.bool_),
    )


def _steps(session: Session, project: Project) -> list[Step]:
    mine = select(Step).where(Step.project_id == project.id, Step.kind == KIND, Step.num_submitted > 0)
    waiting = list(session.scalars(mine.where(Step.state == "open").order_by(Step.id)))
    done = mine.where(Step.state != "open").order_by(Step.id.desc()).limit(MAX_DECIDED)
    return sorted([*waiting, *session.scalars(done)], key=lambda step: step.id)


def _submissions(session: Session, steps: list[Step]) -> list[tuple[Submission, int]]:
    """Return first answers to the steps, and what experts decided of them, by the order of submission."""
    found: list[tuple[Submission, int]] = []
    of_item = {(step.item_id, step.round): step.id for step in steps}
    for start in range(0, len(steps), BLOCK):
        block = steps[start : start + BLOCK]
        statement = select(Submission).where(
            Submission.step_id.in_([step.id for step in block]), Submission.ordinal == 0
        )
        found += [(row, row.step_id) for row in session.scalars(statement)]
        expert = (
            select(Submission, Step.round)
            .join(Step, Step.id == Submission.step_id)
            .where(Submission.item_id.in_([step.item_id for step in block]), Step.kind == "expert", Step.about == KIND)
        )
        found += [
            (row, of_item[row.item_id, number])
            for row, number in session.execute(expert)
            if (row.item_id, number) in of_item
        ]
    return sorted(found, key=lambda entry: entry[0].id)


def _by_id(session: Session, table: type[Any], ids: Sequence[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for start in range(0, len(ids), BLOCK):
        rows = session.scalars(select(table).where(table.id.in_(list(ids[start : start + BLOCK]))))
        found.update({row.id: row for row in rows})
    return found


def _shown(session: Session, items: dict[int, Item]) -> dict[tuple[int, int], int]:
    """Return which option each person saw proposed, by item and person."""
    found = {}
    ids = list(items)
    for start in range(0, len(ids), BLOCK):
        statement = (
            select(Proposal.item_id, ProposalView.user_id, Proposal.text)
            .join(ProposalView, ProposalView.proposal_id == Proposal.id)
            .where(Proposal.item_id.in_(ids[start : start + BLOCK]), Proposal.kind == "choice")
        )
        for item_id, user_id, text in session.execute(statement):
            options = items[item_id].options or []
            if text in options:
                found[item_id, user_id] = options.index(text)
    return found


def _known(session: Session, project: Project) -> dict[int, int]:
    statement = select(GoldItem.item_id, GoldItem.expected).where(GoldItem.project_id == project.id)
    return {
        item_id: int(expected["choice"])
        for item_id, expected in session.execute(statement)
        if isinstance(expected.get("choice"), int)
    }


def _own_domains(session: Session, user_ids: list[int], domains: list[str]) -> Any:
    own = np.zeros((len(user_ids), len(domains)), dtype=np.bool_)
    statement = select(Credential.user_id, Credential.domain).where(
        Credential.user_id.in_(user_ids), Credential.expires_at > now(session), Credential.revoked_at.is_(None)
    )
    for user_id, domain in session.execute(statement):
        if domain in domains:
            own[user_ids.index(user_id), domains.index(domain)] = True
    return own
