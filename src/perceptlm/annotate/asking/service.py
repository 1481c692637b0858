"""The service as a program with an API key sees it: what items need, the pictures of their clips, and handing in.

What fails for a moment is tried again; every request may be sent twice without harm. Knows no model.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import httpx
import numpy as np
from PIL import Image

from perceptlm.annotate.asking.needs import Need, NeedsPage, NeedyItem, line_of, model_of
from perceptlm.clients import MediaInput, ModelIdentity, Picture
from perceptlm.clients.openai_messages import one_line, parse_json
from perceptlm.config import parse
from perceptlm.errors import ClientError, ConfigError
from perceptlm.log import logger
from perceptlm.media.limits import DEFAULT_LIMITS
from perceptlm.media.sampling import uniform_indices

KEY_VARIABLE = "PLM_ANNOTATE_KEY"
SCOPES = ("needs.read", "needs.meet", "asset.read")
PAGE_ITEMS = 200
_TIMEOUT_SECONDS = 120.0
_WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0)
_TRIED_AGAIN = frozenset({408, 429, 502, 503, 504})
_HOSTS_OF_OWN = ("127.0.0.1", "::1", "localhost")
_KEY_HINT = f"plm annotate key-add DIR TITLE --project P --owner NAME {' '.join(f'--scope {name}' for name in SCOPES)}"


class ServiceRefusal(ClientError):
    """The service will not do it; `code` is the one of its interface."""

    def __init__(self, status: int, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class Service:
    """One project at `url`, such as http://127.0.0.1:8030. The key is read from the environment (`key_variable`).

    Raises ConfigError for an address or a key that cannot be; ClientError from any method where the service does not
    answer, and ServiceRefusal where it refuses. `sleep` waits between attempts (for tests).
    """

    def __init__(
        self,
        url: str,
        project: str,
        *,
        key_variable: str = KEY_VARIABLE,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        key = os.environ.get(key_variable, "").strip()
        if not key or not all("!" <= character <= "~" for character in key):
            raise ConfigError(f"${key_variable} holds no API key of the annotation service", hint=_KEY_HINT)
        self._url, self._project, self._sleep = _checked_url(url), project, sleep
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,  # another address is not the one to give the key
            trust_env=False,
        )
        self._last_media: tuple[tuple[int, int, int], tuple[MediaInput, ...]] | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connection."""
        self._http.close()

    def needs(self, need: Need) -> Iterator[NeedyItem]:
        """Yield the items with a need, page by page."""
        after: int | None = 0
        while after is not None:
            path = f"projects/{self._project}/needs"
            found = self._json("GET", path, params={"need": need, "after": after, "limit": PAGE_ITEMS})
            page = parse(NeedsPage, found, source=f"{self._url}: needs")
            if page.next is not None and page.next <= after:
                raise ClientError(f"{self._url}: its list of needs goes in a circle")
            yield from page.items
            after = page.next

    def media(self, item: NeedyItem, *, num_frames: int, max_side: int) -> tuple[MediaInput, ...]:
        """Return the pictures of an item's asset: the image, or `num_frames` of a video over its whole length, each
        made smaller until no side is longer than `max_side` pixels.
        """
        kept = (item.asset.id, num_frames, max_side)
        if self._last_media is None or self._last_media[0] != kept:
            numbers = uniform_indices(item.asset.num_frames, num_frames if item.asset.kind == "video" else 1)
            pictures = tuple(self._picture(item.asset.id, number, max_side) for number in numbers)
            self._last_media = kept, (MediaInput(item.asset.kind, pictures),)
        return self._last_media[1]

    def propose(self, item: NeedyItem, proposals: list[dict[str, Any]]) -> None:
        """Hand in proposals that the item still waits for."""
        self._json("POST", self._path(item, "proposals"), {"proposals": proposals, "if_needed": True})

    def refuse(self, item: NeedyItem, need: Need, reasons: list[str], model: ModelIdentity, prompt_sha256: str) -> None:
        """Hand in why what a model said was of no use."""
        body = {
            "need": need,
            "reasons": [line_of(reason) for reason in reasons],
            "model": model_of(model),
            "prompt_sha256": prompt_sha256,
        }
        self._json("POST", self._path(item, "refusals"), body)

    def check_text_only(self, item: NeedyItem, body: dict[str, Any]) -> list[int]:
        """Hand in what a model without the video said; return the distractors that are left out for it."""
        return list(self._json("POST", self._path(item, "text-only"), body)["told"])

    def _path(self, item: NeedyItem, what: Literal["proposals", "refusals", "text-only"]) -> str:
        return f"projects/{self._project}/items/{item.id}/{what}"

    def _picture(self, asset_id: int, number: int, max_side: int) -> Picture:
        content = self._send("GET", f"assets/{asset_id}/frames/{number}", None, {"format": "webp"})
        try:
            with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
                if image.width * image.height > DEFAULT_LIMITS.max_pixels:
                    raise ClientError(f"{self._url}: picture {number} of asset {asset_id} is too large")
                image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
                return np.asarray(image.convert("RGB"))
        except OSError as error:
            raise ClientError(f"{self._url}: picture {number} of asset {asset_id} cannot be read: {error}") from error

    def _json(self, method: str, path: str, body: Any = None, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return parse_json(self._send(method, path, body, params))

    def _send(self, method: str, path: str, body: Any, params: dict[str, Any] | None) -> bytes:
        """Return the body of an answer that is no refusal, asking again a few times where that may help."""
        for wait in (*_WAITS_SECONDS, None):
            try:
                answer = self._http.request(method, f"{self._url}/api/v1/{path}", json=body, params=params)
            except httpx.RequestError as error:
                said = f"{self._url}: no answer: {type(error).__name__}: {one_line(str(error))}"
                last = ClientError(said, hint="is the annotation service running there?")
            else:
                if answer.is_success:
                    return answer.content
                last = _refusal(answer, self._url)
                if answer.status_code not in _TRIED_AGAIN and getattr(last, "code", "") != "busy":
                    break
            if wait is not None:
                self._sleep(wait)
        raise last


def _refusal(answer: httpx.Response, url: str) -> ClientError:
    try:
        error = answer.json()["error"]
        code, message = str(error["code"]), one_line(str(error["message"]))
    except (ValueError, KeyError, TypeError):
        code, message = "unknown", "it does not say why"
    hint = None
    if answer.status_code in (401, 403):
        hint = f"the key needs the scopes {', '.join(SCOPES)}: {_KEY_HINT}"
    elif answer.status_code == 404:
        hint = "is the project's name right, and is the key of this project?"
    return ServiceRefusal(answer.status_code, code, f"{url}: refused ({answer.status_code}): {message}", hint=hint)


def _checked_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigError(f"the service's URL is not valid: {one_line(str(error))}") from None
    if url.userinfo or url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError("this is no URL of an annotation service", hint="such as http://127.0.0.1:8030")
    if url.scheme == "http" and url.host not in _HOSTS_OF_OWN:
        logger.warning("the API key is sent to %s without encryption", url.host)
    return str(url).rstrip("/").removesuffix("/api/v1")
