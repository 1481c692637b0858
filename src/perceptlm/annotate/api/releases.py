"""Routes of releases and webhooks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.answers import content
from perceptlm.annotate.api.bodies import Because, IdPath, NewRelease, NewWebhook, ProjectPath
from perceptlm.annotate.egress import EgressRefused, check_url
from perceptlm.annotate.refusals import Invalid
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import releases, webhooks
from perceptlm.annotate.services.projects import project_named

router = APIRouter()


@guarded(router, "GET", "/projects/{project}/releases", Action.READ_RELEASE)
def list_releases(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """List the releases of a project."""

    def look(session: Session) -> dict[str, Any]:
        return {"releases": releases.list_releases(session, project_named(session, project))}

    return server.database.read(look)


@guarded(router, "POST", "/projects/{project}/releases", Action.CREATE_RELEASE, status_code=201)
def draw_up(project: ProjectPath, body: NewRelease, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Draw up a release of all finished items."""
    assert caller.project_id is not None
    return releases.draw_up(server, caller, caller.project_id, body.purpose)


@guarded(router, "POST", "/releases/{release_id}/approve", Action.APPROVE_RELEASE)
def approve(release_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Publish a release that somebody else drew up."""
    return releases.approve(server, caller, release_id)


@guarded(router, "POST", "/releases/{release_id}/supersede", Action.SUPERSEDE_RELEASE)
def supersede(release_id: IdPath, body: Because, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Mark a published release as superseded."""
    return releases.supersede(server, caller, release_id, body.reason)


@guarded(router, "GET", "/releases/{release_id}", Action.READ_RELEASE)
def show(release_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show a release and its errata."""
    return server.database.read(lambda session: releases.show_release(session, release_id))


@guarded(
    router,
    "GET",
    "/releases/{release_id}/rows",
    Action.READ_RELEASE,
    response_class=Response,
    responses={200: content("application/x-ndjson")},
)
def rows(release_id: IdPath, caller: CallerNow, server: ServerNow) -> StreamingResponse:
    """Stream the rows of a release as JSON lines."""
    return StreamingResponse(releases.stream_rows(server.database, release_id), media_type="application/x-ndjson")


@guarded(router, "GET", "/projects/{project}/webhooks", Action.READ_WEBHOOKS)
def list_webhooks(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """List the webhooks of a project."""

    def look(session: Session) -> dict[str, Any]:
        return {"webhooks": webhooks.list_webhooks(session, project_named(session, project))}

    return server.database.read(look)


@guarded(router, "POST", "/projects/{project}/webhooks", Action.WRITE_WEBHOOKS, status_code=201)
def add_webhook(project: ProjectPath, body: NewWebhook, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Add a webhook; its signing key is shown now and never again."""
    try:
        check_url(body.url, server.settings)
    except EgressRefused as error:
        raise Invalid("url_refused", error.message, hint=error.hint, field="url") from error

    def work(session: Session) -> dict[str, Any]:
        found = project_named(session, project)
        return webhooks.add_webhook(session, caller, found, body.url, list(body.events), server.secret)

    return server.database.write(work)
