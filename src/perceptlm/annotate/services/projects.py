"""Projects, their members, guidelines and policies. Versions of the last two are added, never changed."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.refusals import Conflict, Invalid, NotFound
from perceptlm.annotate.roles import ROLE_STEPS, Role
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.packs import PackContent, pack_content
from perceptlm.annotate.services.users import user_named
from perceptlm.annotate.store.audit import Actor, append, locked_head
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Guideline, Membership, PolicyVersion, Project, User

GIVEN_ROLES = tuple(role for role in Role if role not in (Role.OWNER, Role.SERVICE))


def create_project(
    session: Session, actor: Actor, slug: str, title: str, pack: str, mode: str, content: PackContent | None = None
) -> Project:
    """Make a project from a pack, or from `content` under the pack's name; Conflict if the slug is taken."""
    refuse_taken(session, slug)
    assert actor.user_id is not None
    content = content or pack_content(pack)
    project = Project(
        slug=slug,
        title=title,
        pack=pack,
        pack_content=content.to_dict(),
        mode=mode,
        guideline_version=0,
        policy_version=0,
        num_since_fit=0,
        created_by=actor.user_id,
        created_at=now(session),
    )
    session.add(project)
    session.flush()
    append(
        session,
        actor,
        "project.create",
        f"project:{project.id}",
        {"slug": slug, "pack": pack, "mode": mode},
        project.id,
    )
    add_guideline(session, actor, project, content.guideline)
    set_policy(session, actor, project, content.policy)
    return project


def refuse_taken(session: Session, slug: str) -> None:
    """Raise Conflict if there is such a project."""
    if session.scalar(select(Project.id).where(Project.slug == slug)) is not None:
        raise Conflict("slug_taken", f"there is a project '{slug}' already", field="slug")


def project_named(session: Session, slug: str) -> Project:
    """Return a project; NotFound."""
    project = session.scalar(select(Project).where(Project.slug == slug))
    if project is None:
        raise NotFound("no_such_project", f"there is no project '{slug}'")
    return project


def project_of(session: Session, project_id: int) -> Project:
    """Return a project that is known to be there."""
    return session.get_one(Project, project_id)


def content_of(project: Project) -> PackContent:
    """Return what the pack said when the project was made."""
    return PackContent.model_validate(project.pack_content)


def policy_of(session: Session, project: Project) -> Policy:
    """Return the policy that holds now."""
    row = session.get_one(PolicyVersion, (project.id, project.policy_version))
    return Policy.model_validate(row.body)


def set_policy(session: Session, actor: Actor, project: Project, policy: Policy) -> int:
    """Add a version of the policy, which holds from now on, and return its number."""
    locked_head(session)
    session.refresh(project, with_for_update={"key_share": True})
    assert actor.user_id is not None
    project.policy_version += 1
    session.add(
        PolicyVersion(
            project_id=project.id,
            version=project.policy_version,
            body=policy.to_dict(),
            created_by=actor.user_id,
            created_at=now(session),
        )
    )
    body = {"version": project.policy_version, "policy": policy.to_dict()}
    append(session, actor, "policy.create", f"project:{project.id}", body, project.id)
    return project.policy_version


