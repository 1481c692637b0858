"""Leases: one slot of one step for one person, for a while. Who holds one gets the same back until it ends.

A lease carries a fence, a number that only grows: whoever comes with an old one has lost the lease. An expired lease
whose slot nobody else took may still be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.turns import GoldRule, gold_start, is_gold_turn
from perceptlm.annotate.refusals import Conflict, Forbidden, NotFound, Refused
from perceptlm.annotate.roles import BLIND_STEPS, FRESH_STEPS, OWN_STEPS, ROLE_STEPS, Role
from perceptlm.annotate.services.calibration import open_progress
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.projects import content_of, policy_of
from perceptlm.annotate.services.quality_records import NOMINAL
from perceptlm.annotate.services.queue import (
    EXPIRED,
    first_of_lane,
    first_step,
    has_seen,
    lanes_there,
    next_of_item,
    next_of_lane_after,
    pass_step,
)
from perceptlm.annotate.services.steps import (
    CALIBRATION,
    OPEN,
    better_lane,
    chosen_lane,
    is_repeated_lane,
    repeated_lane,
    set_home_lane,
    update_lane,
)
from perceptlm.annotate.services.users import valid_domains
from perceptlm.annotate.store.audit import SERVER, Actor, append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.numbers import FENCE, take_numbers
from perceptlm.annotate.store.tables import Assignment, Item, Membership, Project, Step, Submission, User

LEASED, SUBMITTED, RELEASED = "leased", "submitted", "released"
MAX_EXPIRED_AT_ONCE = 200


def next_assignment(
    session: Session, caller: Caller, project: Project, kinds: Sequence[str] | None, rescan_ms: int
) -> tuple[Assignment, bool] | None:
    """Return a person's open lease (True: it was open already) or a new one; None if nothing is left for them."""
    user_id, role = caller.person(), caller.role
    assert role is not None
    # One lease per person: two requests of the same person wait for each other here.
    membership = locked_membership(session, project.id, user_id)
    policy = policy_of(session, project)
    held = session.scalar(
        select(Assignment)
        .where(Assignment.project_id == project.id, Assignment.user_id == user_id, Assignment.state == LEASED)
        .limit(1)
    )
    if held is not None:
        if why_barred(session, caller, held, session.get_one(Step, held.step_id)) is None:
            held.lease_until = now(session) + policy.lease_seconds * 1000
            return held, True
        give_slot_back(session, own_assignment(session, caller, held.id, lock=True), RELEASED)
    shorten_leases(session, project.id, policy)
    expire_overdue(session, project.id)
    step = _choose(session, project, policy, membership, role, kinds, rescan_ms)
    if step is None:
        return None
    is_gold = is_repeated_lane(step.home_lane)
    if step.for_user_id is None and not is_gold and step.home_lane != CALIBRATION:
        pass_step(session, user_id, step)
    membership.num_given += 1
    membership.num_gold += is_gold
    membership.last_step_id = step.id
    return _lease(session, caller, project, policy, step), False


def locked_membership(session: Session, project_id: int, user_id: int) -> Membership:
    """Return how a person stands in a project, locked; NotFound for one who was removed since the request came in."""
    mine = select(Membership).where(Membership.project_id == project_id, Membership.user_id == user_id)
    row = session.scalar(mine.with_for_update(key_share=True).execution_options(populate_existing=True))
    if row is None:
        raise NotFound("not_found", "there is no such thing, or not for you")
    return row


