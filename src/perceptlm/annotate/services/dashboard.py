"""What a manager sees: throughput, agreement, skill, calibration, escalations, cost. Read with gold."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import FINISHED
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.assess import Assessment
from perceptlm.annotate.quality.calibration import calibrate
from perceptlm.annotate.quality.drift import find_drift
from perceptlm.annotate.quality.records import EXPERT
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.quality_records import Records, read_records
from perceptlm.annotate.store.tables import Item, ItemMove, Project, StepDecision, Submission, User
from perceptlm.statistics.agreement import krippendorff_alpha

DAY_MS = 86_400_000
MAX_AGREEMENT_ROWS = 50_000
_NOMINAL = {"question_check": "verdict", "distractor": "verdict", "choice": "choice"}


def dashboard(session: Session, project: Project) -> dict[str, Any]:
    """Return all figures of a project."""
    policy = policy_of(session, project)
    records = read_records(session, project, policy)
    found = records.assess(policy) if len(records.labels) else None
    states = dict(
        session.execute(
            select(Item.state, func.count()).where(Item.project_id == project.id).group_by(Item.state)
        ).all()
    )
    return {
        "items": states,
        "throughput": _throughput(session, project),
        "agreement": _agreement(session, project),
        "skill": [] if found is None else _skill(session, records, found),
        "people": [] if found is None else people_rows(session, records, found),
        "calibration": _calibration(session, records),
        "escalations": _escalations(session, project),
        "cost_per_accepted": _cost(session, project, policy, states),
        "labels_since_fit": project.num_since_fit,
    }


def _throughput(session: Session, project: Project) -> list[dict[str, Any]]:
    day = Submission.created_at // DAY_MS
    submitted = dict(
        session.execute(select(day, func.count()).where(Submission.project_id == project.id).group_by(day)).all()
    )
    moved = ItemMove.created_at // DAY_MS
    accepted = dict(
        session.execute(
            select(moved, func.count())
            .join(Item, Item.id == ItemMove.item_id)
            .where(Item.project_id == project.id, ItemMove.to_state == "accepted")
            .group_by(moved)
        ).all()
    )
    days = sorted(set(submitted) | set(accepted))
    return [
        {"day": int(day) * DAY_MS, "submissions": submitted.get(day, 0), "accepted": accepted.get(day, 0)}
        for day in days
    ]


def _agreement(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return Krippendorff's alpha of each nominal step in each domain, over the newest submissions."""
    found = []
    for kind, field in _NOMINAL.items():
        statement = (
            select(Submission.step_id, Submission.payload, Item.domain)
            .join(Item, Item.id == Submission.item_id)
            .where(Submission.project_id == project.id, Submission.step_kind == kind, Submission.ordinal == 0)
            .order_by(Submission.id.desc())
            .limit(MAX_AGREEMENT_ROWS)
        )
        rows = session.execute(statement).all()
        for domain in sorted({row.domain for row in rows}):
            mine = [row for row in rows if row.domain == domain]
            codes = {value: number for number, value in enumerate(sorted({str(row.payload[field]) for row in mine}))}
            values = [codes[str(row.payload[field])] for row in mine]
            result = krippendorff_alpha([row.step_id for row in mine], values, num_resamples=300)
            found.append(
                {
                    "step": kind,
                    "domain": domain,
                    "alpha": result.alpha,
                    "low": result.low,
                    "high": result.high,
                    "n": result.num_units,
                }
            )
    return found


def _names(session: Session, records: Records) -> dict[int, str]:
    return dict(session.execute(select(User.id, User.name).where(User.id.in_(records.user_ids))).all())


def _flags(records: Records, found: Assessment) -> list[list[str]]:
    """Return what is to be said against each person."""
    flags = {
        "copies": found.flagged,
        "drifts": find_drift(found.fit, records.labels, records.items, records.people).flagged,
        "paused": found.paused,
    }
    return [[name for name, who in flags.items() if who[worker]] for worker in range(len(records.user_ids))]


