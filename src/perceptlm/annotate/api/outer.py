"""What holds for every request, whatever the route: security headers on the answer, also where the server failed, and
limits on how large a body is and how slowly it comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import MutableMapping
from typing import Any, NoReturn

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
MAX_SIGN_IN_BYTES = 16 << 10
"""The one body that anybody may send."""
SLOWEST_BYTES_PER_SECOND = 16 << 10


class _Refused(Exception):
    """The body went over a limit while it was read."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        error = {"code": code, "message": message, "hint": None}
        self.status, self.body = status, json.dumps({"error": error}).encode()


class OuterLayer:
    """Adds the headers, and refuses bodies over the limits before or while they are read: 413, and 408 for slow ones.

    A body may take `body_seconds`, and longer if it comes at 16 KiB a second.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_upload_bytes: int, body_seconds: float) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_upload_bytes = max_upload_bytes + (1 << 20)  # and the form around the file
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, scope["path"])
        body = _Body(receive, self._limit(scope), self.body_seconds, answer)
        try:
            body.check(_announced(scope))
            await self.app(scope, body.receive, answer.send)
        except _Refused as error:
            await answer.refuse(error)
        except Exception:
            # The framework answers for it outside of this layer, where no header would be added.
            await answer.refuse(_Refused(500, "internal", "the server met an error it did not expect"))
            raise
        if answer.refusal is not None:
            await answer.refuse(answer.refusal)

    def _limit(self, scope: Scope) -> int:
        path = scope["path"]
        if path.endswith("/sessions"):
            return min(MAX_SIGN_IN_BYTES, self.max_body_bytes)
        is_upload = scope["method"] == "POST" and path.endswith("/assets")
        return self.max_upload_bytes if is_upload else self.max_body_bytes


class _Answer:
    """Adds the headers, and sends a refusal instead of what the application makes of it."""

    def __init__(self, send: Send, path: str) -> None:
        self._send = send
        self._path = path
        self._is_started = False
        self.refusal: _Refused | None = None

    async def send(self, message: Message) -> None:
        if self.refusal is not None and not self._is_started:
            return  # the framework takes a body that was cut off for one that is wrong
        if message["type"] == "http.response.start":
            self._is_started = True
            _add_headers(message, self._path)
        await self._send(message)

    async def refuse(self, error: _Refused) -> None:
        if not self._is_started:
            self.refusal = None
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
            await self.send({"type": "http.response.body", "body": error.body})


class _Body:
    """Counts and times a body while it is read."""

    def __init__(self, receive: Receive, max_bytes: int, seconds: float, answer: _Answer) -> None:
        self._receive = receive
        self._answer = answer
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._num_bytes = 0
        self._began: float | None = None
        self._is_whole = False

    def check(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            self._refuse(413, "body_too_large", "the request is larger than allowed")

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        allowed = self._seconds + self._num_bytes / SLOWEST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(self._began + allowed - now):
                message = await self._receive()
        except TimeoutError:
            self._refuse(408, "body_too_slow", "the request came too slowly")
        self._num_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        self.check(self._num_bytes)
        return message

    def _refuse(self, status: int, code: str, message: str) -> NoReturn:
        self._answer.refusal = _Refused(status, code, message)
        raise self._answer.refusal


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 0
    return 0


def _add_headers(message: MutableMapping[str, Any], path: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers[name] = value
    if path.startswith("/api/") and "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"