def _choose(
    session: Session,
    project: Project,
    policy: Policy,
    membership: Membership,
    role: Role,
    kinds: Sequence[str] | None,
    rescan_ms: int,
) -> Step | None:
    allowed = ROLE_STEPS[role] + OWN_STEPS
    if kinds is not None and (wrong := [kind for kind in kinds if kind not in allowed]):
        raise Forbidden("step_not_allowed", f"'{wrong[0]}' is not for a {role.value}", field="steps")
    # An expert's time is for what only experts can do, unless they ask for other work.
    wanted = list(kinds) if kinds is not None else ["expert", *OWN_STEPS] if role is Role.EXPERT else list(allowed)
    user_id = membership.user_id
    own = first_of_lane(session, project.id, user_id, f"person:{user_id}")
    # Whoever is paused finishes what they began, and gets nothing new.
    if own is not None or membership.paused_reason is not None:
        return own
    if open_progress(session, project, policy, membership) is not None:
        return first_of_lane(session, project.id, user_id, CALIBRATION)
    labels = [kind for kind in ROLE_STEPS[role] if kind in wanted and kind != "expert"]
    lanes = [*([better_lane("choice")] if membership.is_better and "choice" in labels else []), *labels]
    if "expert" in wanted:
        own_domains = expert_domains(session, project, user_id)
        chosen = [chosen_lane(domain, user_id) for domain in own_domains]
        lanes = [*chosen, *(f"expert:{domain}" for domain in own_domains), *lanes]
    step = first_step(session, project.id, user_id, lanes, rescan_ms)
    return _gold(session, project, policy, membership, labels, step) or step


def expert_domains(session: Session, project: Project, user_id: int) -> list[str]:
    """Return the domains in which a person may decide as an expert: a credential holds for those below it as well."""
    held = set(valid_domains(session, user_id))
    return [entry.id for entry in content_of(project).domains if held & {entry.id, *entry.parents}]


def _gold(
    session: Session,
    project: Project,
    policy: Policy,
    membership: Membership,
    kinds: Sequence[str],
    instead_of: Step | None,
) -> Step | None:
    """Return a repeated item if it is time for one. It comes unasked, in between, so that nobody can tell them apart:
    of the kind of work that would have come, or came last; and for everybody in another order, so that nobody can tell
    the next one."""
    lanes = lanes_there(session, project.id, [repeated_lane(kind) for kind in NOMINAL if kind in kinds])
    if not lanes:
        return None
    user_id = membership.user_id
    last = None if membership.last_step_id is None else session.get(Step, membership.last_step_id)
    if last is not None and last.home_lane in lanes:
        rest = next_of_item(session, user_id, last)
        if rest is not None:
            return rest
    rule = GoldRule(policy.gold_first, policy.gold_rate, policy.gold_most)
    name, num_gold = session.get_one(User, user_id).name, membership.num_gold
    if not is_gold_turn(rule, project.slug, name, num_gold, membership.num_given):
        return None
    like = instead_of or last
    for lane in lanes:
        if like is not None and lane != repeated_lane(like.kind):
            continue
        step = next_of_lane_after(
            session, project.id, user_id, lane, lambda size: gold_start(project.slug, name, num_gold, size)
        )
        if step is not None:
            return step
    return None


def _lease(session: Session, caller: Caller, project: Project, policy: Policy, step: Step) -> Assignment:
    user_id = caller.person()
    assert caller.role is not None
    known = session.scalar(select(Assignment).where(Assignment.step_id == step.id, Assignment.user_id == user_id))
    assignment = known or Assignment(
        project_id=project.id,
        item_id=step.item_id,
        step_id=step.id,
        work=step.work,
        user_id=user_id,
        created_at=now(session),
    )
    assignment.role = caller.role.value
    assignment.guideline_version = project.guideline_version
    assignment.policy_version = project.policy_version
    assignment.fence = take_numbers(session, FENCE)
    assignment.lease_until = now(session) + policy.lease_seconds * 1000
    take_slot(session, step, assignment)
    session.add(assignment)
    session.flush()
    body = {"step": step.id, "item": step.item_id, "slot": assignment.slot, "fence": assignment.fence}
    append(session, caller.actor, "lease.create", f"assignment:{assignment.id}", body, project.id)
    return assignment


