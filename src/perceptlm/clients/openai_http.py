"""OpenAIClient: a model behind any OpenAI-compatible server (vLLM, SGLang, llama.cpp) over HTTP.

Requests run in parallel, are tried again when the server is busy or broken, and come back in order. The server is
not trusted: redirects are not followed, answers are bounded in size and time, and the key never shows in a message.
It knows nothing of tasks or scores; the JSON itself is `openai_messages`' matter.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from perceptlm.clients.openai_messages import (
    PictureFormat,
    one_line,
    parse_completion,
    parse_revision,
    request_body,
    server_message,
)
from perceptlm.clients.protocol import GenerationRequest, GenerationResult, K, ModelIdentity
from perceptlm.errors import ClientError, ConfigError, DataError
from perceptlm.seeding import generator

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

API_KEY_VARIABLE = "PLM_API_KEY"
_RETRIED_STATUSES = frozenset({408, 409, 425, 429, *range(500, 600)})
_FIRST_WAIT_SECONDS = 1.0
_MAX_WAIT_SECONDS = 60.0
_MAX_CONNECT_SECONDS = 10.0
_MAX_ANSWER_BYTES = 16 * 2**20


class _BusyError(ClientError):
    """The server may do better later; it may have said when."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class _RefusedError(ClientError):
    """The server will not answer this, however often it is asked."""


