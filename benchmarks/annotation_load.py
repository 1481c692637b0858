"""How long a server of annotations makes people wait, beside Label Studio under the same load in the same run.

    python benchmarks/annotation_load.py --label-studio VENV/bin/label-studio [--minutes 10] [--people 50] [--json]

People that act once in two seconds each: take the next item, save a draft of it, submit it, take the next. Label
Studio (PyPI, its own server and SQLite, as it starts by default) does the nearest same work: next task, draft,
annotation, two people per task. Both servers run on this machine, one after the other in blocks of a minute, each
alone, so that a slower minute of the machine hits both. Counts answers of 5xx, and reads back at the end whether
everything that was acknowledged is there, once. Targets: no 5xx, nothing acknowledged lost, p95 of taking and of saving
at most half of Label Studio's. Without --label-studio only this project's server is driven, and no ratio is printed.

    python3 -m venv /tmp/ls && /tmp/ls/bin/pip install label-studio==1.23.2
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import numpy as np
from annotation_server import Served, serve_project

RATIO, SECONDS_BETWEEN, START_SECONDS, ERROR_SHARE = 0.5, 2.0, 240.0, 0.1
TAKE, SAVE, SUBMIT = "take", "save", "submit"
LABELS = "<View><Text name='t' value='$text'/><Choices name='c' toName='t'>{}</Choices></View>"
OPTIONS = ("a", "b", "c", "d")


@dataclass
class Seen:
    """What one server did under load."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)

    def p95(self, action: str) -> float:
        """Milliseconds below which 95 of 100 answers came."""
        return float(np.percentile(self.seconds[action], 95)) * 1000


class Person(Protocol):
    """Somebody at a server, signed in."""

    client: httpx.AsyncClient

    async def take(self) -> httpx.Response: ...

    async def save(self) -> httpx.Response: ...

    async def submit(self) -> tuple[httpx.Response, str]: ...


class OurPerson:
    """An annotator of this project's server."""

    def __init__(self, client: httpx.AsyncClient, project: str, frame_table_hash: str, errors: random.Random) -> None:
        self.client, self.project, self.frame_table_hash, self.errors = client, project, frame_table_hash, errors
        self.work: dict[str, Any] = {}

    async def take(self) -> httpx.Response:
        response = await self.client.post(f"/projects/{self.project}/next", json={"steps": None})
        self.work = response.json() if response.status_code == 200 else {}
        return response

    async def save(self) -> httpx.Response:
        revision = str((self.work["draft"] or {"rev": 0})["rev"])
        return await self.client.put(
            f"/assignments/{self.work['id']}/draft",
            json={"body": self._payload()},
            headers={"If-Match": f'"{revision}"'},
        )

    async def submit(self) -> tuple[httpx.Response, str]:
        operation = str(uuid.uuid4())
        body = {
            "client_op_id": operation,
            "fence": self.work["fence"],
            "payload": self._payload(),
            "frame_table_hash": self.frame_table_hash,
            "guideline_version": self.work["guideline_version"],
            "active_seconds": 4.0,
        }
        response = await self.client.post(f"/assignments/{self.work['id']}/submissions", json=body)
        return response, str(response.json().get("id"))

    def _payload(self) -> dict[str, Any]:
        # Right nearly always: the server gives no more work to people whose answers are as good as chance.
        is_wrong = self.errors.random() < ERROR_SHARE
        choice = (self.work["item"]["id"] + is_wrong) % len(OPTIONS)
        return {"choice": choice, "unsure": False, "evidence": None, "note": ""}


class LabelStudioPerson:
    """An annotator of Label Studio."""

    def __init__(self, client: httpx.AsyncClient, project: int) -> None:
        self.client, self.project = client, project
        self.task = 0

    async def take(self) -> httpx.Response:
        response = await self.client.get(f"/api/projects/{self.project}/next")
        self.task = response.json()["id"] if response.status_code == 200 else 0
        return response

    async def save(self) -> httpx.Response:
        return await self.client.post(
            f"/api/tasks/{self.task}/drafts", params={"project": self.project}, json=self._result()
        )

    async def submit(self) -> tuple[httpx.Response, str]:
        response = await self.client.post(
            f"/api/tasks/{self.task}/annotations", params={"project": self.project}, json=self._result()
        )
        return response, str(response.json().get("id")) if response.status_code == 201 else ""

    def _result(self) -> dict[str, Any]:
        choice = OPTIONS[self.task % len(OPTIONS)]
        item = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [choice]}}
        return {"result": [item], "lead_time": 4.0}