def take_slot(session: Session, step: Step, assignment: Assignment) -> None:
    """Give the assignment the lowest free slot of a locked step that has one."""
    statement = select(Assignment.slot).where(Assignment.step_id == step.id, Assignment.slot.is_not(None))
    taken = set(session.scalars(statement))
    assignment.slot = next(slot for slot in range(step.num_slots) if slot not in taken)
    assignment.state = LEASED
    step.num_taken += 1
    update_lane(session, step)


def expire_overdue(session: Session, project_id: int | None = None) -> int:
    """End leases whose time is over, of one project or of all, so that others get the work; returns how many."""
    statement = select(Assignment).where(Assignment.state == LEASED, Assignment.lease_until < now(session))
    if project_id is not None:
        statement = statement.where(Assignment.project_id == project_id)
    statement = statement.order_by(Assignment.lease_until).limit(MAX_EXPIRED_AT_ONCE)
    overdue = list(session.scalars(statement.with_for_update(key_share=True, skip_locked=True)))
    _end(session, SERVER, overdue, "lease.expire", {})
    return len(overdue)


def end_leases(session: Session, actor: Actor, assignment_ids: Sequence[int], reason: str) -> int:
    """End those of these leases that are still held, as if their time were over; returns how many."""
    statement = select(Assignment).where(Assignment.id.in_(assignment_ids), Assignment.state == LEASED)
    statement = statement.order_by(Assignment.id).with_for_update(key_share=True)
    held = list(session.scalars(statement.execution_options(populate_existing=True)))
    _end(session, actor, held, "lease.end", {"reason": reason})
    return len(held)


def _end(session: Session, actor: Actor, leases: Sequence[Assignment], action: str, body: dict[str, Any]) -> None:
    # All steps before the audit log's head: see `store.audit.locked_head`.
    ids = sorted({assignment.step_id for assignment in leases})
    session.execute(select(Step.id).where(Step.id.in_(ids)).order_by(Step.id).with_for_update(key_share=True))
    for assignment in leases:
        give_slot_back(session, assignment, EXPIRED)
        logged = {"fence": assignment.fence, **body}
        append(session, actor, action, f"assignment:{assignment.id}", logged, assignment.project_id)


def shorten_leases(session: Session, project_id: int, policy: Policy) -> None:
    """Let no lease of a project end later than one that begins now: the clock was ahead when it was made."""
    latest = now(session) + policy.lease_seconds * 1000
    statement = select(Assignment).where(
        Assignment.state == LEASED, Assignment.lease_until > latest, Assignment.project_id == project_id
    )
    for assignment in session.scalars(
        statement.limit(MAX_EXPIRED_AT_ONCE).with_for_update(key_share=True, skip_locked=True)
    ):
        assignment.lease_until = latest
    session.flush()


def give_slot_back(session: Session, assignment: Assignment, state: str) -> None:
    """Free the slot of a locked lease and note how it ended."""
    step = locked_step(session, assignment.step_id)
    assignment.slot, assignment.state = None, state
    # First the slot, then the lane: the same slot may be given out again at once.
    session.flush()
    step.num_taken -= 1
    update_lane(session, step)
    session.flush()


