"""A real HTTP server on this machine that behaves as badly as a test tells it to, and a client that does not wait."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from quiet_server import QuietServer, running

from perceptlm.clients import GenerationRequest, OpenAIClient
from perceptlm.schema import Turn


@dataclass
class Received:
    """One request as the server saw it; `hang` holds the answer back until the server is closed."""

    method: str
    path: str
    headers: Message
    body: Any
    handler: BaseHTTPRequestHandler
    closing: threading.Event

    @property
    def question(self) -> str:
        """The last message's text."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Send `body`: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.handler.send_response(status)
        self.handler.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def complete(self, text: str | None, finish_reason: str = "stop") -> None:
        """Answer as a good server does."""
        message = {"role": "assistant", "content": text}
        self.answer(
            200,
            {
                "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 3},
            },
        )

    def hang(self) -> None:
        """Say nothing at all."""
        self.closing.wait(5)


@dataclass
class Server:
    """Answers the n-th request with the n-th of `script`, and all later ones with `otherwise`."""

    url: str
    script: list[Callable[[Received], None]] = field(default_factory=list)
    otherwise: Callable[[Received], None] = lambda received: received.complete("yes")
    received: list[Received] = field(default_factory=list)


def _serve() -> Iterator[Server]:
    closing, lock = threading.Event(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(data) if data else None
            received = Received(self.command, self.path, self.headers, body, self, closing)
            with lock:
                server.received.append(received)
                respond = server.script.pop(0) if server.script else server.otherwise
            respond(received)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            """Nothing to stderr."""

    listener = QuietServer(Handler)
    server = Server(url=listener.url)
    with running(listener):
        yield server
        closing.set()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from _serve()


@pytest.fixture
def other_server() -> Iterator[Server]:
    yield from _serve()


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLM_API_KEY", raising=False)


@pytest.fixture
def waits() -> list[float]:
    """How long the client of `make_client` was told to wait, in order."""
    return []


@pytest.fixture
def make_client(server: Server, waits: list[float]) -> Callable[..., OpenAIClient]:
    """Return an OpenAIClient of `server` that notes its waits instead of waiting."""

    def make(**options: Any) -> OpenAIClient:
        defaults = {"model": "some-vlm", "max_attempts": 3, "sleep": waits.append}
        return OpenAIClient(options.pop("base_url", server.url), **{**defaults, **options})

    return make


@pytest.fixture
def ask() -> Callable[..., GenerationRequest]:
    """Return a function that makes a request of one user turn; its id is its text."""

    def make(text: str = "How many?", **more: Any) -> GenerationRequest:
        return GenerationRequest(id=text, turns=(Turn(role="user", text=text),), **more)

    return make
