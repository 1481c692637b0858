"""Taking back what people were given: an account, a role or place in a project, a credential. What they submitted stays
theirs.

Their leases that rest on it end in the same transaction, as if their time were over; what waited for them alone goes on
without them. Memberships and credentials are locked first, then all in the order of `store.audit.locked_head`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.roles import OWN_STEPS, Role
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.flow import advance_item
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.leases import LEASED, end_leases, expert_domains, to_any_expert
from perceptlm.annotate.services.projects import content_of, project_of, set_member
from perceptlm.annotate.services.steps import OPEN, chosen_lane, lock_work
from perceptlm.annotate.services.users import credential_answer, user_named
from perceptlm.annotate.store.audit import Actor, append
from perceptlm.annotate.store.database import Database, now
from perceptlm.annotate.store.tables import Assignment, Credential, Item, LoginSession, Membership, Project, Step, User


def give_role(database: Database, caller: Caller, project_id: int, name: str, role: str) -> dict[str, Any]:
    """Give a person a role in a project, as `set_member` does; what waits for them as an expert waits no longer once
    they are something else."""
    answer = database.write(lambda session: set_member(session, caller, project_of(session, project_id), name, role))
    _free_chosen(database, answer["user_id"], [project_id])
    return answer


def remove_member(database: Database, actor: Actor, project_id: int, user_id: int, reason: str) -> dict[str, Any]:
    """Take a person out of a project; NotFound for one who is no member."""
    answer = database.write(lambda session: _remove(session, actor, project_of(session, project_id), user_id, reason))
    _free_chosen(database, user_id, [project_id])
    return answer


def disable_user(database: Database, actor: Actor, name: str) -> dict[str, Any]:
    """Keep a person from signing in; NotFound for a name that nobody has."""
    answer = database.write(lambda session: _disable(session, actor, name))
    _free_chosen(database, answer["user_id"], database.read(lambda session: _projects(session, answer["user_id"])))
    return answer


def revoke_credential(
    database: Database, actor: Actor, credential_id: int, reason: str, user_id: int | None = None
) -> dict[str, Any]:
    """End a credential, and the experts' leases that no other one of the person covers.

    NotFound for one that is not there, or not of `user_id`; Conflict for one that was revoked before.
    """
    answer = database.write(lambda session: _revoke(session, actor, credential_id, reason, user_id))
    _free_chosen(database, answer["user_id"], database.read(lambda session: _projects(session, answer["user_id"])))
    return answer


def _remove(session: Session, actor: Actor, project: Project, user_id: int, reason: str) -> dict[str, Any]:
    mine = select(Membership).where(Membership.project_id == project.id, Membership.user_id == user_id)
    row = session.scalar(mine.with_for_update(key_share=True))
    if row is None:
        raise NotFound("no_such_member", f"user {user_id} is no member of '{project.slug}'")
    session.delete(row)
    session.flush()
    num_ended = _end_work(session, actor, user_id, [project.id], "member.remove")
    body = {"role": row.role, "reason": reason, "num_leases_ended": num_ended}
    append(session, actor, "member.remove", f"user:{user_id}", body, project.id)
    return {"user": session.get_one(User, user_id).name, "user_id": user_id, "num_leases_ended": num_ended}


def _disable(session: Session, actor: Actor, name: str) -> dict[str, Any]:
    user = user_named(session, name)
    user.disabled_at = now(session)
    session.query(LoginSession).filter(LoginSession.user_id == user.id).delete()
    session.flush()
    num_ended = _end_work(session, actor, user.id, _projects(session, user.id), "user.disable")
    append(session, actor, "user.disable", f"user:{user.id}", {"num_leases_ended": num_ended})
    return {"user": user.name, "user_id": user.id, "num_leases_ended": num_ended}


def _end_work(session: Session, actor: Actor, user_id: int, project_ids: list[int], why: str) -> int:
    """End all leases of a person in these projects; return how many there were. What only they could go on with, a
    comparison with their own answer, is asked of nobody any more."""
    held = _held(session, user_id, Assignment.project_id.in_(project_ids))
    theirs = select(Step.item_id).where(
        Step.project_id.in_(project_ids),
        Step.state == OPEN,
        Step.kind.in_(OWN_STEPS),
        Step.for_user_id == user_id,
        Step.num_submitted < Step.num_slots,
    )
    own_items = sorted(set(session.scalars(theirs)))
    lock_work(session, [*own_items, *session.scalars(select(Assignment.item_id).where(Assignment.id.in_(held)))])
    num_ended = end_leases(session, actor, held, why)
    for item_id in own_items:
        advance_item(session, locked_item(session, item_id), actor)
    return num_ended


def _revoke(session: Session, actor: Actor, credential_id: int, reason: str, user_id: int | None) -> dict[str, Any]:
    row = session.scalar(select(Credential).where(Credential.id == credential_id).with_for_update(key_share=True))
    if row is None or user_id not in (None, row.user_id):
        raise NotFound("no_such_credential", f"there is no credential {credential_id} of this person")
    if row.revoked_at is not None:
        raise Conflict("already_revoked", "the credential was revoked before")
    row.revoked_at = now(session)
    session.flush()
    held: list[int] = []
    for project_id in _projects(session, row.user_id):
        left = expert_domains(session, project_of(session, project_id), row.user_id)
        uncovered = (Assignment.project_id == project_id, Step.kind == "expert", Item.domain.not_in(left))
        held += _held(session, row.user_id, *uncovered)
    num_ended = end_leases(session, actor, held, "credential.revoke")
    body = {"credential": row.id, "domain": row.domain, "reason": reason, "num_leases_ended": num_ended}
    append(session, actor, "credential.revoke", f"user:{row.user_id}", body)
    return {**credential_answer(row), "user_id": row.user_id, "num_leases_ended": num_ended}


def _projects(session: Session, user_id: int) -> list[int]:
    mine = select(Membership.project_id).where(Membership.user_id == user_id)
    return list(session.scalars(mine.order_by(Membership.project_id)))


def _held(session: Session, user_id: int, *conditions: ColumnElement[bool]) -> list[int]:
    """Return the leases that a person holds, locked."""
    statement = (
        select(Assignment.id)
        .join(Step, Step.id == Assignment.step_id)
        .join(Item, Item.id == Assignment.item_id)
        .where(Assignment.user_id == user_id, Assignment.state == LEASED, *conditions)
    )
    return list(session.scalars(statement.order_by(Assignment.id).with_for_update(of=Assignment, key_share=True)))


def _free_chosen(database: Database, user_id: int, project_ids: list[int]) -> None:
    """Let any expert take what was kept for one who may not take it any more, each piece in its own transaction."""

    def look(session: Session) -> list[int]:
        lanes = []
        disabled = session.get_one(User, user_id).disabled_at is not None
        for project_id in project_ids:
            project = project_of(session, project_id)
            row = session.get(Membership, (project_id, user_id))
            is_expert = row is not None and row.role == Role.EXPERT and not disabled
            left = expert_domains(session, project, user_id) if is_expert else []
            lanes += [chosen_lane(entry.id, user_id) for entry in content_of(project).domains if entry.id not in left]
        mine = select(Step.id).where(Step.project_id.in_(project_ids), Step.lane.in_(lanes))
        return list(session.scalars(mine.order_by(Step.id)))

    for step_id in database.read(look):
        database.write(lambda session, step_id=step_id: to_any_expert(session, step_id))  # type: ignore[misc]
