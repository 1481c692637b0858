"""Routes of needs: what items want from models, and what models say to it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.bodies import (
    AfterQuery,
    IdPath,
    LimitQuery,
    Need,
    NewProposals,
    NewRefusals,
    NewTextOnly,
    ProjectPath,
)
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import needs
from perceptlm.annotate.services.projects import project_named

router = APIRouter()


@guarded(router, "GET", "/projects/{project}/needs", Action.READ_NEEDS)
def list_needs(
    project: ProjectPath,
    caller: CallerNow,
    server: ServerNow,
    need: Need,
    after: AfterQuery = 0,
    limit: LimitQuery = 100,
) -> dict[str, Any]:
    """List the items that want something from a model, by id, with what it may be told of them."""

    def look(session: Session) -> dict[str, Any]:
        return needs.list_needs(session, project_named(session, project), need, after=after, limit=limit)

    return server.database.read(look)


@guarded(router, "POST", "/projects/{project}/items/{item_id}/proposals", Action.MEET_NEEDS, status_code=201)
def propose(
    project: ProjectPath, item_id: IdPath, body: NewProposals, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """Add proposals to an item."""
    entries = [entry.to_dict() for entry in body.proposals]

    def work(session: Session) -> dict[str, Any]:
        found = project_named(session, project)
        return {"ids": needs.propose(session, caller, found, item_id, entries, if_needed=body.if_needed)}

    return server.database.write(work)


@guarded(router, "POST", "/projects/{project}/items/{item_id}/refusals", Action.MEET_NEEDS, status_code=201)
def refuse(
    project: ProjectPath, item_id: IdPath, body: NewRefusals, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """Note why what a model said was of no use."""

    def work(session: Session) -> dict[str, Any]:
        return {"ids": needs.refuse(session, caller, project_named(session, project), item_id, body.to_dict())}

    return server.database.write(work)


@guarded(router, "POST", "/projects/{project}/items/{item_id}/text-only", Action.MEET_NEEDS, status_code=201)
def check_text_only(
    project: ProjectPath, item_id: IdPath, body: NewTextOnly, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """Take in what a model without the video said of an item's distractors."""
    return server.database.write(
        lambda session: needs.check_text_only(session, caller, project_named(session, project), item_id, body.to_dict())
    )
