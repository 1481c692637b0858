"""Slots of work: opening them, closing those not yet taken, and keeping each step in the queue it belongs to.

A step stands in its lane exactly while it has a free slot. Each time it comes to stand there anew it goes to the end,
so that nobody has to look for it behind where they have been (`services.queue`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.payloads import STEPS
from perceptlm.annotate.fgqa.payloads import Step as StepKind
from perceptlm.annotate.fgqa.view import SlotRequest
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.store.database import insert_all, now
from perceptlm.annotate.store.numbers import POSITION, take_numbers
from perceptlm.annotate.store.tables import Item, QueueLevel, Step

OPEN, CLOSED = "open", "closed"
REPEATED_SLOTS = 1_000_000
"""Slots of a step that everybody may be given: gold, and items for calibration."""
CALIBRATION = "calibration"
"""The queue of what people do before real work."""
_REPEATED = "repeated:"
_KINDS: dict[str, StepKind] = {kind: kind for kind in STEPS}


def work_name(kind: str, subject: int | None, about: str | None) -> str:
    """Return the word for a piece of work: whoever did it on an item does not do it there again."""
    return ":".join([kind, "" if subject is None else str(subject), about or ""])


def better_lane(kind: str) -> str:
    """Return the queue of labels that only the better half is asked for."""
    return f"{kind}:better"


def chosen_lane(domain: str, user_id: int) -> str:
    """Return the queue of what was given to one expert in a domain; domains have no `@` in their names."""
    return f"expert:{domain}@{user_id}"


def chosen_for(lane: str) -> int | None:
    """Return the expert to whom the queue `lane` was given, None for any other queue."""
    head, _, user_id = lane.partition("@")
    return int(user_id) if head.startswith("expert:") and user_id else None


def lane_of(item: Item, kind: str, only_user: int | None) -> str:
    """Return the queue in which a step waits: for one person, for experts of a domain, or for anybody."""
    if only_user is not None:
        return f"person:{only_user}"
    return f"expert:{item.domain}" if kind == "expert" else kind


def open_slots(session: Session, item: Item, wanted: Iterable[SlotRequest]) -> None:
    """Add slots to a locked item, to steps that are there or to new ones."""
    counts = Counter((slot.work, slot.reason) for slot in wanted)
    steps = steps_of(session, item) if counts else []
    for ((kind, subject, about, only_user), reason), count in counts.items():
        person = None if only_user is None else int(only_user)
        work = work_name(kind, subject, about)
        step = next((s for s in steps if (s.work, s.for_user_id) == (work, person)), None)
        step = step or _open_again(session, item, work, person)
        if step is None:
            step = Step(**_step_row(session, item, (kind, subject, about, only_user), reason))
            session.add(step)
        step.num_slots += count
        update_lane(session, step)
    session.flush()


def repeat(session: Session, item: Item, lane: str, kind: str, subjects: Iterable[int | None]) -> None:
    """Let everybody be given this work on a locked item, from the queue `lane`, and no other work on it."""
    wanted = {work_name(kind, subject, None): subject for subject in subjects}
    there = {step.work: step for step in steps_of(session, item)}
    item.is_repeated, item.needs = True, []
    for work, step in there.items():
        if work not in wanted:
            step.state = CLOSED
            update_lane(session, step)
    for work, subject in wanted.items():
        step = there.get(work) or Step(**_step_row(session, item, (kind, subject, None, None), ""))
        session.add(step)
        step.home_lane, step.num_slots, step.lane = lane, REPEATED_SLOTS, None
        update_lane(session, step)
    session.flush()


def repeated_lane(kind: str) -> str:
    """Return the queue of gold of one kind of work."""
    return f"{_REPEATED}{kind}"


def is_repeated_lane(lane: str) -> bool:
    """Whether gold stands in the queue `lane`."""
    return lane.startswith(_REPEATED)


def open_first_slots(session: Session, wanted: Sequence[tuple[Item, Sequence[SlotRequest]]]) -> None:
    """Add the first slots of new items, all in a few statements."""
    counts = [(item, Counter((slot.work, slot.reason) for slot in slots)) for item, slots in wanted]
    num_steps = sum(map(len, counts))
    if not num_steps:
        return
    position = take_numbers(session, POSITION, num_steps)
    rows: list[dict[str, Any]] = []
    for item, counted in counts:
        for (work, reason), count in counted.items():
            row = _step_row(session, item, work, reason)
            rows.append({**row, "num_slots": count, "lane": row["home_lane"], "position": position + len(rows)})
    insert_all(session, Step, rows)
    for lane, priority in sorted({(row["home_lane"], row["priority"]) for row in rows}):
        _note_level(session, rows[0]["project_id"], lane, priority)


def _step_row(
    session: Session, item: Item, work: tuple[str, int | None, str | None, str | None], reason: str
) -> dict[str, Any]:
    """Return a new step without slots."""
    kind, subject, about, only_user = work
    person = None if only_user is None else int(only_user)
    return {
        "project_id": item.project_id,
        "item_id": item.id,
        "kind": kind,
        "subject": subject,
        "about": about,
        "work": work_name(kind, subject, about),
        "round": item.round,
        "reason": reason or None,
        "for_user_id": person,
        "home_lane": lane_of(item, kind, person),
        "priority": item.priority,
        "position": 0,
        "num_slots": 0,
        "num_taken": 0,
        "num_submitted": 0,
        "state": OPEN,
        "created_at": now(session),
    }


def _open_again(session: Session, item: Item, work: str, person: int | None) -> Step | None:
    """Open the closed step of a piece of work that is wanted again in the same round: one piece, one record."""
    step = session.scalar(
        select(Step).where(
            Step.item_id == item.id,
            Step.round == item.round,
            Step.work == work,
            Step.for_user_id.is_(None) if person is None else Step.for_user_id == person,
        )
    )
    if step is not None:
        step.state, step.num_slots = OPEN, step.num_taken
    return step


def set_home_lane(session: Session, step: Step, lane: str) -> None:
    """Let a locked step wait in another lane, at its end, if it is not there already."""
    if step.home_lane != lane:
        step.home_lane, step.lane = lane, None
        update_lane(session, step)
        session.flush()


def close_slots(session: Session, item: Item, unwanted: Iterable[SlotRequest]) -> None:
    """Take back slots of a locked item that nobody holds; those that are held may still be submitted."""
    counts = Counter(slot.work for slot in unwanted)
    for step in steps_of(session, item) if counts else ():
        person = None if step.for_user_id is None else str(step.for_user_id)
        count = counts[(_KINDS[step.kind], step.subject, _about(step), person)]
        step.num_slots = max(step.num_taken, step.num_slots - count)
        update_lane(session, step)
    session.flush()


def close_all(session: Session, item: Item) -> None:
    """Close every step of a locked item: it is discarded, or done anew."""
    for step in steps_of(session, item):
        step.state = CLOSED
        update_lane(session, step)
    session.flush()


def steps_of(session: Session, item: Item) -> list[Step]:
    """Return the open steps of a locked item in its present round, each locked, as they are now."""
    statement = (
        select(Step)
        .where(Step.item_id == item.id, Step.round == item.round, Step.state == OPEN)
        .order_by(Step.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    session.flush()
    return list(session.scalars(statement))


def lock_work(session: Session, item_ids: Iterable[int]) -> None:
    """Lock items and their open steps, all before the audit log's head: see `store.audit.locked_head`."""
    for item_id in sorted(set(item_ids)):
        steps_of(session, locked_item(session, item_id))


