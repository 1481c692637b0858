"""How refusals become answers: `{"error": {"code", "message", "hint", "field"}}` with a status, never a trace."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from perceptlm.annotate.refusals import Refused
from perceptlm.errors import MediaError, PerceptLMError
from perceptlm.log import logger

_CODES = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


def error_body(code: str, message: str, hint: str | None = None, field: str | None = None) -> dict[str, Any]:
    """Return the body of a refusal."""
    error: dict[str, Any] = {"code": code, "message": message, "hint": hint}
    return {"error": error if field is None else {**error, "field": field}}


def install(app: FastAPI) -> None:
    """Register how each kind of error is answered."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PerceptLMError, _failed)
    app.add_exception_handler(Exception, _unexpected)


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    body = error_body(error.code, error.message, error.hint, error.field)
    return JSONResponse({**body, **error.extra}, status_code=error.status)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    text = f"'{field}': {first['msg']}"
    return JSONResponse(error_body("invalid_request", _sendable(text), None, _sendable(field)), status_code=422)


def _sendable(text: str) -> str:
    """Return text that has a UTF-8 form: a wrong field may be named by anything."""
    return text.encode("utf-8", "replace").decode()


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "refused")
    return JSONResponse(error_body(code, str(error.detail)), status_code=error.status_code, headers=error.headers)


def _failed(request: Request, error: Exception) -> JSONResponse:
    """Answer for what is wrong on the server's side; the log says what, the answer does not say where."""
    assert isinstance(error, PerceptLMError)
    logger.error("%s %s: %s", request.method, request.url.path, error.message)
    if isinstance(error, MediaError):
        return JSONResponse(error_body("media_unreadable", "the media of this asset cannot be read"), status_code=500)
    return JSONResponse(error_body("failed", "the server could not do this"), status_code=500)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(error_body("internal", "the server met an error it did not expect"), status_code=500)
