"""Requests to the interface by several people over one connection, and how long each kind took. Knows no scenario."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import httpx

from perceptlm.errors import StorageError

_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Login:
    """What a signed-in person sends along."""

    headers: dict[str, str]


class Requests:
    """A connection to `url`; `seconds` holds how long each kind of request took, in the order of sending."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=_TIMEOUT_SECONDS)
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def sign_in(self, name: str, password: str) -> Login:
        """Sign somebody in."""
        answer = self._client.post("/sessions", json={"name": name, "password": password})
        _check(answer)
        # The cookie goes into a header of its own, so that one connection serves everybody.
        cookie = answer.headers["set-cookie"].partition(";")[0]
        self._client.cookies.clear()
        return Login({"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf_token"]})

    def send(self, login: Login, method: str, path: str, body: Any = None, *, kind: str = "other", **more: Any) -> Any:
        """Send a request and return what is answered, None for nothing; StorageError for a refusal."""
        begun = time.perf_counter()
        answer = self._client.request(method, path, json=body, headers=login.headers, **more)
        self.seconds[kind].append(time.perf_counter() - begun)
        _check(answer)
        return None if answer.status_code == 204 else answer.json()


def _check(answer: httpx.Response) -> None:
    if not answer.is_success:
        request = answer.request
        raise StorageError(
            f"the service answered {answer.status_code} to {request.method} {request.url.path}: {answer.text[:300]}"
        )
