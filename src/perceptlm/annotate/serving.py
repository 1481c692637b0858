"""Runs a server: the application under uvicorn, and beside it one worker for what nobody waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.deliveries import deliver_due
from perceptlm.annotate.services.leases import expire_overdue
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.refit import refit
from perceptlm.annotate.services.releases import resume
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Project
from perceptlm.errors import PerceptLMError, StorageError, UsageError
from perceptlm.log import logger

SHUTDOWN_SECONDS, START_SECONDS = 5, 30.0


class Worker:
    """Ends overdue leases and sends what is in the outbox, every few seconds, in a thread of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._fitted_at: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, name="annotate-worker", daemon=True)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._server.settings.worker_seconds):
            try:
                run_once(self._server, self._fitted_at)
            except (PerceptLMError, SQLAlchemyError) as error:
                # The next round tries again: a full disk or a database that is being restarted passes.
                logger.error("the worker could not finish a round: %s", error)


def run_once(server: Server, fitted_at: dict[int, int]) -> None:
    """Do one round of the worker's work; `fitted_at` holds when each project was last fitted."""
    server.database.write(expire_overdue)
    deliver_due(server)
    resume(server)
    for project_id in server.database.read(lambda session: _due_projects(session, server, fitted_at)):
        fitted_at[project_id] = server.database.clock.now_ms()
        refit(server.database, SERVER, project_id)


def _due_projects(session: Session, server: Server, fitted_at: dict[int, int]) -> list[int]:
    """Return projects with enough new submissions for a fit, or with some that have waited long enough."""
    due = []
    for project in session.scalars(select(Project).where(Project.num_since_fit > 0).order_by(Project.id)):
        waited_ms = now(session) - fitted_at.get(project.id, 0)
        is_enough = project.num_since_fit >= policy_of(session, project).refit_every
        # Less than nothing: the clock was put back.
        if is_enough or not 0 <= waited_ms < server.settings.refit_seconds * 1000:
            due.append(project.id)
    return due


def run_server(server: Server, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until interrupted; `started` is told the address once it listens. UsageError if the port is taken."""
    config = _config(server, host, port)
    listener = config.bind_socket() if _is_free(config) else None
    if listener is None:
        hint = "another program has the port, or this machine has no such address: choose --port or --host"
        raise UsageError(f"{host}:{port} cannot be listened on", hint=hint)
    listener.listen(config.backlog)  # whoever is told the address now may connect to it
    bound = listener.getsockname()
    with Worker(server):
        started(f"http://{host}:{bound[1]}")
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def listening(server: Server) -> Iterator[str]:
    """Serve in a thread on a free port of this machine, without a worker, and yield the address.

    StorageError if the server does not start.
    """
    running = uvicorn.Server(_config(server, "127.0.0.1", 0))
    thread = threading.Thread(target=running.run, name="annotate-server", daemon=True)
    thread.start()
    try:
        until = time.monotonic() + START_SECONDS
        while not running.started:
            if time.monotonic() > until or not thread.is_alive():
                raise StorageError("the annotation server did not start")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(START_SECONDS)


def _config(server: Server, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(server), host=host, port=port, log_level="warning", access_log=False, server_header=False,
        # A browser that holds a video open must not keep the server from ending.
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )  # fmt: skip


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
