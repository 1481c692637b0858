"""Routes of projects, members, API keys, guidelines and policies."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.answers import content
from perceptlm.annotate.api.bodies import Because, IdPath, NewGuideline, NewMember, NewPolicy, NewProject, ProjectPath
from perceptlm.annotate.packs.guideline import render_guideline
from perceptlm.annotate.refusals import NotFound
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import keys, needs, projects, revocations
from perceptlm.annotate.services.calibration import progress_answer
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.packs import pack_pictures
from perceptlm.annotate.store.tables import Guideline

router = APIRouter()
_PICTURE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
_PICTURE: dict[str, Any] = {"response_class": Response, "responses": {200: content(*_PICTURE_TYPES.values())}}
_NamePath = Annotated[str, Path(max_length=100)]
_VersionPath = Annotated[str, Path(pattern=r"^(current|[1-9][0-9]{0,8})$")]


@guarded(router, "GET", "/projects", Action.LIST_PROJECTS)
def list_projects(caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """List the projects one may see."""
    return {"projects": server.database.read(lambda session: projects.list_projects(session, caller))}


@guarded(router, "POST", "/projects", Action.CREATE_PROJECT, status_code=201)
def create_project(body: NewProject, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Make a project from a pack."""

    def work(session: Session) -> dict[str, Any]:
        project = projects.create_project(session, caller.actor, body.slug, body.title, body.pack, body.mode)
        return {**projects.project_answer(project, caller.role), "calibration": None, "is_paused": False}

    return server.database.write(work)


@guarded(router, "GET", "/projects/{project}", Action.READ_PROJECT)
def show_project(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show a project."""

    def look(session: Session) -> dict[str, Any]:
        found = projects.project_named(session, project)
        own = {
            "calibration": progress_answer(session, caller, found),
            "is_paused": projects.is_paused(session, caller, found),
        }
        return {**projects.project_answer(found, caller.role), **own}

    return server.database.read(look)


@guarded(router, "GET", "/projects/{project}/guidelines/{version}", Action.READ_PROJECT)
def show_guideline(project: ProjectPath, version: _VersionPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show one version of the guideline, or the current one."""

    def look(session: Session) -> tuple[Guideline, str]:
        number = None if version == "current" else int(version)
        found = projects.project_named(session, project)
        return projects.guideline_of(session, found, number), found.pack

    row, pack = server.database.read(look)
    pictures = tuple(pack_pictures(server.directory, pack))
    html = _guideline_html(row.markdown, pictures, f"/api/v1/projects/{project}/guideline-pictures/")
    return {"version": row.version, "markdown": row.markdown, "html": html, "sha256": row.sha256}


@lru_cache(maxsize=64)
def _guideline_html(markdown: str, pictures: tuple[str, ...], picture_root: str) -> str:
    """Render a guideline once: Markdown can be written that takes seconds, and everybody asks for it."""
    return render_guideline(markdown, pictures, picture_root=picture_root)


@guarded(router, "GET", "/projects/{project}/guideline-pictures/{name}", Action.READ_PROJECT, **_PICTURE)
def show_picture(project: ProjectPath, name: _NamePath, caller: CallerNow, server: ServerNow) -> FileResponse:
    """Send a picture of the guideline."""
    pack = server.database.read(lambda session: projects.project_named(session, project).pack)
    path = pack_pictures(server.directory, pack).get(name)
    if path is None or path.suffix not in _PICTURE_TYPES:
        raise NotFound("no_such_picture", "the guideline has no such picture")
    return FileResponse(path, media_type=_PICTURE_TYPES[path.suffix])


@guarded(router, "POST", "/projects/{project}/guidelines", Action.WRITE_GUIDELINE, status_code=201)
def add_guideline(project: ProjectPath, body: NewGuideline, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Add a version of the guideline."""

    def work(session: Session) -> dict[str, Any]:
        found = projects.project_named(session, project)
        row = projects.add_guideline(session, caller.actor, found, body.markdown)
        return {"version": row.version, "sha256": row.sha256}

    return server.database.write(work)


@guarded(router, "GET", "/projects/{project}/policy", Action.READ_POLICY)
def show_policy(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show the policy that holds."""

    def look(session: Session) -> dict[str, Any]:
        found = projects.project_named(session, project)
        return {"version": found.policy_version, "policy": projects.policy_of(session, found).to_dict()}

    return server.database.read(look)


@guarded(router, "POST", "/projects/{project}/policy", Action.WRITE_POLICY, status_code=201)
def set_policy(project: ProjectPath, body: NewPolicy, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Add a version of the policy, which holds from now on, also for items that wait for a model."""

    def work(session: Session) -> dict[str, Any]:
        found = projects.project_named(session, project)
        return {"version": projects.set_policy(session, caller.actor, found, body.policy)}

    answer = server.database.write(work)
    after: int | None = 0
    while after is not None:
        after = server.database.write(partial(_look_again, caller, project, after))
    return answer


def _look_again(caller: Caller, project: str, after: int, session: Session) -> int | None:
    return needs.look_again(session, caller, projects.project_named(session, project), after)


@guarded(router, "GET", "/projects/{project}/members", Action.READ_MEMBERS)
def list_members(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """List the members of a project."""

    def look(session: Session) -> dict[str, Any]:
        return {"members": projects.list_members(session, projects.project_named(session, project))}

    return server.database.read(look)


@guarded(router, "POST", "/projects/{project}/members", Action.WRITE_MEMBERS, status_code=201)
def set_member(project: ProjectPath, body: NewMember, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Give a person a role."""
    assert caller.project_id is not None
    return revocations.give_role(server.database, caller, caller.project_id, body.user, body.role)


@guarded(router, "POST", "/projects/{project}/members/{user_id}/remove", Action.WRITE_MEMBERS)
def remove_member(
    project: ProjectPath, user_id: IdPath, body: Because, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """Take a person out of the project: their leases end, what they submitted stays."""
    assert caller.project_id is not None
    return revocations.remove_member(server.database, caller.actor, caller.project_id, user_id, body.reason)


@guarded(router, "GET", "/projects/{project}/keys", Action.READ_KEYS)
def list_keys(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """List the API keys of a project; never the keys themselves."""
    return server.database.read(
        lambda session: {"keys": keys.list_keys(session, projects.project_named(session, project))}
    )


@guarded(router, "POST", "/projects/{project}/keys/{key_id}/revoke", Action.REVOKE_KEY)
def revoke_key(
    project: ProjectPath, key_id: IdPath, body: Because, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """End an API key."""
    return server.database.write(
        lambda session: keys.revoke_key(
            session, caller.actor, projects.project_named(session, project), key_id, body.reason
        )
    )
