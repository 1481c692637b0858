"""Starts `plm annotate serve` with people and items in it, for the scripts that measure it. Measures nothing itself."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import select

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.server import open_server
from perceptlm.annotate.services.setup import add_user
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.tables import Submission
from perceptlm.media.image import write_png

PASSWORD, PROJECT, ITEMS_AT_ONCE = "PLM_ANNOTATE_PASSWORD", "load", 1000


@dataclass
class Served:
    """A server that runs, with an owner who is signed in and a project of the plain pack."""

    directory: Path
    url: str
    password: str
    owner: httpx.Client
    database_url: str | None
    project: str = PROJECT

    def add_choice_items(self, count: int, options: Sequence[str]) -> str:
        """Take in `count` questions with options about one picture, and return the hash of its frame table."""
        picture = self.directory.parent / "picture.png"
        write_png(picture, np.full((48, 64, 3), 127, np.uint8))
        with picture.open("rb") as file:
            made = self.owner.post(f"/projects/{PROJECT}/assets", files={"file": ("picture.png", file, "image/png")})
        made.raise_for_status()
        for first in range(0, count, ITEMS_AT_ONCE):
            items = [
                {
                    "key": f"item-{place:07}",
                    "asset_id": made.json()["id"],
                    "domain": "general",
                    "question": f"Question {place}?",
                    "options": list(options),
                    "step": "choice",
                }
                for place in range(first, min(first + ITEMS_AT_ONCE, count))
            ]
            self.owner.post(f"/projects/{PROJECT}/items", json={"items": items}).raise_for_status()
        return str(made.json()["frame_table_hash"])

    async def person(self, number: int) -> httpx.AsyncClient:
        """Return the session of annotator `number`."""
        client = httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=60)
        signed_in = await client.post("/sessions", json={"name": f"person-{number}", "password": self.password})
        signed_in.raise_for_status()
        client.headers["X-CSRF-Token"] = signed_in.json()["csrf_token"]
        return client

    async def submission_ids(self) -> list[str]:
        """Return every submission that the database holds, and check the log of all changes."""
        server = open_server(DataDirectory.open(self.directory), database_url=self.database_url)
        try:
            return server.database.read(lambda session: [str(key) for key in session.scalars(select(Submission.id))])
        finally:
            server.close()


@contextmanager
def serve_project(folder: Path, *, num_people: int, database_url: str | None = None) -> Iterator[Served]:
    """Make a data directory with `num_people` annotators, serve it on a free port, and stop it at the end."""
    password = secrets.token_urlsafe(16)
    environment = os.environ | {PASSWORD: password}
    extra = [] if database_url is None else ["--database", database_url]
    plm = [sys.executable, "-m", "perceptlm", "annotate"]
    subprocess.run([*plm, "init", str(folder), "--owner", "owner", *extra], env=environment, check=True, stdout=2)
    server = open_server(
        DataDirectory.open(folder),
        database_url=database_url,
        settings=Settings(argon2_memory_kib=1024, logins_waiting=1000),
    )
    for number in range(num_people):
        add_user(server, f"person-{number}", password)
    server.close()
    command = [*plm, "serve", str(folder), "--port", "0", "--json", *extra]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            with httpx.Client(base_url=f"{url}/api/v1", timeout=600) as owner:
                yield _prepare(Served(folder, url, password, owner, database_url), num_people)
        finally:
            process.terminate()
            process.wait(30)


def _prepare(served: Served, num_people: int) -> Served:
    signed_in = served.owner.post("/sessions", json={"name": "owner", "password": served.password})
    signed_in.raise_for_status()
    served.owner.headers["X-CSRF-Token"] = signed_in.json()["csrf_token"]
    project: dict[str, Any] = {"slug": PROJECT, "title": "Load", "pack": "plain", "mode": "blind_first"}
    served.owner.post("/projects", json=project).raise_for_status()
    for number in range(num_people):
        member = {"user": f"person-{number}", "role": "annotator"}
        served.owner.post(f"/projects/{PROJECT}/members", json=member).raise_for_status()
    return served