async def act(person: Person, seen: Seen, start: float, until: float) -> None:
    """Let one person work from `start` to `until`: one action in two seconds, or as soon as the last is answered."""
    at = start
    has_work = False
    drafted = False
    while (now := time.monotonic()) < until:
        await asyncio.sleep(max(0.0, at - now))
        at = max(at + SECONDS_BETWEEN, time.monotonic())
        name = SUBMIT if has_work and drafted else SAVE if has_work else TAKE
        begun = time.monotonic()
        try:
            if name == SUBMIT:
                response, key = await person.submit()
                if response.is_success:
                    seen.acknowledged.add(key)
            else:
                response = await (person.save() if name == SAVE else person.take())
        except httpx.HTTPError as error:
            seen.failures.append(f"{name}: {error!r}")
            has_work = drafted = False
            continue
        seen.seconds[name].append(time.monotonic() - begun)
        if response.status_code >= 500:
            seen.failures.append(f"{name}: {response.status_code}")
        elif response.status_code >= 400 or response.status_code == 204:
            seen.refusals[f"{name} {response.status_code}"] += 1
        has_work = response.is_success and response.status_code != 204 and name != SUBMIT
        drafted = has_work and name == SAVE


async def block(people: list[Person], seen: Seen, seconds: float) -> None:
    """Let all people work for a while, spread evenly over the two seconds."""
    begun = time.monotonic()
    steps = [begun + SECONDS_BETWEEN * place / len(people) for place in range(len(people))]
    await asyncio.gather(*(act(person, seen, at, begun + seconds) for person, at in zip(people, steps, strict=True)))


