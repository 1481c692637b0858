"""Runs the quality engine over a project and does what it decides: accept, ask more people, or an expert.

The engine is `quality.assess`, which the simulator calls too. Reading and fitting hold no lock; what changed is then
done in small transactions. A decision is kept with its method, posterior and submissions, and the flow is asked what
follows from it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from perceptlm.annotate.services.flow import advance_item
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.leases import locked_step, to_any_expert
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.quality_records import KIND
from perceptlm.annotate.services.refit_plan import Due, Plan, plan_refit
from perceptlm.annotate.services.standing import set_standing
from perceptlm.annotate.services.steps import OPEN, chosen_for, chosen_lane, lock_work, set_home_lane
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import LONGEST_TURN, LONGEST_TURN_SECONDS, PAUSE_SECONDS, Database, now
from perceptlm.annotate.store.tables import Item, Project, Step, StepDecision

METHOD = "dawid_skene 2"
_WORKABLE = ("open", "agreed", "contested", "escalated", "accepted")


def refit(database: Database, actor: Actor, project_id: int) -> dict[str, Any]:
    """Fit, decide, route; return how many pieces of work got which new decision.

    A step that got another submission or another decision meanwhile is left to the next refit, so that of two refits
    at once each decision is made once. Decisions are done in the order of the plan, so that of what goes to experts the
    most urgent waits first.
    """

    def read(session: Session) -> tuple[Plan, int, int]:
        project = session.get_one(Project, project_id)
        return plan_refit(session, project, policy_of(session, project)), project.num_since_fit, project.num_fits

    plan, num_since_fit, num_fits = database.read(read, gold=True)
    if plan.standing:
        database.write(lambda session: set_standing(session, actor, project_id, plan.standing))
    counts: Counter[str] = Counter()
    start = 0
    while start < len(plan.due):
        done, start = database.write(lambda session, first=start: _apply(session, actor, plan.due, first))  # type: ignore[misc]
        counts.update(done)
        if start < len(plan.due):
            # A lock of the process is not fair: whoever waits for it gets it now.
            time.sleep(PAUSE_SECONDS)
    free_waiting(database, project_id)
    body = {
        "num_labels": plan.num_labels,
        "num_pieces": plan.num_pieces,
        "decisions": dict(sorted(counts.items())),
        "num_paused": sum(entry.paused_reason is not None for entry in plan.standing),
    }

    def note(session: Session) -> None:
        append(session, actor, "quality.refit", f"project:{project_id}", body, project_id)
        # Two fits at once have read the same submissions: these are counted off once.
        mine = update(Project).where(Project.id == project_id, Project.num_fits == num_fits)
        values = {"num_fits": num_fits + 1, "num_since_fit": Project.num_since_fit - num_since_fit}
        session.execute(mine.values(values), execution_options={"synchronize_session": False})

    database.write(note)
    return body


def count_since_fit(session: Session, project_id: int, change: int) -> None:
    """Count submissions since the last fit."""
    statement = update(Project).where(Project.id == project_id).values(num_since_fit=Project.num_since_fit + change)
    session.execute(statement, execution_options={"synchronize_session": False})


def free_waiting(database: Database, project_id: int) -> int:
    """Let any expert of the domain take what waited too long for the one chosen for it; return how much that was."""

    def look(session: Session) -> list[int]:
        project = session.get_one(Project, project_id)
        before = now(session) - policy_of(session, project).expert_wait_seconds * 1000
        late = select(Step.id).where(
            Step.project_id == project_id, Step.lane.like("expert:%@%"), Step.created_at < before
        )
        return list(session.scalars(late.order_by(Step.id)))

    late = database.read(look)
    for step_id in late:
        database.write(lambda session, step_id=step_id: to_any_expert(session, step_id))  # type: ignore[misc]
    return len(late)


def _apply(session: Session, actor: Actor, due: Sequence[Due], start: int) -> tuple[Counter[str], int]:
    """Do decisions from place `start` on for a while; return what was done and where to go on."""
    counts: Counter[str] = Counter()
    until = time.monotonic() + LONGEST_TURN_SECONDS
    end = min(start + LONGEST_TURN, len(due))
    lock_work(session, [one.item_id for one in due[start:end]])
    for place in range(start, end):
        if _apply_one(session, actor, due[place]):
            counts[due[place].action] += 1
        if time.monotonic() > until:
            return counts, place + 1
    return counts, end


def _apply_one(session: Session, actor: Actor, due: Due) -> bool:
    item = locked_item(session, due.item_id)
    step = locked_step(session, due.step_id)
    is_same = step.num_submitted == len(due.submissions) and step.round == item.round
    newest = select(StepDecision.id).where(StepDecision.step_id == step.id).order_by(StepDecision.id.desc()).limit(1)
    if (
        not is_same
        or item.is_repeated  # since the fit
        or session.scalar(newest) != due.follows
        or item.state not in _WORKABLE
        or (step.state != OPEN and item.state not in ("accepted", "escalated"))
    ):
        return False
    if due.is_new:
        session.add(
            StepDecision(
                step_id=step.id,
                item_id=item.id,
                action=due.action,
                reason=due.reason,
                value=due.value,
                posterior=due.posterior,
                num_labels=due.num_labels,
                method=METHOD,
                submissions=due.submissions,
                created_at=now(session),
            )
        )
        session.flush()
        advance_item(session, item, actor)
    if due.lane is not None:
        set_home_lane(session, step, due.lane)
    if due.expert is not None:
        _give(session, item, due.expert, due.waits_for)
    return True


def _give(session: Session, item: Item, user_id: int, instead_of: int | None) -> None:
    """Let what waits for an expert on an item, or for the one chosen before, wait for the one who was chosen now."""
    step = session.scalar(
        select(Step).where(
            Step.item_id == item.id,
            Step.round == item.round,
            Step.kind == "expert",
            Step.about == KIND,
            Step.state == OPEN,
            Step.num_taken == 0,
        )
    )
    if step is not None and chosen_for(step.home_lane) == instead_of:
        set_home_lane(session, step, chosen_lane(item.domain, user_id))
