"""Routes of items: taking in, listing, showing, proposing, reporting, discarding, and gold."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.bodies import (
    AfterQuery,
    ApproveGold,
    Because,
    CalibrationEntry,
    GoldEntry,
    IdPath,
    LimitQuery,
    NewItems,
    ProjectPath,
)
from perceptlm.annotate.life_cycle import State
from perceptlm.annotate.plain_text import Line
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import calibration, gold, items
from perceptlm.annotate.services.projects import project_named

router = APIRouter()
_Domain = Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


@guarded(router, "POST", "/projects/{project}/items", Action.CREATE_ITEMS, status_code=201)
def add_items(project: ProjectPath, body: NewItems, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Take in items, all or none; those that are known already are left as they are."""
    entries = [entry.to_dict() for entry in body.items]
    return {
        "items": server.database.write(
            lambda session: items.add_items(session, caller, project_named(session, project), entries)
        )
    }


@guarded(router, "GET", "/projects/{project}/items", Action.LIST_ITEMS)
def list_items(
    project: ProjectPath,
    caller: CallerNow,
    server: ServerNow,
    state: State | None = None,
    domain: _Domain = None,
    after: AfterQuery = 0,
    limit: LimitQuery = 100,
) -> dict[str, Any]:
    """List items by id."""

    def look(session: Session) -> dict[str, Any]:
        found = project_named(session, project)
        wanted = None if state is None else state.value
        return items.list_items(session, found, state=wanted, domain=domain, after=after, limit=limit)

    return server.database.read(look)


@guarded(router, "GET", "/projects/{project}/items/{item_id}", Action.READ_ITEM)
def show_item(project: ProjectPath, item_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show an item with all that happened to it."""
    return server.database.read(lambda session: items.show_item(session, project_named(session, project), item_id))


@guarded(router, "POST", "/projects/{project}/items/{item_id}/report", Action.REPORT_ITEM)
def report(
    project: ProjectPath, item_id: IdPath, body: Because, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """Reopen a finished item because of an error in it."""
    return server.database.write(
        lambda session: items.report_item(session, caller, project_named(session, project), item_id, body.reason)
    )


@guarded(router, "POST", "/projects/{project}/items/{item_id}/discard", Action.DISCARD_ITEM)
def discard(
    project: ProjectPath, item_id: IdPath, body: Because, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """Take an item out."""
    return server.database.write(
        lambda session: items.discard_item(session, caller, project_named(session, project), item_id, body.reason)
    )


@guarded(router, "GET", "/projects/{project}/gold", Action.PROPOSE_GOLD)
def list_gold(project: ProjectPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show gold, and changes of it that wait for approval."""
    return server.database.read(lambda session: gold.list_gold(session, project_named(session, project)), gold=True)


@guarded(router, "PUT", "/projects/{project}/gold", Action.PROPOSE_GOLD, status_code=202)
def propose_gold(
    project: ProjectPath,
    body: Annotated[dict[Line, GoldEntry], Body(min_length=1, max_length=10_000)],
    caller: CallerNow,
    server: ServerNow,
) -> dict[str, Any]:
    """Propose gold: what is right for items, by their keys."""
    entries = {key: entry.to_dict() for key, entry in body.items()}
    return server.database.write(
        lambda session: gold.propose_gold(session, caller, project_named(session, project), entries), gold=True
    )


@guarded(router, "POST", "/projects/{project}/gold/approve", Action.APPROVE_GOLD)
def approve_gold(project: ProjectPath, body: ApproveGold, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Approve gold that somebody else proposed."""
    return server.database.write(
        lambda session: gold.approve_gold(session, caller, project_named(session, project), body.change), gold=True
    )


@guarded(router, "PUT", "/projects/{project}/calibration", Action.WRITE_CALIBRATION)
def set_calibration(
    project: ProjectPath,
    body: Annotated[dict[Line, CalibrationEntry], Body(min_length=1, max_length=1000)],
    caller: CallerNow,
    server: ServerNow,
) -> dict[str, Any]:
    """Make open items, by their keys, those that people new to the project do first."""
    entries = {key: entry.to_dict() for key, entry in body.items()}
    return server.database.write(
        lambda session: calibration.set_calibration(session, caller, project_named(session, project), entries)
    )