def add_guideline(session: Session, actor: Actor, project: Project, markdown: str) -> Guideline:
    """Add a version of the guideline, which is shown from now on."""
    locked_head(session)
    session.refresh(project, with_for_update={"key_share": True})
    assert actor.user_id is not None
    project.guideline_version += 1
    row = Guideline(
        project_id=project.id,
        version=project.guideline_version,
        markdown=markdown,
        sha256=hashlib.sha256(markdown.encode()).hexdigest(),
        created_by=actor.user_id,
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    append(
        session,
        actor,
        "guideline.create",
        f"project:{project.id}",
        {"version": row.version, "sha256": row.sha256},
        project.id,
    )
    return row


def guideline_of(session: Session, project: Project, version: int | None) -> Guideline:
    """Return one version of the guideline, or the one that holds now; NotFound."""
    row = session.get(Guideline, (project.id, project.guideline_version if version is None else version))
    if row is None:
        raise NotFound("no_such_guideline", f"the guideline has no version {version}")
    return row


def role_in(session: Session, user_id: int, project_id: int) -> Role | None:
    """Return the role of a person in a project, if any; owners of the server are looked up elsewhere."""
    role = session.scalar(
        select(Membership.role).where(Membership.project_id == project_id, Membership.user_id == user_id)
    )
    return None if role is None else Role(role)


def set_member(session: Session, caller: Caller, project: Project, name: str, role: str) -> dict[str, Any]:
    """Give a person a role in a project, instead of the one they had. Who had the same one already works on
    for good: without calibration, and no longer paused."""
    user = user_named(session, name)
    if role not in GIVEN_ROLES:
        raise Invalid("no_such_role", f"'{role}' is not given to members", field="role", hint=", ".join(GIVEN_ROLES))
    row = session.get(Membership, (project.id, user.id), with_for_update={"key_share": True})
    before = None if row is None else row.role
    if row is None:
        session.add(Membership(project_id=project.id, user_id=user.id, role=role, created_at=now(session)))
    else:
        if row.role == role and row.calibrated_at is None:
            row.calibrated_at = now(session)
        row.role = role
        row.is_trusted = row.is_trusted or row.paused_reason is not None
        row.paused_reason = None
    body = {"role": role, "before": before}
    append(session, caller.actor, "member.set", f"user:{user.id}", body, project.id)
    return {"user": user.name, "user_id": user.id, "role": role}


def is_paused(session: Session, caller: Caller, project: Project) -> bool:
    """Whether the quality engine keeps new work from the caller in a project; the reason is for managers."""
    membership = session.get(Membership, (project.id, caller.user_id or 0))
    return membership is not None and membership.paused_reason is not None


def list_members(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the members of a project by name."""
    statement = (
        select(User.id, User.name, User.display_name, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.project_id == project.id)
        .order_by(User.name)
    )
    return [
        {"user": name, "user_id": user_id, "display_name": title, "role": role}
        for user_id, name, title, role in session.execute(statement)
    ]


def list_projects(session: Session, caller: Caller) -> list[dict[str, Any]]:
    """Return the projects the caller may see, each with their role."""
    statement = select(Project, Membership.role).outerjoin(
        Membership, (Membership.project_id == Project.id) & (Membership.user_id == (caller.user_id or 0))
    )
    rows = session.execute(statement.order_by(Project.slug)).all()
    found = []
    for project, role in rows:
        own = Role.OWNER if caller.is_owner else Role.SERVICE if caller.project_id == project.id else role
        if own is not None:
            found.append({"slug": project.slug, "title": project.title, "mode": project.mode, "role": str(own)})
    return found


def memberships_of(session: Session, user_id: int) -> list[dict[str, str]]:
    """Return the projects of a person with their roles."""
    statement = (
        select(Project.slug, Membership.role)
        .join(Membership, Membership.project_id == Project.id)
        .where(Membership.user_id == user_id)
        .order_by(Project.slug)
    )
    return [{"project": slug, "role": role} for slug, role in session.execute(statement)]


def project_answer(project: Project, role: Role | None) -> dict[str, Any]:
    """Return what the interface says of a project; `own_steps` are those that somebody of this role may ask for."""
    content = content_of(project)
    own = () if role is None else ROLE_STEPS.get(role, ())
    return {
        "slug": project.slug,
        "title": project.title,
        "mode": project.mode,
        "pack": project.pack,
        "role": None if role is None else role.value,
        "guideline_version": project.guideline_version,
        "policy_version": project.policy_version,
        "domains": [entry.to_dict() for entry in content.domains],
        "steps": list(content.steps),
        "own_steps": [step for step in content.steps if step in own],
        "reason_codes": [entry.to_dict() for entry in content.reason_codes],
        "shortcuts": content.shortcuts,
    }
