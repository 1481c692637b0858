"""What the OpenAPI document says of answers: refusals by what a route does, and bodies that are no JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from perceptlm.annotate.roles import PERMISSIONS, Action, Scope

Answers = dict[int | str, dict[str, Any]]


class Error(BaseModel):
    """Why a request was refused; `code` is for programs."""

    code: str
    message: str
    hint: str | None
    field: str | None = None


class Refusal(BaseModel):
    """The body of every refusal. A stale draft's has the newest as `current` beside `error`."""

    model_config = ConfigDict(extra="allow")
    error: Error


_WORDS = {
    400: "the body cannot be read",
    401: "nobody is signed in, or name and password do not fit",
    403: "the role does not allow it, or the CSRF token is missing",
    404: "there is no such thing, or not for this person",
    408: "the body came too slowly",
    409: "not in the present state of things, or another change was in the way",
    412: "the draft was changed since; `current` is the newest",
    413: "the body is too large",
    415: "the file is no picture and no video",
    422: "a value is wrong; `field` names it",
    429: "too many attempts",
}
_BODY = (400, 408, 409, 413, 422)
_EXTRA: dict[Action, tuple[int, ...]] = {
    Action.SIGN_IN: (401, 403, 429),
    Action.CREATE_ASSET: (415,),
    Action.PUBLIC_READ: (),
    # Of things that the body or the path names, on routes that are not of one project.
    Action.CREATE_PROJECT: (404,),
    Action.READ_CREDENTIALS: (404,),
    Action.WRITE_CREDENTIALS: (404,),
}


def answers_of(action: Action, method: str, stated: Answers) -> Answers:
    """Return `stated` with the refusals that any route of this action and method may give."""
    scope = PERMISSIONS[action][0]
    statuses = {422, *_EXTRA.get(action, ())}
    if method != "GET":
        statuses |= set(_BODY)
    if scope is not Scope.PUBLIC:
        statuses |= {401, 403}
    if scope is Scope.PROJECT:
        statuses.add(404)
    found: Answers = {status: refusal(status) for status in sorted(statuses)}
    return {**found, **stated}


def refusal(status: int) -> dict[str, Any]:
    """Return what the document says of one refusal."""
    return {"model": Refusal, "description": _WORDS[status]}


def content(*media_types: str) -> dict[str, Any]:
    """Return what the document says of a body that is no JSON."""
    return {"description": "the content", "content": {name: {} for name in media_types}}
