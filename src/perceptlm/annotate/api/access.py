"""One check on every route: who is it, and may they? A route that declares no action is refused to everybody.

Each route is made by `guarded`, which writes its action into the OpenAPI document as `x-action`; the check reads it
from the route, finds the project of what the path names, and looks the role up in `roles`. It comes before the body is
read, so that nobody who may not send it makes the server take it in. Who is not a member of a project is told that it
does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from perceptlm.annotate.api.answers import answers_of
from perceptlm.annotate.refusals import Forbidden, NotFound, NotSignedIn
from perceptlm.annotate.roles import PERMISSIONS, Action, Role, Scope, is_allowed
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.keys import find_key
from perceptlm.annotate.services.logins import find_login
from perceptlm.annotate.services.projects import role_in
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.tables import Asset, Assignment, Membership, Project, Release
from perceptlm.annotate.tokens import KEY_PREFIX, derived, same

COOKIE = "plm_session"
ACTION_FIELD = "x-action"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("same-origin", "none")
"""Another name of the same domain is another site: it may be somebody else's."""
_OWNED: dict[str, Any] = {"asset_id": Asset, "assignment_id": Assignment, "release_id": Release}
_MAX_ID = 2**63 - 1
F = TypeVar("F", bound=Callable[..., Any])


class GuardedRoute(APIRoute):
    """A route that asks who it is before it looks at the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the check in front."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            await run_in_threadpool(authorise, request)
            return await handle(request)

        return checked


def guarded(router: APIRouter, method: str, path: str, action: Action, **options: Any) -> Callable[[F], F]:
    """Declare a route together with the action it carries out."""

    def declare(function: F) -> F:
        router.add_api_route(
            path,
            function,
            methods=[method],
            openapi_extra={ACTION_FIELD: action.value},
            responses=answers_of(action, method, options.pop("responses", {})),
            route_class_override=GuardedRoute,
            **options,
        )
        return function

    return declare


def server_of(request: Request) -> Server:
    """Return the server of an app."""
    return cast(Server, request.app.state.server)


def cookie_name(server: Server) -> str:
    """Return the name of the cookie; over HTTPS one that no other name of the domain can set."""
    return f"__Host-{COOKIE}" if server.settings.secure_cookie else COOKIE


def csrf_token(server: Server, token: str) -> str:
    """Return the token a browser has to repeat in a header: derived from its session, so that nothing is stored."""
    return derived(server.secret, "csrf", token)


def authorise(request: Request) -> None:
    """Refuse the request unless its route's action is allowed to whoever sent it; note the caller.

    `GuardedRoute` calls it first; as a dependency of the whole application it is there for any other route as well.
    """
    if getattr(request.state, "checked_route", None) is request.scope.get("route"):
        return
    extra = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    if ACTION_FIELD not in extra:
        raise Forbidden("no_action", "this route declares no action")
    action = Action(extra[ACTION_FIELD])
    scope = PERMISSIONS[action][0]
    if scope is Scope.PUBLIC:
        _refuse_other_sites(request)
    else:
        server = server_of(request)
        request.state.caller = server.database.read(lambda session: _caller(request, server, session, action, scope))
    request.state.checked_route = request.scope.get("route")


def _caller(request: Request, server: Server, session: Session, action: Action, scope: Scope) -> Caller:
    caller = _identify(request, server, session)
    if scope is Scope.PROJECT:
        caller = _in_project(request, session, caller)
    elif scope is Scope.SERVER:
        caller = _in_server(session, caller, action)
    if not is_allowed(action, caller.role):
        allowed = " and ".join(sorted(f"{role.value}s" for role in PERMISSIONS[action][1]))
        whose = f"is for {allowed} alone" if caller.role is None else f"is not allowed to the role {caller.role.value}"
        raise Forbidden("not_allowed", f"'{action.value}' {whose}")
    return caller


def _identify(request: Request, server: Server, session: Session) -> Caller:
    header = request.headers.get("authorization", "")
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer" and value.startswith(KEY_PREFIX):
        key = find_key(session, value)
        if key is None:
            raise NotSignedIn("bad_key", "the API key is unknown, expired or revoked")
        request.state.scopes = key.scopes
        return Caller(None, key_id=key.id, project_id=key.project_id, role=Role.SERVICE)
    token = request.cookies.get(cookie_name(server))
    login = None if token is None else find_login(session, token)
    if token is None or login is None:
        raise NotSignedIn(
            "not_signed_in", "there is no session, or it has ended", hint="sign in: POST /api/v1/sessions"
        )
    if request.method not in SAFE_METHODS and not same(request.headers.get(CSRF_HEADER, ""), csrf_token(server, token)):
        raise Forbidden("csrf", f"the header {CSRF_HEADER} is missing or wrong", hint="it is in the answer of GET /me")
    request.state.token, request.state.expires_at = token, login.expires_at
    return Caller(login.user_id, is_owner=login.is_owner)


def _in_project(request: Request, session: Session, caller: Caller) -> Caller:
    """Return the caller with their role in the project of what the path names; NotFound for outsiders."""
    project_id = _project_id(request, session)
    role = None
    if caller.key_id is not None:
        action = (getattr(request.scope["route"], "openapi_extra", None) or {})[ACTION_FIELD]
        if project_id == caller.project_id:
            role = Role.SERVICE
            if action not in request.state.scopes:
                raise Forbidden("scope", f"the API key is not for '{action}'")
    elif project_id is not None and caller.user_id is not None:
        role = Role.OWNER if caller.is_owner else role_in(session, caller.user_id, project_id)
    if role is None or project_id is None:
        raise NotFound("not_found", "there is no such thing, or not for you")
    return Caller(caller.user_id, caller.key_id, caller.is_owner, role, project_id)


def _project_id(request: Request, session: Session) -> int | None:
    """Return the project of the path: named by its slug, or that of the asset, assignment or release."""
    slug = request.path_params.get("project")
    if slug is not None:
        return session.scalar(select(Project.id).where(Project.slug == slug))
    for name, table in _OWNED.items():
        text = str(request.path_params.get(name, ""))
        if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= _MAX_ID:
            return cast(int | None, session.scalar(select(table.project_id).where(table.id == int(text))))
    return None


def _in_server(session: Session, caller: Caller, action: Action) -> Caller:
    """Return the caller with a role that allows the action in at least one project, if they have one."""
    if caller.is_owner:
        return Caller(caller.user_id, None, True, Role.OWNER)
    if caller.user_id is None:
        return Caller(None, caller.key_id)
    roles = set(session.scalars(select(Membership.role).where(Membership.user_id == caller.user_id)))
    fitting = sorted(role for role in roles if is_allowed(action, Role(role)))
    return Caller(caller.user_id, role=Role(fitting[0]) if fitting else None)


def _refuse_other_sites(request: Request) -> None:
    """Refuse a page of another site that would sign somebody in (there is no session yet to check a token of)."""
    if request.method not in SAFE_METHODS and request.headers.get("sec-fetch-site", "none") not in OWN_SITES:
        raise Forbidden("cross_site", "requests from pages of other sites are refused")


def _noted_caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


CallerNow = Annotated[Caller, Depends(_noted_caller)]
ServerNow = Annotated[Server, Depends(server_of)]
