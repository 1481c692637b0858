"""Routes of work: the next assignment, drafts, submissions, and what is revealed after one's own answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.answers import refusal
from perceptlm.annotate.api.bodies import AskNext, GiveBack, Held, IdPath, NewDraft, NewSubmission, ProjectPath
from perceptlm.annotate.refusals import Invalid, TooLarge
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import drafts, leases, submissions, work_view
from perceptlm.annotate.services.projects import project_named
from perceptlm.config import canonical_json

router = APIRouter()
_Revision = Annotated[str, Header(alias="If-Match", pattern=r'^(W/)?"?[0-9]{1,15}"?$')]


@guarded(router, "POST", "/projects/{project}/next", Action.WORK, responses={204: {"description": "nothing is left"}})
def next_assignment(project: ProjectPath, body: AskNext, caller: CallerNow, server: ServerNow) -> Response:
    """Lease the next piece of work, or get back the one that is open."""

    def work(session: Session) -> dict[str, Any] | None:
        found = project_named(session, project)
        rescan_ms = round(server.settings.rescan_seconds * 1000)
        leased = leases.next_assignment(session, caller, found, body.steps, rescan_ms)
        if leased is None:
            return None
        return work_view.assignment_answer(session, caller, leased[0], resumed=leased[1])

    answer = server.database.write(work)
    return Response(status_code=204) if answer is None else JSONResponse(answer)


@guarded(router, "GET", "/assignments/{assignment_id}", Action.WORK)
def show(assignment_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show one's own assignment."""

    def look(session: Session) -> dict[str, Any]:
        assignment = leases.own_assignment(session, caller, assignment_id)
        return work_view.assignment_answer(session, caller, assignment, resumed=True)

    # It may note that a proposal was seen, so it is a transaction that writes.
    return server.database.write(look)


@guarded(router, "POST", "/assignments/{assignment_id}/heartbeat", Action.WORK)
def heartbeat(assignment_id: IdPath, body: Held, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Prolong a lease."""
    return {
        "lease_until": server.database.write(
            lambda session: leases.heartbeat(session, caller, assignment_id, body.fence)
        )
    }


@guarded(router, "POST", "/assignments/{assignment_id}/release", Action.WORK, status_code=204)
def release(assignment_id: IdPath, body: GiveBack, caller: CallerNow, server: ServerNow) -> Response:
    """Give work back."""
    server.database.write(lambda session: leases.release_lease(session, caller, assignment_id, body.fence, body.reason))
    return Response(status_code=204)


@guarded(router, "POST", "/assignments/{assignment_id}/reveal", Action.WORK)
def reveal(assignment_id: IdPath, body: Held, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show proposals, after one's own answer."""
    return server.database.write(lambda session: work_view.reveal(session, caller, assignment_id, body.fence))


@guarded(router, "GET", "/assignments/{assignment_id}/draft", Action.WORK)
def show_draft(assignment_id: IdPath, caller: CallerNow, server: ServerNow) -> JSONResponse:
    """Show the draft; revision 0 where there is none."""

    def look(session: Session) -> dict[str, Any]:
        assignment = leases.own_assignment(session, caller, assignment_id)
        return drafts.draft_answer(drafts.newest_draft(session, assignment.id)) or {"rev": 0, "body": None}

    found = server.database.read(look)
    return JSONResponse(found, headers={"ETag": f'"{found["rev"]}"'})


@guarded(router, "PUT", "/assignments/{assignment_id}/draft", Action.WORK, responses={412: refusal(412)})
def save_draft(
    assignment_id: IdPath, body: NewDraft, revision: _Revision, caller: CallerNow, server: ServerNow
) -> JSONResponse:
    """Save a draft that was made on the revision in If-Match."""
    if len(canonical_json(body.body)) > server.settings.max_draft_bytes:
        raise TooLarge("draft_too_large", f"a draft has at most {server.settings.max_draft_bytes} bytes")
    base_rev = int(revision.removeprefix("W/").strip('"'))
    rev, refusal = server.database.write(
        lambda session: drafts.save_draft(session, caller, assignment_id, base_rev, body.body)
    )
    if refusal is not None:
        raise refusal  # only now, with the refused draft kept
    return JSONResponse({"rev": rev}, headers={"ETag": f'"{rev}"'})


@guarded(
    router,
    "POST",
    "/assignments/{assignment_id}/submissions",
    Action.WORK,
    status_code=201,
    responses={200: {"description": "it was taken in before"}},
)
def submit(assignment_id: IdPath, body: NewSubmission, caller: CallerNow, server: ServerNow) -> JSONResponse:
    """Submit; the same client_op_id again gives the same answer (200)."""
    if len(canonical_json(body.payload)) > server.settings.max_draft_bytes:
        raise Invalid("invalid_payload", "the payload is too long", field="payload")
    answer, is_new = server.database.write(
        lambda session: submissions.submit(session, caller, assignment_id, body.to_dict())
    )
    return JSONResponse(answer, status_code=201 if is_new else 200)
