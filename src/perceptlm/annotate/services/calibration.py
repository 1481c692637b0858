"""Calibration: work with a known answer that people new to a project do before real work, and are told of afterwards.

Unlike gold it is no secret that an item is one. How many are done and which share must be right is the policy's to say;
who falls short gets further ones while there are any, and passes by the newest. What is right is told to whoever has
submitted, and to nobody before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.gold import agrees_with_gold
from perceptlm.annotate.fgqa.payloads import PAYLOADS
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.refusals import Conflict
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.known_work import item_of_key, known_work, open_item_of_key
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.steps import CALIBRATION, lock_work, repeat
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import CalibrationItem, Item, Membership, Project, Step, Submission, User
from perceptlm.config import digest_of
from perceptlm.statistics.binomial import clopper_pearson_interval


@dataclass(frozen=True)
class Progress:
    """How far one person is: `num_done` pieces, of the last `wanted` of which `num_judged` could be told right or wrong
    and `num_right` were right."""

    num_done: int
    wanted: int
    num_judged: int
    num_right: int
    is_passed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def set_calibration(
    session: Session, caller: Caller, project: Project, body: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Make open items calibration items; Conflict for gold and for what is finished."""
    items = {key: item_of_key(session, project, key) for key in sorted(body)}
    lock_work(session, [item.id for item in items.values()])
    for key, entry in sorted(body.items()):
        item = open_item_of_key(session, project, key)
        row = session.get(CalibrationItem, item.id)
        if row is None and item.is_repeated:
            raise Conflict("gold_already", f"what is right of the item '{key}' is known already")
        known = known_work(session, item, entry, may_answer=True)
        row = row or CalibrationItem(item_id=item.id, project_id=project.id)
        row.expected, row.explanation = entry["expected"], entry["explanation"]
        row.step_kind, row.subject = known.kind, known.subject
        session.add(row)
        repeat(session, item, CALIBRATION, known.kind, [known.subject])
    logged = {"sha256": digest_of(body), "num_items": len(body)}
    append(session, caller.actor, "calibration.set", f"project:{project.id}", logged, project.id)
    return {"num_items": len(body)}


def open_progress(session: Session, project: Project, policy: Policy, membership: Membership) -> Progress | None:
    """Return how far a person is who must do calibration items before real work; None for anybody else."""
    if policy.calibration_items == 0 or membership.role != Role.ANNOTATOR or membership.calibrated_at is not None:
        return None
    wanted = _num_wanted(session, project.id, policy)
    progress = _progress(_answers(session, project.id, membership.user_id), wanted, policy)
    return None if wanted == 0 or progress.is_passed else progress


def progress_answer(session: Session, caller: Caller, project: Project) -> dict[str, Any] | None:
    """Return what the interface says of that to the caller."""
    membership = session.get(Membership, (project.id, caller.user_id or 0))
    found = None if membership is None else open_progress(session, project, policy_of(session, project), membership)
    return None if found is None else found.to_dict()


def note_answer(session: Session, row: Submission, step: Step) -> dict[str, Any] | None:
    """Return what is told to a person who has just submitted a calibration item, and let them go on to real work if
    they pass by it; None for any other work."""
    known = session.get(CalibrationItem, row.item_id) if step.home_lane == CALIBRATION else None
    if known is None or (step.kind, step.subject) != (known.step_kind, known.subject):
        return None
    project = session.get_one(Project, row.project_id)
    policy = policy_of(session, project)
    wanted = _num_wanted(session, project.id, policy)
    progress = _progress(_answers(session, project.id, row.user_id), wanted, policy)
    membership = session.get_one(Membership, (row.project_id, row.user_id))
    if progress.is_passed and membership.calibrated_at is None:
        membership.calibrated_at = now(session)
    return {
        "is_right": _is_right(known.step_kind, row.payload, known.expected),
        "expected": known.expected,
        "explanation": known.explanation,
        "progress": progress.to_dict(),
    }


def calibration_rows(session: Session, project: Project, policy: Policy) -> list[dict[str, Any]]:
    """Return how far everybody is who has begun, with the exact interval of the share right."""
    wanted = _num_wanted(session, project.id, policy)
    answers = _answers(session, project.id)
    users = sorted({row.user_id for row in answers})
    names = dict(session.execute(select(User.id, User.name).where(User.id.in_(users))).all())
    statement = select(Membership.user_id, Membership.calibrated_at).where(Membership.project_id == project.id)
    passed = dict(session.execute(statement).all())
    rows = []
    for user_id in users:
        progress = _progress([row for row in answers if row.user_id == user_id], wanted, policy)
        share = low = high = None
        if progress.num_judged:
            interval = clopper_pearson_interval(progress.num_right, progress.num_judged)
            share, low, high = progress.num_right / progress.num_judged, interval.low, interval.high
        rows.append(
            {"user": names[user_id], "user_id": user_id, "share": share, "low": low, "high": high,
             "n": progress.num_judged, "num_done": progress.num_done, "passed_at": passed.get(user_id)}
        )  # fmt: skip
    return rows


def _num_wanted(session: Session, project_id: int, policy: Policy) -> int:
    if policy.calibration_items == 0:
        return 0
    # One that is discarded can be done by nobody.
    there = select(func.count()).select_from(CalibrationItem).join(Item, Item.id == CalibrationItem.item_id)
    num_there = session.scalar(there.where(CalibrationItem.project_id == project_id, Item.state == "open")) or 0
    return min(policy.calibration_items, num_there)


def _answers(session: Session, project_id: int, user_id: int | None = None) -> Sequence[Row[Any]]:
    """Return what people submitted for calibration items, in order, with what was expected."""
    statement = (
        select(Submission.user_id, Submission.step_kind, Submission.payload, CalibrationItem.expected)
        .join(CalibrationItem, CalibrationItem.item_id == Submission.item_id)
        .join(Step, Step.id == Submission.step_id)
        .where(CalibrationItem.project_id == project_id, Step.home_lane == CALIBRATION, Submission.ordinal == 0)
        # What was known of an item before may have been another step of it.
        .where(Step.kind == CalibrationItem.step_kind, Step.subject.is_not_distinct_from(CalibrationItem.subject))
        .order_by(Submission.id)
    )
    if user_id is not None:
        statement = statement.where(Submission.user_id == user_id)
    return session.execute(statement).all()


def _progress(answers: Sequence[Row[Any]], wanted: int, policy: Policy) -> Progress:
    newest = answers[-wanted:] if wanted else answers
    told = [_is_right(row.step_kind, row.payload, row.expected) for row in newest]
    judged = [is_right for is_right in told if is_right is not None]
    is_enough = len(answers) >= wanted and sum(judged) >= policy.calibration_pass * len(judged)
    return Progress(len(answers), wanted, len(judged), sum(judged), is_enough)


def _is_right(kind: str, payload: dict[str, Any], expected: dict[str, Any]) -> bool | None:
    """Return whether a payload is what is expected; None where only a person can tell."""
    return agrees_with_gold(PAYLOADS[kind].model_validate(payload), expected)  # type: ignore[index]
