"""A judge behind HTTP on this machine, which fails on cue: busy, silent, torn, talking nonsense, or gone."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from quiet_server import QuietServer, running

Fault = Literal["busy", "hang", "torn", "nonsense"]


@dataclass
class JudgeServer:
    """Answers each conversation by `reply(user text)`; before that, fails each one as `faults` say, in order.

    `asked` counts the (user text, seed) pairs that got a whole reply, `pictures` those shown with a text. `is_down`
    refuses everything.
    """

    url: str
    reply: Callable[[str], str]
    faults: tuple[Fault, ...] = ()
    is_down: bool = False
    asked: Counter[tuple[str, int]] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    pictures: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)


def completion(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 11, "completion_tokens": 3}
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()


@contextmanager
def judge_server(reply: Callable[[str], str]) -> Iterator[JudgeServer]:
    """Run a server; `reply` gets the text of the last message."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = body["messages"][-1]["content"]
            text = content if isinstance(content, str) else content[-1]["text"]
            with server.lock:
                number = server.seen[text]
                server.pictures[text] = 0 if isinstance(content, str) else len(content) - 1
                server.seen[text] += 1
            fault = server.faults[number] if number < len(server.faults) else None
            if server.is_down:
                self.send(503, b"{}")
            elif fault == "busy":
                self.send(429, b"{}", {"Retry-After": "0"})
            elif fault == "hang":
                server.closing.wait(5)
            elif fault == "torn":
                self.send(200, completion(server.reply(text))[:40])
            else:
                with server.lock:
                    server.asked[text, body["seed"]] += 1
                self.send(200, completion("Well..." if fault == "nonsense" else server.reply(text)))

        def do_GET(self) -> None:
            self.send(200, json.dumps({"data": [{"id": "judge", "revision": "abc"}]}).encode())

        def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing to stderr."""

    listener = QuietServer(Handler)
    server = JudgeServer(listener.url, reply)
    with running(listener):
        try:
            yield server
        finally:
            server.closing.set()
