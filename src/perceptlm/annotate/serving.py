"""Runs a server: the application under uvicorn, and beside it one worker for what nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import uvicorn

from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.services.leases import expire_overdue
from perceptlm.annotate.services.server import Server
from perceptlm.errors import UsageError


class Worker:
    """Ends overdue leases and sends what is in the outbox, every few seconds, in a thread of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="annotate-worker", daemon=True)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._server.settings.worker_seconds):
            run_once(self._server)


def run_once(server: Server) -> None:
    """Do one round of the worker's work."""
    server.database.write(expire_overdue)


def run_server(server: Server, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until interrupted; `started` is told the address once it listens. UsageError if the port is taken."""
    config = uvicorn.Config(
        make_app(server), host=host, port=port, log_level="warning", access_log=False, server_header=False
    )
    listener = config.bind_socket() if _is_free(config) else None
    if listener is None:
        raise UsageError(f"{host}:{port} cannot be listened on", hint="another program has it; choose --port")
    bound = listener.getsockname()
    with Worker(server):
        started(f"http://{host}:{bound[1]}")
        uvicorn.Server(config).run(sockets=[listener])


def _is_free(config: uvicorn.Config) -> bool:
    import socket

    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError:
            return False
    return True
