"""Which step a person gets next: the first in their lanes, by priority and then by position, that is for them.

Nobody reads the queue from its beginning each time: a cursor per person, lane and priority says how far they have come,
and a step that opens again goes to the end, beyond all cursors. What that misses (a step that another transaction held
just then) is found when the rest is empty and the lane is read from its beginning, at most every `rescan_seconds`.
So a lease costs a few index look-ups, whatever the number of items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from perceptlm.annotate.roles import BLIND_STEPS, FRESH_STEPS, SEEING_STEPS
from perceptlm.annotate.services.steps import CALIBRATION, repeated_lane
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Assignment, QueueCursor, QueueLevel, Step

EXPIRED = "expired"


def first_step(session: Session, project_id: int, user_id: int, lanes: Sequence[str], rescan_ms: int) -> Step | None:
    """Return the locked step a person should get from `lanes`, which come in order of preference; None if nothing is
    left. Priorities come before lanes.
    """
    levels = _levels(session, project_id, lanes)
    cursors = _cursors(session, project_id, user_id)
    for lane, priority in levels:
        cursor = cursors.get((lane, priority))
        step = _probe(session, project_id, user_id, lane, priority, 0 if cursor is None else cursor.position)
        if step is not None:
            return step
    for lane, priority in levels:
        cursor = cursors.get((lane, priority))
        # A clock that was put back must not keep anybody from looking until it has caught up.
        if cursor is None or 0 <= now(session) - cursor.scanned_at < rescan_ms:
            continue
        cursor.scanned_at = now(session)
        step = _probe(session, project_id, user_id, lane, priority, 0)
        if step is not None:
            return step
    return None


def pass_step(session: Session, user_id: int, step: Step) -> None:
    """Note that a person has come as far as this step in its lane, once they are given it.

    After a reading from the beginning that is a place further back, from which they go on.
    """
    key = {"user_id": user_id, "project_id": step.project_id, "lane": step.lane, "priority": step.priority}
    cursor = session.get(QueueCursor, tuple(key.values()))
    if cursor is None:
        session.add(QueueCursor(**key, position=step.position, scanned_at=now(session)))
    else:
        cursor.position = step.position


def first_of_lane(session: Session, project_id: int, user_id: int, lane: str) -> Step | None:
    """Return the first step of a short lane (one person's own, or the repeated items) that is for this person."""
    statement = _statement(project_id, user_id, lane).order_by(Step.priority.desc(), Step.position)
    return session.scalar(statement)


def lanes_there(session: Session, project_id: int, lanes: Sequence[str]) -> list[str]:
    """Return those of `lanes` in which anything has ever stood, in their order."""
    there = {lane for lane, _ in _levels(session, project_id, lanes)}
    return [lane for lane in lanes if lane in there]


def next_of_lane_after(
    session: Session, project_id: int, user_id: int, lane: str, start: Callable[[int], int]
) -> Step | None:
    """Return the first step of a lane for this person from place `start(size)` on, around the end; priority is no
    matter. Places count positions from the lane's first step to its last, `size` in all.
    """
    ends = select(func.min(Step.position), func.max(Step.position)).where(
        Step.project_id == project_id, Step.lane == lane
    )
    lowest, highest = session.execute(ends).one()
    if lowest is None:
        return None
    place = lowest + start(highest - lowest + 1)
    mine = _statement(project_id, user_id, lane).order_by(Step.position)
    return session.scalar(mine.where(Step.position >= place)) or session.scalar(mine.where(Step.position < place))


def next_of_item(session: Session, user_id: int, last: Step) -> Step | None:
    """Return the next step for this person of the same item in the lane of `last`; None if there is none."""
    mine = _statement(last.project_id, user_id, last.home_lane).where(Step.item_id == last.item_id)
    return session.scalar(mine.order_by(Step.position))


def _levels(session: Session, project_id: int, lanes: Sequence[str]) -> list[tuple[str, int]]:
    statement = select(QueueLevel.lane, QueueLevel.priority).where(
        QueueLevel.project_id == project_id, QueueLevel.lane.in_(list(lanes))
    )
    found = [(lane, priority) for lane, priority in session.execute(statement)]
    return sorted(found, key=lambda level: (-level[1], lanes.index(level[0])))


def _cursors(session: Session, project_id: int, user_id: int) -> dict[tuple[str, int], QueueCursor]:
    statement = select(QueueCursor).where(QueueCursor.user_id == user_id, QueueCursor.project_id == project_id)
    return {(row.lane, row.priority): row for row in session.scalars(statement)}


def _probe(session: Session, project_id: int, user_id: int, lane: str, priority: int, after: int) -> Step | None:
    statement = _statement(project_id, user_id, lane).where(Step.priority == priority, Step.position > after)
    return session.scalar(statement.order_by(Step.position))


def _statement(project_id: int, user_id: int, lane: str) -> Select[Step]:
    """Select one step of a lane that this person may have; steps another transaction is leasing are passed over."""
    return (
        select(Step)
        .where(Step.project_id == project_id, Step.lane == lane, ~_was_there(user_id, lane))
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )


def _was_there(user_id: int, lane: str) -> ColumnElement[bool]:
    """Whether the person did this work on the item already, had any part in one that needs a fresh person, or has seen
    the answers that they would have to give blind.
    """
    kind = lane.removeprefix(repeated_lane("")).partition(":")[0]
    was_there: ColumnElement[bool] = Assignment.state != EXPIRED
    if lane == CALIBRATION:
        # Given back it comes again: nobody passes by what they did not do.
        was_there = Assignment.state.not_in((EXPIRED, "released"))
    if kind not in FRESH_STEPS:
        was_there = and_(was_there, Assignment.work == Step.work)
    if kind in BLIND_STEPS:
        was_there = or_(was_there, has_seen())
    return exists().where(Assignment.item_id == Step.item_id, Assignment.user_id == user_id, was_there)


def has_seen() -> ColumnElement[bool]:
    """Whether an assignment, ended or not, showed what others answered."""
    return or_(*(Assignment.work.startswith(f"{kind}:", autoescape=True) for kind in SEEING_STEPS))
