"""Routes of quality: refit, dashboard and the experts' queue."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.bodies import AfterQuery, LimitQuery, ProjectPath
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import dashboard as figures
from perceptlm.annotate.services.choices import choices as known_now
from perceptlm.annotate.services.expert_queue import expert_queue
from perceptlm.annotate.services.projects import project_named
from perceptlm.annotate.services.refit import refit as run_refit

router = APIRouter()


@guarded(router, "POST", "/projects/{project}/refit", Action.REFIT)
def refit(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Run the quality engine and do what it decides."""
    assert caller.project_id is not None
    return run_refit(server.database, caller.actor, caller.project_id)


@guarded(router, "GET", "/projects/{project}/dashboard", Action.READ_DASHBOARD)
def dashboard(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show the figures of a project."""

    def look(session: Session) -> dict[str, Any]:
        return figures.dashboard(session, project_named(session, project))

    return server.database.read(look, gold=True)


@guarded(router, "GET", "/projects/{project}/choices", Action.READ_DASHBOARD)
def choices(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show what is known of every choice now."""

    def look(session: Session) -> dict[str, Any]:
        return {"choices": known_now(session, project_named(session, project))}

    return server.database.read(look, gold=True)


@guarded(router, "GET", "/projects/{project}/queue", Action.READ_QUEUE)
def queue(
    project: ProjectPath, caller: CallerNow, server: ServerNow, after: AfterQuery = 0, limit: LimitQuery = 100
) -> dict[str, Any]:
    """Show what waits for experts."""
    return server.database.read(
        lambda session: expert_queue(session, project_named(session, project), after=after, limit=limit)
    )
