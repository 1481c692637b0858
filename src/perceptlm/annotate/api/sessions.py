"""Routes of signing in and out, of the signed-in person, and of people's accounts and credentials."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from perceptlm.annotate.api.access import CallerNow, ServerNow, cookie_name, csrf_token, guarded
from perceptlm.annotate.api.bodies import Because, IdPath, NewCredential, NewUser, SignIn
from perceptlm.annotate.refusals import Forbidden, NotSignedIn
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import logins, projects, revocations, users
from perceptlm.annotate.store.tables import User

router = APIRouter()


@guarded(router, "POST", "/sessions", Action.SIGN_IN)
def sign_in(request: Request, body: SignIn, server: ServerNow) -> JSONResponse:
    """Sign in: the session comes as a cookie, the CSRF token in the answer."""
    address = request.client.host if request.client else "unknown"
    found = logins.sign_in(server, body.name, body.password, address)
    if found is None:
        raise NotSignedIn("wrong_login", "name and password do not fit")
    user, token, expires_at = found
    answer = {"user": users.user_answer(user), "csrf_token": csrf_token(server, token), "expires_at": expires_at}
    response = JSONResponse(answer)
    response.set_cookie(
        cookie_name(server),
        token,
        max_age=server.settings.session_seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=server.settings.secure_cookie,
    )
    return response


@guarded(router, "DELETE", "/sessions", Action.SIGN_OUT, status_code=204)
def sign_out(request: Request, caller: CallerNow, server: ServerNow) -> Response:
    """Sign out."""
    if caller.user_id is not None:
        server.database.write(lambda session: logins.sign_out(session, request.state.token))
    response = Response(status_code=204)
    response.delete_cookie(
        cookie_name(server), path="/", httponly=True, samesite="strict", secure=server.settings.secure_cookie
    )
    return response


@guarded(router, "GET", "/me", Action.READ_ME)
def me(request: Request, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Say who is signed in."""
    user_id = caller.person()

    def look(session: Any) -> dict[str, Any]:
        user = session.get_one(User, user_id)
        return {"user": users.user_answer(user), "memberships": projects.memberships_of(session, user_id)}

    token = csrf_token(server, request.state.token)
    return {**server.database.read(look), "csrf_token": token, "expires_at": request.state.expires_at}


@guarded(router, "POST", "/users", Action.CREATE_USER, status_code=201)
def create_user(body: NewUser, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Add a person."""
    hashed = users.hashed(body.password, body.name, server.settings)

    def work(session: Any) -> dict[str, Any]:
        user = users.create_user(session, caller.actor, body.name, hashed, display_name=body.display_name)
        return users.user_answer(user)

    return server.database.write(work)


@guarded(router, "GET", "/users/{user_id}/credentials", Action.READ_CREDENTIALS)
def list_credentials(user_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """List the credentials of a person."""
    rows = server.database.read(lambda session: users.list_credentials(session, caller, user_id))
    return {"credentials": rows}


@guarded(router, "POST", "/users/{user_id}/credentials", Action.WRITE_CREDENTIALS, status_code=201)
def add_credential(user_id: IdPath, body: NewCredential, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Record a credential that one has verified."""
    if caller.user_id is None:
        raise Forbidden("person_needed", "only a signed-in person may do this, not an API key")

    def work(session: Any) -> dict[str, Any]:
        row = users.add_credential(
            session, caller.actor, user_id, body.domain, body.level, body.evidence_sha256, body.expires_at
        )
        return users.credential_answer(row)

    return server.database.write(work)


@guarded(router, "POST", "/users/{user_id}/credentials/{credential_id}/revoke", Action.WRITE_CREDENTIALS)
def revoke_credential(
    user_id: IdPath, credential_id: IdPath, body: Because, caller: CallerNow, server: ServerNow
) -> dict[str, Any]:
    """End a credential, and the experts' leases that rest on it."""
    return revocations.revoke_credential(server.database, caller.actor, credential_id, body.reason, user_id)
