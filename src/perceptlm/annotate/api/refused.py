"""How refusals become answers: `{"error": {"code", "message", "hint", "field"}}` with a status, never a trace."""

from __future__ import annotations

import errno
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from perceptlm.annotate.refusals import Refused
from perceptlm.errors import MediaError, PerceptLMError
from perceptlm.log import logger

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
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
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(Exception, _unexpected)


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    body = error_body(error.code, error.message, error.hint, error.field)
    headers = {"Retry-After": "1"} if error.status in (503, 507) else None
    return JSONResponse({**body, **error.extra}, status_code=error.status, headers=headers)


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
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_SPACE:
        return _no_space()
    if isinstance(error, MediaError):
        return JSONResponse(error_body("media_unreadable", "the media of this asset cannot be read"), status_code=500)
    return JSONResponse(error_body("failed", "the server could not do this"), status_code=500)


def _disk(request: Request, error: Exception) -> JSONResponse:
    """Answer for a full disk; any other error of the system is one that nobody expects."""
    assert isinstance(error, OSError)
    if error.errno not in _NO_SPACE:
        raise error
    logger.error("%s %s: %s", request.method, request.url.path, error.strerror)
    return _no_space()


def _no_space() -> JSONResponse:
    body = error_body("disk_full", "the disk of the server is full", "send the same request again later")
    return JSONResponse(body, status_code=507, headers={"Retry-After": "1"})


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(error_body("internal", "the server met an error it did not expect"), status_code=500)
