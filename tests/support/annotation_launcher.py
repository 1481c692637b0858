"""A script that starts annotation servers as processes of their own, which kill themselves where a test says.

It loads everything once and forks a server for each line of JSON on its input:
`{"directory", "database", "kill": null | {"point", "count"}}`. A server prints `{"pid", "url"}` once it listens, and
the script `{"ended": status}` once it has ended: -9 where it was killed. The points are those of POINTS; a server kills
itself with SIGKILL when it comes to its point for the `count`-th time after it was sent SIGUSR1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import event

from perceptlm.annotate import serving
from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.server import Server, open_server
from perceptlm.annotate.settings import Settings

POINTS = ("statement", "before_commit", "after_commit", "before_response")
SETTINGS = Settings(
    argon2_time_cost=1, argon2_memory_kib=8, login_failures=1000, rescan_seconds=0, worker_seconds=0.2, refit_seconds=1
)


class Fuse:
    """Kills the process when it is reached for the `count`-th time after SIGUSR1."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self._is_lit = False
        signal.signal(signal.SIGUSR1, self._light)

    def _light(self, *arguments: object) -> None:
        self._is_lit = True

    def burn(self) -> None:
        """Count once."""
        if not self._is_lit:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def kill_at(server: Server, point: str, count: int) -> None:
    """Arm a server: transactions that write, their statements, and answers to requests that change something count."""
    fuse, engine, now = Fuse(count), server.database.engine, threading.local()
    if point == "statement":

        def before_statement(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
            if statement.startswith(("INSERT", "UPDATE")):
                fuse.burn()

        event.listen(engine, "before_cursor_execute", before_statement)
    elif point in ("before_commit", "after_commit"):
        usual = engine.dialect.do_commit

        def note(connection: Any) -> None:
            now.writes = connection.get_execution_options().get("writes", False)

        def commit(connection: Any) -> None:
            writes, now.writes = getattr(now, "writes", False), False
            if writes and point == "before_commit":
                fuse.burn()
            usual(connection)
            if writes and point == "after_commit":
                fuse.burn()

        event.listen(engine, "commit", note)
        engine.dialect.do_commit = commit  # type: ignore[method-assign]
    else:
        serving.make_app = lambda server: _BeforeResponse(make_app(server), fuse)  # type: ignore[assignment]


class _BeforeResponse:
    """Burns a fuse before the answer to a request that changed something goes out."""

    def __init__(self, app: Any, fuse: Fuse) -> None:
        self._app, self._fuse = app, fuse

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["method"] != "GET" and message["status"] < 300:
                self._fuse.burn()
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)


def serve(order: dict[str, Any]) -> None:
    """Be the server of an order, until killed."""
    server = open_server(
        DataDirectory.open(Path(order["directory"])), database_url=order["database"], settings=SETTINGS
    )
    if order["kill"] is not None:
        kill_at(server, **order["kill"])
    serving.run_server(
        server, "127.0.0.1", 0, lambda url: print(json.dumps({"pid": os.getpid(), "url": url}), flush=True)
    )


def main() -> None:
    """Serve orders one after another."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                serve(json.loads(line))
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"ended": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
