"""What waits for experts, as they and managers see it: the question, what people said, why it waits and since when.

Those come first where an expert's minute saves most. Which piece an expert is leased next is `services.queue`'s to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Label, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.text_rules import same_text
from perceptlm.annotate.refusals import Invalid
from perceptlm.annotate.store.tables import Item, ItemMove, Project, Proposal, Step, StepDecision, Submission

LABEL_FIELDS = {"question_check": "verdict", "distractor": "verdict", "choice": "choice", "blind_answer": "answer"}
"""Where the label stands in the payload of each step that people do."""
_Rows = Sequence[Row[Item, Step, float | None, Any]]
_ANEW = ("blind_answer", "choice")
"""Steps whose labels count in their round only, as people give them anew in each."""


def expert_queue(session: Session, project: Project, *, after: int, limit: int) -> dict[str, Any]:
    """Return pieces of work that wait for an expert, by (1 - posterior) x weight, after the row of the id `after`.

    `next` is the id to go on after, or None at the end. Invalid for an `after` that no row ever had.
    """
    score = _score()
    statement = _select(project).where(
        Item.state == "escalated", Step.state == "open", Step.num_submitted < Step.num_slots, Step.round == Item.round
    )
    if after:
        mark = session.execute(_select(project).where(Step.id == after)).one_or_none()
        if mark is None:
            raise Invalid("no_such_row", f"no row of the queue has the id {after}", field="after")
        statement = statement.where(or_(score < mark.score, and_(score == mark.score, Step.id > after)))
    rows = session.execute(statement.order_by(score.desc(), Step.id).limit(limit)).all()
    labels = _labels(session, rows)
    since = _escalated_at(session, rows)
    texts = _distractors(session, rows)
    found = [
        {
            "id": step.id,
            "item": item.id,
            "key": item.key,
            "domain": item.domain,
            "question": item.derived.get("question", item.question),
            "distractor": texts.get(step.id),
            "labels": labels[step.id],
            "about": step.about,
            "reason": step.reason,
            "escalated_at": since.get(item.id, step.created_at),
            "posterior": posterior,
            "priority": item.priority,
            "is_leased": step.num_taken > step.num_submitted,
            "score": value,
        }
        for item, step, posterior, value in rows
    ]
    return {"queue": found, "next": rows[-1].Step.id if len(rows) == limit else None}


def _score() -> Label[Any]:
    return ((1 + Item.priority) * (1.0 - func.coalesce(StepDecision.posterior, 0.0))).label("score")


def _select(project: Project) -> Select[Item, Step, float | None, Any]:
    """Select experts' steps with their items, the posterior of the last decision and the score."""
    last = select(func.max(StepDecision.id)).where(StepDecision.item_id == Item.id).correlate(Item).scalar_subquery()
    return (
        select(Item, Step, StepDecision.posterior, _score())
        .join(Step, Step.item_id == Item.id)
        .outerjoin(StepDecision, StepDecision.id == last)
        .where(Step.project_id == project.id, Step.kind == "expert")
    )


def _labels(session: Session, rows: _Rows) -> dict[int, list[dict[str, Any]]]:
    """Return for each step what people said of what the expert is to settle, with how many did, most first."""
    given: dict[tuple[int, str, int | None], list[tuple[int, Any]]] = defaultdict(list)
    statement = (
        select(Submission.item_id, Submission.step_kind, Step.subject, Step.round, Submission.payload)
        .join(Step, Step.id == Submission.step_id)
        .where(
            Submission.item_id.in_({row.Item.id for row in rows}),
            Submission.step_kind.in_(LABEL_FIELDS),
            Submission.ordinal == 0,
        )
        .order_by(Submission.id)
    )
    for item_id, kind, subject, number, payload in session.execute(statement):
        given[item_id, kind, subject].append((number, payload[LABEL_FIELDS[kind]]))
    return {
        row.Step.id: _counted(
            [
                (row.Item.options or ())[value] if row.Step.about == "choice" else str(value)
                for number, value in given[row.Item.id, row.Step.about, row.Step.subject]
                if row.Step.about not in _ANEW or number == row.Item.round
            ],
            # Answers in free text are one where they are word for word the same, in the first one's wording.
            is_same=same_text if row.Step.about == "blind_answer" else str.__eq__,
        )
        for row in rows
    }


def _counted(labels: Sequence[str], is_same: Callable[[str, str], bool]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for label in labels:
        entry = next((entry for entry in found if is_same(entry["label"], label)), None)
        if entry is None:
            found.append(entry := {"label": label, "count": 0})
        entry["count"] += 1
    return sorted(found, key=lambda entry: -int(entry["count"]))


def _escalated_at(session: Session, rows: _Rows) -> dict[int, int]:
    statement = select(ItemMove.item_id, func.max(ItemMove.created_at)).where(
        ItemMove.item_id.in_({row.Item.id for row in rows}), ItemMove.to_state == "escalated"
    )
    return dict(session.execute(statement.group_by(ItemMove.item_id)).all())


def _distractors(session: Session, rows: _Rows) -> dict[int, str]:
    """Return the texts of the distractors that experts are asked about, by step."""
    asked = {row.Step.id: row.Step.subject for row in rows if row.Step.about == "distractor"}
    texts = dict(session.execute(select(Proposal.id, Proposal.text).where(Proposal.id.in_(asked.values()))).all())
    return {step_id: texts[number] for step_id, number in asked.items() if number is not None}
