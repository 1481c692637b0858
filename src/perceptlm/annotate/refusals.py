"""What the service refuses, as errors with a code for programs, a sentence for people and an HTTP status.

The codes are part of the interface (docs/annotation.md). This module knows no routes and no tables.
"""

from __future__ import annotations

from typing import Any

from perceptlm.errors import PerceptLMError


class Refused(PerceptLMError):
    """A request that is not carried out. `code` is stable; `extra` is put beside `error` in the answer."""

    status = 400

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        field: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.field = field
        self.extra = extra or {}


class Invalid(Refused):
    """A value in the request is wrong; `field` names it."""

    status = 422


class NotSignedIn(Refused):
    """There is no session, or it has expired."""

    status = 401


class Forbidden(Refused):
    """The person's role does not allow this."""

    status = 403


class NotFound(Refused):
    """It does not exist, or not for this person."""

    status = 404


class Conflict(Refused):
    """It cannot be done now: the state of things is another than the request supposes."""

    status = 409


class StaleRevision(Refused):
    """`If-Match` names an older revision; `extra["current"]` holds the newest."""

    status = 412


class TooLarge(Refused):
    """The body is larger than allowed."""

    status = 413


class NotMedia(Refused):
    """The uploaded file is not an image or video that may be kept."""

    status = 415


class TooMany(Refused):
    """Too many attempts; wait."""

    status = 429


class Unavailable(Refused):
    """The database does not answer just now; the same request may be sent again."""

    status = 503


class NoSpace(Refused):
    """The disk of the server is full; the same request may be sent again once there is room."""

    status = 507