class LabelStudio:
    """Label Studio as `label-studio start` runs it, in a folder of its own."""

    def __init__(self, program: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (folder / "label-studio.log").open("wb")
        environment = os.environ | {"LABEL_STUDIO_BASE_DATA_DIR": str(folder), "COLLECT_ANALYTICS": "false"}
        command = [str(program), "start", "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def wait(self) -> None:
        """Return once it answers."""
        for _ in range(int(START_SECONDS)):
            if self.process.poll() is not None:
                raise SystemExit(f"error: Label Studio ended with {self.process.returncode}; see {self.log.name}")
            try:
                httpx.get(self.url + "/health", timeout=5)
                return
            except httpx.HTTPError:
                time.sleep(1)
        raise SystemExit(f"error: Label Studio did not answer within {START_SECONDS:.0f} s; see {self.log.name}")

    async def person(self, number: int) -> httpx.AsyncClient:
        """Sign somebody up, and return their session."""
        client = httpx.AsyncClient(base_url=self.url, timeout=60, follow_redirects=True)
        await client.get("/user/signup/")
        form = {"email": f"p{number}@example.org", "password": secrets.token_urlsafe(16)}
        form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
        await client.post("/user/signup/", data=form, headers={"Referer": self.url})
        client.headers.update({"X-CSRFToken": client.cookies["csrftoken"], "Referer": self.url})
        (await client.get("/api/current-user/whoami")).raise_for_status()
        return client

    async def project(self, client: httpx.AsyncClient, num_items: int) -> int:
        """Make a project of `num_items` questions that two people answer each."""
        labels = LABELS.format("".join(f"<Choice value='{name}'/>" for name in OPTIONS))
        made = await client.post(
            "/api/projects", json={"title": "load", "label_config": labels, "maximum_annotations": 2}
        )
        made.raise_for_status()
        number = int(made.json()["id"])
        for first in range(0, num_items, 2000):
            tasks = [{"text": f"question {place}"} for place in range(first, min(first + 2000, num_items))]
            (await client.post(f"/api/projects/{number}/import", json=tasks)).raise_for_status()
        return number

    async def kept(self, client: httpx.AsyncClient, project: int) -> list[str]:
        """Return the annotations that are there."""
        response = await client.get(f"/api/projects/{project}/export", params={"exportType": "JSON"}, timeout=600)
        response.raise_for_status()
        return [str(annotation["id"]) for task in response.json() for annotation in task["annotations"]]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


async def measure(ours: Served, theirs: LabelStudio | None, minutes: float, num_people: int) -> dict[str, Any]:
    """Drive both in turns and return all figures."""
    num_items = int(minutes * 60 / SECONDS_BETWEEN * num_people / 3) + 100
    seen = {"perceptlm": Seen()}
    people: dict[str, list[Person]] = {"perceptlm": []}
    table = ours.add_choice_items(num_items, OPTIONS)
    people["perceptlm"] = [
        OurPerson(await ours.person(place), ours.project, table, random.Random(place)) for place in range(num_people)
    ]
    read_back: dict[str, Callable[[], Awaitable[list[str]]]] = {"perceptlm": ours.submission_ids}
    if theirs is not None:
        clients = [await theirs.person(place) for place in range(num_people)]
        project = await theirs.project(clients[0], num_items)
        seen["label-studio"] = Seen()
        people["label-studio"] = [LabelStudioPerson(client, project) for client in clients]
        read_back["label-studio"] = lambda: theirs.kept(clients[0], project)
    left = minutes * 60
    while left > 0:
        for name in seen:
            await block(people[name], seen[name], min(60.0, left))
        left -= 60
    found: dict[str, Any] = {}
    for name, kept in read_back.items():
        there = await kept()
        found[name] = {
            "actions": {action: len(times) for action, times in seen[name].seconds.items()},
            "p50_ms": {a: float(np.median(times)) * 1000 for a, times in seen[name].seconds.items()},
            "p95_ms": {action: seen[name].p95(action) for action in seen[name].seconds},
            "failures": len(seen[name].failures),
            "first_failures": seen[name].failures[:5],
            "refusals": dict(seen[name].refusals),
            "acknowledged": len(seen[name].acknowledged),
            "lost": len(seen[name].acknowledged - set(there)),
            "twice": len(there) - len(set(there)),
        }
    for everyone in people.values():
        for person in everyone:
            await person.client.aclose()
    mine = found["perceptlm"]
    met = {
        "no 5xx": mine["failures"] == 0,
        "nothing refused": not mine["refusals"],
        "nothing lost": mine["acknowledged"] > 0 and mine["lost"] == 0 and mine["twice"] == 0,
    }
    if theirs is not None:
        found["ratio"] = {
            action: mine["p95_ms"][action] / found["label-studio"]["p95_ms"][action] for action in (TAKE, SAVE, SUBMIT)
        }
        met |= {f"p95 of {action}": found["ratio"][action] <= RATIO for action in (TAKE, SAVE)}
    return found | {"met": met}


def show(found: dict[str, Any]) -> None:
    """Print one line per server, and one per target."""
    for name in ("perceptlm", "label-studio"):
        if name not in found:
            continue
        seen = found[name]
        times = ", ".join(
            f"{action} {seen['p50_ms'][action]:.1f} / {seen['p95_ms'][action]:.1f}" for action in seen["p95_ms"]
        )
        print(
            f"{name:<13} p50 / p95 ms: {times}; {sum(seen['actions'].values())} actions, {seen['failures']} failures, "
            f"{seen['acknowledged']} acknowledged, {seen['lost']} lost, {seen['twice']} twice, {seen['refusals']}"
        )
    for action, ratio in found.get("ratio", {}).items():
        print(f"p95 of {action}: {ratio:.3f} of Label Studio's, {RATIO} wanted")
    for name, is_met in found["met"].items():
        print(f"{name}: {'met' if is_met else 'MISSED'}")


def main() -> int:
    """Run it; exit 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--label-studio", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "theirs").mkdir()
        program = arguments.label_studio
        theirs = LabelStudio(program, Path(folder) / "theirs") if program is not None else None
        try:
            if theirs is not None:
                theirs.wait()
            with serve_project(Path(folder) / "ours", num_people=arguments.people) as ours:
                found = asyncio.run(measure(ours, theirs, arguments.minutes, arguments.people))
        finally:
            if theirs is not None:
                theirs.stop()
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)
    return 0 if all(found["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
