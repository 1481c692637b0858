"""What is known of every choice now: one row a piece, with the posterior of the newest fit. Read with gold.

A decision keeps the posterior it was made with; this is what the same item would be given today, for whoever plans,
audits or simulates. Pieces that nobody has answered are not among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.quality.records import EXPERT
from perceptlm.annotate.services.assessments import assess_project
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.quality_records import BLOCK, KIND
from perceptlm.annotate.services.refit_plan import ACTIONS
from perceptlm.annotate.store.tables import Project, StepDecision


def choices(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the pieces in order; of gold only that the item is repeated is told, as in every list.

    `choice` is an expert's where there is one, else the engine's; `posterior` is that of `choice`. `reason` and
    `before_expert` say why an expert was asked, and what would have been accepted without.
    """
    assessed = assess_project(session, project, policy_of(session, project)).get(KIND)
    if assessed is None:
        return []
    records, found = assessed.records, assessed.found
    labels = records.labels
    said = records.people.role[labels.worker] == EXPERT
    choice, is_expert = found.fit.answer.copy(), np.zeros(len(records.items), dtype=np.bool_)
    choice[labels.item[said]], is_expert[labels.item[said]] = labels.value[said], True
    asked = _escalations(session, [piece.step_id for piece in records.pieces])
    rows = []
    for number, piece in enumerate(records.pieces):
        reason, before = asked.get(piece.step_id, (None, None)) if is_expert[number] else (None, None)
        rows.append(
            {
                "item": piece.item_id,
                "key": piece.key,
                "state": piece.item_state,
                "choice": int(choice[number]),
                "posterior": float(found.fit.posterior[number, choice[number]]),
                "action": ACTIONS[int(found.decisions.action[number])],
                "is_adjudicated": bool(is_expert[number]),
                "reason": reason,
                "before_expert": None if before is None else int(before),
                "num_labels": len(records.submission_ids[number]),
            }
        )
    return rows


def _escalations(session: Session, step_ids: list[int]) -> dict[int, tuple[str | None, str]]:
    """Return reason and engine's answer of the last time each step was sent to an expert."""
    found = {}
    for start in range(0, len(step_ids), BLOCK):
        statement = (
            select(StepDecision.step_id, StepDecision.reason, StepDecision.value)
            .where(StepDecision.step_id.in_(step_ids[start : start + BLOCK]), StepDecision.action == "escalate")
            .order_by(StepDecision.id)
        )
        for step_id, reason, value in session.execute(statement):
            found[step_id] = (reason, value)
    return found