def people_rows(session: Session, records: Records, found: Assessment) -> list[dict[str, Any]]:
    """Return everybody with their accuracy over all domains, its interval, and what is to be said against them."""
    names, flags, skill = _names(session, records), _flags(records, found), found.skill
    return [
        {
            "user": names[user_id],
            "user_id": user_id,
            "role": "expert" if records.people.role[worker] == EXPERT else "annotator",
            "accuracy": float(skill.overall[worker]),
            "low": float(skill.overall_low[worker]),
            "high": float(skill.overall_high[worker]),
            "n": int(skill.num_labels[worker]),
            "flags": flags[worker],
        }
        for worker, user_id in enumerate(records.user_ids)
    ]


def _skill(session: Session, records: Records, found: Assessment) -> list[dict[str, Any]]:
    names, flags, skill = _names(session, records), _flags(records, found), found.skill
    given = np.zeros((len(records.people), len(records.domains)), dtype=np.int64)
    np.add.at(given, (records.labels.worker, records.items.domain[records.labels.item]), 1)
    return [
        {
            "user": names[user_id],
            "user_id": user_id,
            "domain": domain,
            "accuracy": float(skill.mean[worker, place]),
            "low": float(skill.low[worker, place]),
            "high": float(skill.high[worker, place]),
            "n": int(given[worker, place]),
            "flags": flags[worker],
        }
        for worker, user_id in enumerate(records.user_ids)
        for place, domain in enumerate(records.domains)
        if given[worker, place]
    ]


def _calibration(session: Session, records: Records) -> dict[str, Any]:
    """Compare stated posteriors with what experts or gold said afterwards."""
    truth: dict[int, int] = {}
    for number, known in enumerate(records.items.known):
        if known >= 0:
            truth[records.pieces[number].step_id] = int(known)
    expert = records.people.role[records.labels.worker] == EXPERT
    for number, value in zip(records.labels.item[expert], records.labels.value[expert], strict=True):
        truth[records.pieces[int(number)].step_id] = int(value)
    stated, right = [], []
    ids = sorted(truth)
    for start in range(0, len(ids), 500):
        rows = session.scalars(
            select(StepDecision)
            # What was believed before an expert answered; what is believed after it is no test.
            .where(StepDecision.step_id.in_(ids[start : start + 500]), StepDecision.action == "escalate")
            .order_by(StepDecision.id)
        )
        for row in rows:
            if row.posterior is not None:
                stated.append(row.posterior)
                right.append(float(row.value == str(truth[row.step_id])))
    result = calibrate(stated, right)
    bins = [
        {"low": b.low, "high": b.high, "n": b.num_items, "confidence": b.confidence, "accuracy": b.accuracy}
        for b in result.bins
    ]
    return {"ece": result.ece, "n": len(stated), "bins": bins}


def _escalations(session: Session, project: Project) -> dict[str, Any]:
    moves = session.execute(
        select(ItemMove.reason, func.count(func.distinct(ItemMove.item_id)))
        .join(Item, Item.id == ItemMove.item_id)
        .where(Item.project_id == project.id, ItemMove.to_state == "escalated")
        .group_by(ItemMove.reason)
    ).all()
    by_reason = Counter({str(reason or "other"): count for reason, count in moves})
    worked = select(func.count(func.distinct(Submission.item_id))).where(Submission.project_id == project.id)
    total = session.scalar(worked) or 0
    return {
        "share": sum(by_reason.values()) / total if total else None,
        "n": total,
        "by_reason": dict(sorted(by_reason.items())),
    }


def _cost(session: Session, project: Project, policy: Policy, states: dict[str, int]) -> float | None:
    """Return cost in labels per accepted item: an expert's answer counts `expert_cost`."""
    accepted = sum(states.get(state, 0) for state in FINISHED)
    counts = dict(
        session.execute(
            select(Submission.step_kind, func.count())
            .where(Submission.project_id == project.id)
            .group_by(Submission.step_kind)
        ).all()
    )
    if not accepted:
        return None
    total = sum(count * (policy.expert_cost if kind == "expert" else 1) for kind, count in counts.items())
    return total / accepted