class OpenAIClient:
    """Answers requests through `{base_url}/chat/completions`; `base_url` ends in /v1.

    The key, if the server wants one, is read from the environment variable `api_key_variable`. A request is tried
    `max_attempts` times, each for `timeout_seconds` at most; a request that fails for good gets an error result.
    `revision` and `licence` say what the server does not; without `revision` its model list is asked.
    `sleep` waits between attempts (for tests); by default a wait ends early when the caller stops listening.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        revision: str | None = None,
        licence: str = "NOASSERTION",
        api_key_variable: str = API_KEY_VARIABLE,
        picture_format: PictureFormat = "png",
        num_parallel: int = 8,
        max_attempts: int = 6,
        timeout_seconds: float = 300.0,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        if num_parallel < 1 or max_attempts < 1 or not timeout_seconds > 0:
            raise ConfigError("num_parallel and max_attempts must be at least 1, and timeout_seconds above 0")
        self._base_url = checked_base_url(base_url)
        self._model = model
        self._revision = revision
        self._licence = licence
        self._api_key_variable = api_key_variable
        self._api_key = _read_api_key(api_key_variable)
        self._picture_format = picture_format
        self._num_parallel = num_parallel
        self._max_attempts = max_attempts
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._identity: ModelIdentity | None = None

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is; its revision is 'unknown' where neither the caller nor the server states one.

        Raises ClientError if the server has to be asked and cannot be reached.
        """
        if self._identity is None:
            revision = self._revision or self._ask_revision()
            self._identity = ModelIdentity(
                name=self._model, revision=revision, licence=self._licence, backend="openai-http"
            )
        return self._identity

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        """Yield one result per request, in order, while later ones are already being answered."""
        stop = threading.Event()
        with self._connect() as http, ThreadPoolExecutor(self._num_parallel, "openai-client") as pool:
            futures = [pool.submit(self._answer, http, request, stop) for request in requests]
            try:
                for future in futures:
                    yield future.result()
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def answer_each(self, asked: Iterable[tuple[K, GenerationRequest]]) -> Iterator[tuple[K, GenerationResult]]:
        """Yield results as they come, each with its key; at most `num_parallel` are asked and not yet taken."""
        stop = threading.Event()
        source = iter(asked)
        pending: dict[Future[GenerationResult], K] = {}
        with self._connect() as http, ThreadPoolExecutor(self._num_parallel, "openai-client") as pool:
            try:
                while True:
                    for key, request in islice(source, self._num_parallel - len(pending)):
                        pending[pool.submit(self._answer, http, request, stop)] = key
                    if not pending:
                        return
                    for future in wait(pending, return_when=FIRST_COMPLETED).done:
                        yield pending[future], future.result()
                        del pending[future]
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, http: httpx.Client, request: GenerationRequest, stop: threading.Event) -> GenerationResult:
        try:
            body = request_body(request, self._model, self._picture_format)
            return self._retried(
                lambda: parse_completion(self._exchange(http, "POST", "chat/completions", body), request.id),
                request.id,
                stop,
            )
        except (ClientError, DataError) as error:
            return GenerationResult(request.id, "", "error", error=error.message)

    def _ask_revision(self) -> str:
        with self._connect() as http:
            try:
                body = self._retried(lambda: self._exchange(http, "GET", "models"), "models", threading.Event())
            except _RefusedError:
                return "unknown"  # Not every server lists its models.
            except ClientError as error:
                hint = "is the server running, and is the address right?"
                raise ClientError(f"{self._base_url}: {error.message}", hint=hint) from error
        return parse_revision(body, self._model)

    def _connect(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            headers={"Authorization": f"Bearer {self._api_key}"} if self._api_key else {},
            timeout=httpx.Timeout(self._timeout_seconds, connect=min(self._timeout_seconds, _MAX_CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=self._num_parallel),
            follow_redirects=False,  # another address is not the one that was configured, nor one to give the key
            trust_env=False,  # no proxy and no .netrc that the configuration does not name
        )

    def _retried(self, ask: Callable[[], T], name: str, stop: threading.Event) -> T:
        """Return what `ask` returns, asking again after growing waits; ClientError when attempts run out."""
        pause = self._sleep or stop.wait
        for attempt in range(self._max_attempts):
            try:
                return ask()
            except _RefusedError:
                raise
            except ClientError as error:
                last = error
            if attempt + 1 < self._max_attempts and not stop.is_set():
                pause(wait_seconds(name, attempt, last))
            if stop.is_set():
                break
        raise ClientError(f"{last.message} (attempts: {attempt + 1})") from last

    def _exchange(self, http: httpx.Client, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of a successful answer; every other outcome is a ClientError of the right kind."""
        import httpx

        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            with http.stream(method, f"{self._base_url}/{path}", content=body, headers=headers) as response:
                answer = self._read(response)
        except httpx.RequestError as error:
            said = one_line(self._redacted(str(error)))
            raise ClientError(f"no answer: {type(error).__name__}" + (f": {said}" if said else "")) from None
        if response.is_success:
            return answer
        message = f"HTTP {response.status_code}: {self._reason(response, answer)}"
        if response.status_code in _RETRIED_STATUSES:
            raise _BusyError(message, retry_after_seconds=_retry_after_seconds(response.headers.get("Retry-After")))
        raise _RefusedError(message)

    def _read(self, response: httpx.Response) -> bytes:
        """Return the whole body; ClientError if it is too large, or drips for longer than the time-out."""
        deadline = time.monotonic() + self._timeout_seconds
        answer = bytearray()
        for chunk in response.iter_bytes():
            answer += chunk
            if len(answer) > _MAX_ANSWER_BYTES:
                raise ClientError(f"the server's answer is larger than {_MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > deadline:
                raise ClientError(f"the server's answer took longer than {self._timeout_seconds:g} seconds")
        return bytes(answer)

    def _reason(self, response: httpx.Response, answer: bytes) -> str:
        if response.has_redirect_location:
            return f"redirects to {one_line(self._redacted(response.headers['Location']))}, which is not followed"
        said = one_line(self._redacted(server_message(answer)))
        if response.status_code in (401, 403) and not self._api_key:
            said += f" (no key was sent: ${self._api_key_variable} is not set)"
        return said

    def _redacted(self, message: str) -> str:
        # Servers like to quote the key that they do not accept. Before a message is cut, or part of it would stay.
        return message.replace(self._api_key, "[key]") if self._api_key else message


def checked_base_url(text: str) -> str:
    """Return the URL without its last slash; ConfigError unless it is http(s)://HOST[:PORT][/PATH]/v1."""
    import httpx

    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigError(f"the server's URL is not valid: {one_line(str(error))}") from None
    # First, so that no later message shows a password.
    if url.userinfo:
        raise ConfigError("the server's URL must not hold a user name or password", hint=f"set ${API_KEY_VARIABLE}")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError(f"'{one_line(text)}' is not the URL of a server", hint="such as http://localhost:8000/v1")
    base_url = str(url).rstrip("/")
    if not base_url.endswith("/v1"):
        raise ConfigError(f"the server's URL '{base_url}' does not end in /v1", hint=f"try {base_url}/v1")
    return base_url


def wait_seconds(name: str, attempt: int, error: ClientError) -> float:
    """Return how long to wait after failed attempt number `attempt` (from 0) of the request `name`.

    The wait doubles each time, less up to half of it at random (seeded by the request), so that requests that failed
    together do not return together; it is no shorter than the server asked for, and never over a minute.
    """
    longest = min(_FIRST_WAIT_SECONDS * 2.0**attempt, _MAX_WAIT_SECONDS)
    jittered = longest * (1 - float(generator(0, "client-wait", name, attempt).random()) / 2)
    asked = error.retry_after_seconds if isinstance(error, _BusyError) else 0.0
    return min(max(jittered, asked), _MAX_WAIT_SECONDS)


def _retry_after_seconds(header: str | None) -> float:
    """Return a Retry-After in seconds (RFC 9110 section 10.2.3: a number or a date); 0 if absent or unreadable."""
    if header is None:
        return 0.0
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _read_api_key(variable: str) -> str:
    """Return the key in an environment variable, empty if unset; ConfigError if no Bearer header can carry it."""
    key = os.environ.get(variable, "").strip()
    # No quote or backslash either: escaped in a server's JSON they would hide the key from `_redacted`.
    if not all("!" <= character <= "~" and character not in '"\\' for character in key):
        raise ConfigError(f"${variable} holds characters that no key has")
    return key
