"""Which share of the wrong choices of people went to an expert, as far as it can be measured. Read with gold.

Of the items drawn for the audit an expert sees every one: those that would have been accepted because of the audit,
the others for a reason of their own. So among them every wrong choice is known, and whether it was found without the
audit. Gold tells the same of items whose answer was known from the start (`quality.capture`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.capture import Captured, captured_on_gold
from perceptlm.annotate.services.assessments import Assessed
from perceptlm.annotate.services.quality_records import KIND, rules_of
from perceptlm.annotate.services.steps import CALIBRATION
from perceptlm.annotate.store.tables import Item, Project, Step, StepDecision, Submission
from perceptlm.statistics.binomial import clopper_pearson_interval

AUDIT = "audit"


def capture_rows(session: Session, project: Project, policy: Policy, choices: Assessed | None) -> list[dict[str, Any]]:
    """Return the share by what it was measured on (`audit`, `gold`), with its exact interval and n, the number of wrong
    choices; nothing where there were none."""
    measured = {AUDIT: _audited(session, project)}
    if choices is not None:
        records = choices.records
        is_gold = np.array([piece.home_lane != CALIBRATION for piece in records.pieces], dtype=np.bool_)
        items = replace(records.items, known=np.where(is_gold, records.items.known, -1))
        measured["gold"] = captured_on_gold(
            choices.found, records.labels, items, records.people, rules_of(policy, KIND)
        )
    rows = []
    for name, found in measured.items():
        if found.num_wrong:
            interval = clopper_pearson_interval(found.num_captured, found.num_wrong)
            share = found.num_captured / found.num_wrong
            rows.append({"on": name, "share": share, "low": interval.low, "high": interval.high, "n": found.num_wrong})
    return rows


def _audited(session: Session, project: Project) -> Captured:
    ruled = (
        select(Step.item_id, Step.round, Submission.payload)
        .join(Submission, Submission.step_id == Step.id)
        .join(Item, Item.id == Step.item_id)
        .where(Step.project_id == project.id, Step.kind == "expert", Step.about == KIND, Item.expert_reason == AUDIT)
    )
    truth = {(row.item_id, row.round): row.payload.get("choice") for row in session.execute(ruled)}
    decided = (
        select(StepDecision.item_id, Step.round, StepDecision.value, StepDecision.reason)
        .join(Step, Step.id == StepDecision.step_id)
        .join(Item, Item.id == Step.item_id)
        .where(
            Step.project_id == project.id,
            Step.kind == KIND,
            StepDecision.action == "escalate",
            Item.expert_reason == AUDIT,
        )
        .order_by(StepDecision.id)
    )
    # The last one holds: it is what the expert was asked about.
    said = {(row.item_id, row.round): (row.value, row.reason) for row in session.execute(decided)}
    # Of a question that an expert found invalid no choice is right.
    wrong = [reason for key, (value, reason) in said.items() if key in truth and value != str(truth[key])]
    return Captured(len(wrong), sum(reason != AUDIT for reason in wrong))