def locked_step(session: Session, step_id: int) -> Step:
    """Return a step, locked until the transaction ends."""
    statement = (
        select(Step).where(Step.id == step_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    return session.execute(statement).scalar_one()


def to_any_expert(session: Session, step_id: int) -> None:
    """Let any expert of the domain take a step that was kept for one of them."""
    item_id = session.execute(select(Step.item_id).where(Step.id == step_id)).scalar_one()
    item, step = locked_item(session, item_id), locked_step(session, step_id)
    set_home_lane(session, step, f"expert:{item.domain}")


def own_assignment(session: Session, caller: Caller, assignment_id: int, *, lock: bool = False) -> Assignment:
    """Return an assignment of the caller's; NotFound for anybody else's."""
    statement = select(Assignment).where(Assignment.id == assignment_id, Assignment.user_id == caller.person())
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    assignment = session.scalar(statement)
    if assignment is None:
        raise NotFound("no_such_assignment", f"there is no assignment {assignment_id} of yours")
    return assignment


def check_fence(assignment: Assignment, fence: int) -> None:
    """Raise Conflict (`lease_lost`) for a fence that is not the newest."""
    if assignment.fence != fence:
        raise lease_lost()


def lease_lost() -> Conflict:
    """Return the refusal for a lease that is no longer the caller's."""
    return Conflict("lease_lost", "the lease has ended and the work went to somebody else", hint="ask for the next one")


def why_barred(session: Session, caller: Caller, assignment: Assignment, step: Step) -> Refused | None:
    """Return why the holder of a lease may not do the work any more: they have another role by now, their credential
    has ended, they had a part in what they would judge, or have seen what they would answer blind. Leases that expire
    and are revived make that possible.
    """
    role = caller.role
    if role is None or step.kind not in ROLE_STEPS.get(role, ()) + OWN_STEPS:
        return Forbidden("step_not_allowed", f"'{step.kind}' is not for your role any more", hint="give it back")
    if step.kind == "expert":
        project, domain = session.get_one(Project, step.project_id), session.get_one(Item, step.item_id).domain
        if domain not in expert_domains(session, project, assignment.user_id):
            return Forbidden("no_credential", f"you hold no valid credential for '{domain}'", hint="give it back")
    mine = (Submission.item_id == step.item_id, Submission.user_id == assignment.user_id)
    if step.kind in FRESH_STEPS:
        # An expert may settle several splits of one item; `ordinal` 0 and this assignment is the work itself.
        part = select(Submission.id).where(*mine, Submission.assignment_id != assignment.id)
        if step.kind == "expert":
            part = part.where(Submission.step_kind != "expert")
        if session.scalar(part.limit(1)) is not None:
            return Conflict("own_work", "you had a part in this item by now", hint="ask for the next one")
    if step.kind in BLIND_STEPS:
        seen = select(Assignment.id).where(
            Assignment.item_id == step.item_id, Assignment.user_id == assignment.user_id, has_seen()
        )
        if session.scalar(seen.limit(1)) is not None:
            return Conflict("answers_seen", "you have seen what others answered", hint="ask for the next one")
    return None


def take_again(session: Session, caller: Caller, assignment: Assignment) -> None:
    """Revive an expired lease whose slot nobody else took; Conflict (`lease_lost`) otherwise."""
    step = locked_step(session, assignment.step_id)
    if assignment.state != EXPIRED or step.state != OPEN or step.num_taken >= step.num_slots:
        raise lease_lost()
    if (barred := why_barred(session, caller, assignment, step)) is not None:
        raise barred
    take_slot(session, step, assignment)
    session.flush()


def heartbeat(session: Session, caller: Caller, assignment_id: int, fence: int) -> int:
    """Prolong a lease and return its new end."""
    assignment = own_assignment(session, caller, assignment_id, lock=True)
    check_fence(assignment, fence)
    if assignment.state == EXPIRED:
        take_again(session, caller, assignment)
    if assignment.state != LEASED:
        raise Conflict("not_leased", f"the assignment is {assignment.state}")
    step = session.get_one(Step, assignment.step_id)
    if (barred := why_barred(session, caller, assignment, step)) is not None:
        raise barred
    policy = policy_of(session, session.get_one(Project, assignment.project_id))
    assignment.lease_until = now(session) + policy.lease_seconds * 1000
    return assignment.lease_until


def release_lease(session: Session, caller: Caller, assignment_id: int, fence: int, reason: str) -> None:
    """Give work back; it goes to somebody else and is not offered to this person again."""
    assignment = own_assignment(session, caller, assignment_id, lock=True)
    check_fence(assignment, fence)
    if assignment.state != LEASED:
        raise Conflict("not_leased", f"the assignment is {assignment.state}")
    give_slot_back(session, assignment, RELEASED)
    append(
        session, caller.actor, "lease.release", f"assignment:{assignment.id}", {"reason": reason}, assignment.project_id
    )