def requests_of(steps: Iterable[Step]) -> tuple[SlotRequest, ...]:
    """Return the slots that have no submission yet, leased or not, as the flow counts them."""
    found: list[SlotRequest] = []
    for step in steps:
        person = None if step.for_user_id is None else str(step.for_user_id)
        slot = SlotRequest(_KINDS[step.kind], subject=step.subject, about=_about(step), only_user=person)
        found += [slot] * min(step.num_slots - step.num_submitted, 50)
    return tuple(found)


def update_lane(session: Session, step: Step) -> None:
    """Put a step into its lane or take it out, by whether it has a free slot."""
    is_free = step.state == OPEN and step.num_taken < step.num_slots
    if is_free and step.lane is None:
        step.lane, step.position = step.home_lane, take_numbers(session, POSITION)
        if step.for_user_id is None:
            _note_level(session, step.project_id, step.home_lane, step.priority)
    elif not is_free:
        step.lane = None


def _note_level(session: Session, project_id: int, lane: str, priority: int) -> None:
    if session.get(QueueLevel, (project_id, lane, priority)) is None:
        session.add(QueueLevel(project_id=project_id, lane=lane, priority=priority))
        session.flush()


def _about(step: Step) -> StepKind | None:
    return None if step.about is None else _KINDS[step.about]
