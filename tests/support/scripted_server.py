"""An OpenAI-compatible server with a scripted model that fails as a test tells it to, and remembers all it was asked.

Questions of `asking_world` begin with their id, by which the model knows the answer; black pictures tell the variant
`zero` from `own`. A request to the model `judge` goes to the scripted judge instead.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image
from quiet_server import QuietServer, running

from perceptlm.clients import ModelIdentity
from perceptlm.eval.judges.cache import reply_key
from perceptlm.schema import Turn

JUDGE = ModelIdentity(name="judge", revision="7", licence="NOASSERTION", backend="openai-http")

Fault = Callable[["_Handler", bytes], None]
"""Answers in the place of the model; it is given the bytes of the good answer."""


@dataclass
class ScriptedServer:
    """`fault(number)` says what befalls the n-th request (from 0); `on_request(number)` is called when it has come."""

    answers: Mapping[str, str]
    url: str = ""
    fault: Callable[[int], Fault | None] = lambda number: None
    on_request: Callable[[int], None] = lambda number: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    """What was asked, in order: (variant, id of the question), or (`judge`, the key its reply is kept under)."""
    delay_seconds: float = 0.0
    judge: Callable[[str, int], str] | None = None
    """Judges a user text, with the seed of the request."""

    def answer(self, body: bytes) -> str:
        """Return what the model says: the reference, or nonsense where the digest of the request is odd."""
        request = json.loads(body)
        if request["model"] == JUDGE.name:
            assert self.judge is not None
            return self.judge(request["messages"][-1]["content"], request["seed"])
        digest = hashlib.sha256(body).hexdigest()
        reference = self.answers[self.name(body)]
        return reference if int(digest, 16) % 2 == 0 else f"nonsense {digest[:6]}"

    def name(self, body: bytes) -> str:
        """Return the id of the question that a request asks."""
        content = json.loads(body)["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        return text.split(":")[0]

    def key(self, body: bytes) -> tuple[str, str]:
        """Return what a request asks, as `asked` has it."""
        request = json.loads(body)
        if request["model"] != JUDGE.name:
            return shown(body), self.name(body)
        turns = [Turn(role=message["role"], text=message["content"]) for message in request["messages"]]
        limits = (request["max_tokens"], request["temperature"], request["seed"])
        return JUDGE.name, reply_key(JUDGE, turns, limits).hex()

    def repeats(self) -> int:
        """Return how many requests were asked more often than once, each as often as it was asked again."""
        return sum(count - 1 for count in Counter(self.asked).values())


def shown(body: bytes) -> str:
    """Return the variant of a request: black pictures are `zero`, others `own`."""
    parts = json.loads(body)["messages"][-1]["content"]
    data = base64.b64decode(parts[0]["image_url"]["url"].split(",")[1])
    return "own" if np.asarray(Image.open(io.BytesIO(data))).any() else "zero"


def busy(handler: _Handler, good: bytes) -> None:
    """Too many requests."""
    handler.reply(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0"})


def broken(handler: _Handler, good: bytes) -> None:
    """The server is down."""
    handler.reply(503, b"out of order")


def truncated(handler: _Handler, good: bytes) -> None:
    """JSON that breaks off."""
    handler.reply(200, good[: len(good) // 2])


def cut_off(handler: _Handler, good: bytes) -> None:
    """A connection that ends in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(good)))
    handler.end_headers()
    handler.wfile.write(good[: len(good) // 2])
    handler.close_connection = True


def silent(handler: _Handler, good: bytes) -> None:
    """No answer for longer than any time-out of these tests."""
    time.sleep(0.4)


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.reply(200, b'{"data": [{"id": "m", "revision": "7"}, {"id": "judge", "revision": "7"}]}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        script: ScriptedServer = self.server.script
        with self.server.lock:
            number = len(script.asked)
            script.asked.append(script.key(body))
        script.on_request(number)
        time.sleep(script.delay_seconds)
        message = {"role": "assistant", "content": script.answer(body)}
        good = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        fault = script.fault(number)
        if fault is None:
            self.reply(200, good)
        else:
            fault(self, good)

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(answers: Mapping[str, str]) -> Iterator[ScriptedServer]:
    """Run the server until the block ends."""
    script = ScriptedServer(answers)
    listener: Any = QuietServer(_Handler)
    listener.script, listener.lock = script, threading.Lock()
    script.url = listener.url
    with running(listener):
        yield script
