"""Runs the quality engine over a project and does what it decides: accept, ask one more person, or an expert.

The engine is `quality`, and its policy the one of `quality.routing`, which the simulator calls too. A decision is kept
with its method, posterior and submissions, and then the flow is asked what follows from it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality import dawid_skene, routing
from perceptlm.annotate.quality.skill import failing, measure_skill
from perceptlm.annotate.services.flow import advance_item
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.leases import locked_step
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.quality_records import Records, read_records
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import Database, now
from perceptlm.annotate.store.tables import Project, StepDecision

BATCH = 50
METHOD = "dawid_skene 1"
_ACTIONS = {routing.ACCEPT: "accept", routing.ANOTHER_LABEL: "another_label", routing.ESCALATE: "escalate"}


@dataclass(frozen=True)
class Due:
    """What the engine decided of one step."""

    step_id: int
    item_id: int
    action: str
    reason: str | None
    value: str
    posterior: float
    submissions: list[int]


def refit(database: Database, actor: Actor, project_id: int) -> dict[str, Any]:
    """Fit, decide, route; return how many pieces of work got which decision.

    Reading (with gold) and fitting hold no lock; decisions are then done in small transactions, so that nobody waits
    long. A step that got another submission meanwhile is left to the next refit.
    """

    def read(session: Session) -> tuple[Policy, Records, int]:
        project = session.get_one(Project, project_id)
        return policy_of(session, project), read_records(session, project), project.num_since_fit

    policy, records, num_since_fit = database.read(read, gold=True)
    due = _decide(policy, records) if len(records.labels) else []
    counts: Counter[str] = Counter()
    for start in range(0, len(due), BATCH):
        batch = due[start : start + BATCH]
        done = database.write(lambda session, batch=batch: _apply(session, actor, batch))  # type: ignore[misc]
        counts.update(done)
    body = {
        "num_labels": len(records.labels),
        "num_pieces": len(records.steps),
        "decisions": dict(sorted(counts.items())),
    }

    def note(session: Session) -> None:
        count_since_fit(session, project_id, -num_since_fit)
        append(session, actor, "quality.refit", f"project:{project_id}", body, project_id)

    database.write(note)
    return body


def count_since_fit(session: Session, project_id: int, change: int) -> None:
    """Count submissions since the last fit."""
    statement = update(Project).where(Project.id == project_id).values(num_since_fit=Project.num_since_fit + change)
    session.execute(statement, execution_options={"synchronize_session": False})


def fit_of(records: Records) -> dawid_skene.Fit:
    """Return the fit of a project's labels."""
    return dawid_skene.fit(records.labels, records.items, records.people)


def _decide(policy: Policy, records: Records) -> list[Due]:
    fit = fit_of(records)
    skill = measure_skill(fit, records.labels, records.items, records.people)
    rules = routing.Policy(
        first_labels=policy.first_labels,
        most_labels=policy.most_labels,
        threshold=policy.threshold,
        expert_cost=policy.expert_cost,
        audit_share=policy.audit_share,
    )
    # Audit and credential are drawn when an item comes in, and stand in the item: the flow sees to them.
    nothing = routing.Requirements.none(len(records.steps), len(records.user_ids))
    paused = failing(skill, records.items, records.people, rules.pause_below)
    asked = routing.better_half(skill, records.people, paused)
    requirements = replace(nothing, paused=paused, asked=asked)
    found = routing.decide(fit, records.labels, records.items, records.people, rules, requirements)
    due = []
    for number, step in enumerate(records.steps):
        item = records.step_items[step.item_id]
        if step.state != "open" or step.num_submitted < policy.first_labels or item.is_repeated:
            continue
        action = _ACTIONS[int(found.action[number])]
        due.append(
            Due(
                step_id=step.id,
                item_id=step.item_id,
                action=action,
                reason=routing.REASONS[int(found.reason[number])] or None,
                value=str(int(fit.answer[number])) if action == "accept" else "",
                posterior=float(np.round(fit.confidence[number], 9)),
                submissions=records.submission_ids[number],
            )
        )
    return due


def _apply(session: Session, actor: Actor, batch: list[Due]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for due in batch:
        item = locked_item(session, due.item_id)
        step = locked_step(session, due.step_id)
        is_same = step.num_submitted == len(due.submissions)
        if step.state != "open" or not is_same or item.state not in ("open", "agreed", "contested", "escalated"):
            continue
        counts[due.action] += 1
        last = session.scalar(
            select(StepDecision).where(StepDecision.step_id == step.id).order_by(StepDecision.id.desc()).limit(1)
        )
        if last is None or (last.action, last.value, last.submissions) != (due.action, due.value, due.submissions):
            session.add(
                StepDecision(
                    step_id=step.id,
                    item_id=item.id,
                    action=due.action,
                    reason=due.reason,
                    value=due.value,
                    posterior=due.posterior,
                    method=METHOD,
                    submissions=due.submissions,
                    created_at=now(session),
                )
            )
            session.flush()
        advance_item(session, item, actor)
    return counts
