"""A server of its own for one simulation: loopback only, SQLite in a folder that is removed at the end, real HTTP.

Passwords are hashed weakly, as nobody real signs in. Only the project with the scenario's domains is made here, since
packs come with the program; everything else goes over the interface.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.packs import PLAIN, Entry
from perceptlm.annotate.services.projects import create_project
from perceptlm.annotate.services.server import open_server
from perceptlm.annotate.services.setup import add_first_owner
from perceptlm.annotate.serving import listening
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.audit import Actor

OWNER = "owner"
_SETTINGS = Settings(argon2_time_cost=1, argon2_memory_kib=8, session_seconds=30 * 86_400)


@dataclass(frozen=True)
class Served:
    """Where the server listens, and the password of its owner and of whoever is added."""

    url: str
    password: str


@contextmanager
def private_server(slug: str, mode: str, domains: Sequence[str]) -> Iterator[Served]:
    """Serve a new directory with a project `slug` of `domains`, whose ids are `domain_id` of their places."""
    password = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="plm-simulate-") as folder:
        server = open_server(DataDirectory.create(Path(folder) / "data"), settings=_SETTINGS, is_lasting=False)
        try:
            owner = add_first_owner(server, OWNER, password)
            content = PLAIN.model_copy(
                update={"domains": tuple(Entry(id=domain_id(k), title=name) for k, name in enumerate(domains))}
            )

            def make(session: Session) -> None:
                create_project(session, Actor.user(owner), slug, "Simulation", "plain", mode, content)

            server.database.write(make)
            with listening(server) as url:
                yield Served(url, password)
        finally:
            server.close()


def domain_id(place: int) -> str:
    """Return the name of a domain for programs; a scenario's own names are titles."""
    return f"domain-{place + 1:04d}"
