"""People who work at once over HTTP and remember what was acknowledged, while the server is killed and comes back."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from annotation_answers import payload_for
from annotation_record import Told
from annotation_service import PASSWORD, TABLE_HASH

LAUNCHER = Path(__file__).with_name("annotation_launcher.py")
MAX_IDLE = 20
"""Times somebody asks for work in vain before they stop."""
PASSING = (503, 507)
"""Answers that say: not now, send it again."""


class Launcher:
    """Starts servers in processes of their own, one after another; see `annotation_launcher.py`."""

    def __enter__(self) -> Launcher:
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(LAUNCHER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self.pid, self.url = 0, ""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(self, directory: Path, database: str, point: str | None = None, count: int = 0) -> str:
        """Start a server and return its address; one that is still there is killed first."""
        if self.pid:
            self.kill()
        kill = None if point is None else {"point": point, "count": count}
        order = {"directory": str(directory), "database": database, "kill": kill}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        found = self._read()
        self.pid, self.url = found["pid"], str(found["url"])
        return self.url

    def arm(self) -> None:
        """Let the server count from now on how often it comes to its point."""
        os.kill(self.pid, signal.SIGUSR1)

    def kill(self) -> int:
        """Kill the server and return how it ended."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the server and return its exit code: -9 where it was killed."""
        self.pid = 0
        return int(self._read()["ended"])

    def has_ended(self, seconds: float) -> bool:
        """Return whether the server ends by itself within some seconds."""
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def _read(self) -> Any:
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], 60)[0], "the launcher does not answer"
        line = self._process.stdout.readline()
        assert line, "the launcher has ended"
        return json.loads(line)


@dataclass
class Sent:
    """A change that was sent. `answer` is what acknowledged it; `refusal` the code of what refused it."""

    method: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    refusal: str | None = None

    @property
    def assignment_id(self) -> int:
        """Which assignment it is for."""
        return int(self.path.split("/")[2])

    @property
    def is_open(self) -> bool:
        """Whether nothing is known of its fate."""
        return self.answer is None and self.refusal is None


class Worker:
    """One person at work: leases, saves drafts, submits, each change sent once to three times."""

    def __init__(self, name: str, user_id: int, seed: int) -> None:
        self.name, self.user_id = name, user_id
        self.random = random.Random(f"{seed} {name}")
        self.sent: list[Sent] = []
        self.num_passing = 0
        self.strange: list[str] = []
        self._client = httpx.Client(timeout=30, verify=False)

    def connect(self, url: str) -> None:
        """Go on at an address, with the login one has."""
        self._client.base_url = httpx.URL(f"{url}/api/v1")
        if "X-CSRF-Token" not in self._client.headers:
            answer = self._client.post("/sessions", json={"name": self.name, "password": PASSWORD})
            answer.raise_for_status()
            self._client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def work(self, stop: threading.Event) -> None:
        """Work until told to stop, until nothing is left, or until the server is gone."""
        num_idle = 0
        try:
            while not stop.is_set() and num_idle < MAX_IDLE:
                num_idle = 0 if self._do_next() else num_idle + 1
        except httpx.TransportError:
            return

    def send_open_again(self) -> None:
        """Send every change again whose fate is not known; each must be taken in now."""
        for sent in [sent for sent in self.sent if sent.is_open]:
            self._send(sent, 1)
            if sent.is_open or (sent.refusal is not None and "draft" not in sent.path):
                self.strange.append(f"{sent} was not taken in")

    def send_known_again(self, most: int) -> None:
        """Send some acknowledged submissions again; each must get the same answer."""
        known = [sent for sent in self.told_of() if sent.answer is not None]
        for sent in self.random.sample(known, min(most, len(known))):
            answer = self._client.post(sent.path, json=sent.body)
            if (answer.status_code, answer.json()) != (200, sent.answer):
                self.strange.append(f"{sent} got another answer: {answer.status_code} {answer.text}")

    def told_of(self) -> list[Sent]:
        """Return the submissions."""
        return [sent for sent in self.sent if sent.path.endswith("/submissions")]

    def told(self) -> list[Told]:
        """Return what was acknowledged."""
        return [
            Told(self.user_id, sent.body["client_op_id"], sent.assignment_id, sent.body["payload"], sent.answer)
            for sent in self.told_of()
            if sent.answer is not None
        ]

    def drafts(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the drafts that were acknowledged."""
        saved = [sent for sent in self.sent if sent.path.endswith("/draft") and sent.answer is not None]
        return [(sent.assignment_id, sent.body["body"]) for sent in saved]

    def _do_next(self) -> bool:
        answer = self.post("/projects/p/next", {"steps": None})
        if answer.status_code != 200:
            time.sleep(0.05)
            return answer.status_code in PASSING
        lease = answer.json()
        path = f"/assignments/{lease['id']}"
        rev = (lease["draft"] or {"rev": 0})["rev"]
        draft = Sent("PUT", f"{path}/draft", {"body": {"note": self._id()}}, {"If-Match": str(rev)})
        body = {
            "client_op_id": self._id(),
            "fence": lease["fence"],
            "payload": payload_for(lease, self.random.choice((0, 0, 0, 0, 1, 2, 3, 5))),
            "frame_table_hash": TABLE_HASH,
            "guideline_version": lease["guideline_version"],
            "active_seconds": 1.0,
        }
        for sent in (draft, Sent("POST", f"{path}/submissions", body)):
            self.sent.append(sent)
            while sent.is_open:
                self._send(sent, self.random.choice((1, 1, 1, 2, 3)))
        return True

    def _send(self, sent: Sent, times: int) -> None:
        for _ in range(times):
            answer = self._client.request(sent.method, sent.path, json=sent.body, headers=sent.headers)
            if answer.status_code in PASSING:
                self._pause()
            elif answer.is_success:
                sent.answer = answer.json()
            elif answer.json()["error"]["code"] == "busy":
                self.num_passing += 1
            elif answer.status_code in (409, 412) and sent.answer is None:
                sent.refusal = answer.json()["error"]["code"]
            else:
                self.strange.append(f"{sent.path}: {answer.status_code} {answer.text}")
                sent.refusal = "strange"

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Send a request that need not be remembered."""
        answer = self._client.post(path, json=body)
        if answer.status_code in PASSING:
            self._pause()
        elif answer.status_code not in (200, 204):
            self.strange.append(f"{path}: {answer.status_code} {answer.text}")
        return answer

    def _pause(self) -> None:
        self.num_passing += 1
        time.sleep(0.05)

    def _id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128)))


class Crowd:
    """Several workers at once, each in a thread of their own."""

    def __init__(self, user_ids: dict[str, int], seed: int) -> None:
        self.workers = [Worker(name, user_id, seed) for name, user_id in user_ids.items()]

    def __enter__(self) -> Crowd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.close()

    def connect(self, url: str) -> None:
        """Let everybody go on at an address."""
        for worker in self.workers:
            worker.connect(url)

    def start(self) -> Running:
        """Let everybody work, until they are stopped or the server is gone."""
        stop = threading.Event()
        threads = [threading.Thread(target=worker.work, args=(stop,), daemon=True) for worker in self.workers]
        for thread in threads:
            thread.start()
        return Running(stop, threads)

    def wait_for(self, num_more: int) -> None:
        """Wait until so many more submissions were acknowledged."""
        wanted = len(self.told()) + num_more
        self._wait(lambda: len(self.told()) >= wanted)

    def wait_for_refusals(self, num_more: int) -> None:
        """Wait until so many more requests were refused for a while."""
        wanted = self.num_passing() + num_more
        self._wait(lambda: self.num_passing() >= wanted)

    def _wait(self, is_there: Callable[[], bool]) -> None:
        until = time.monotonic() + 60
        while not is_there():
            assert time.monotonic() < until, f"it does not come: {self.strange()}"
            time.sleep(0.02)

    def num_passing(self) -> int:
        """Return how often somebody was refused for a while."""
        return sum(worker.num_passing for worker in self.workers)

    def send_again(self, most: int = 5) -> None:
        """Send what is open again, and some of what is not."""
        for worker in self.workers:
            worker.send_open_again()
            worker.send_known_again(most)

    def strange(self) -> list[str]:
        """Return answers that nobody should get."""
        return [entry for worker in self.workers for entry in worker.strange]

    def told(self) -> list[Told]:
        """Return all submissions that were acknowledged."""
        return [entry for worker in self.workers for entry in worker.told()]

    def drafts(self) -> list[tuple[int, dict[str, Any]]]:
        """Return all drafts that were acknowledged."""
        return [entry for worker in self.workers for entry in worker.drafts()]


@dataclass
class Running:
    """Workers at work."""

    _stop: threading.Event
    _threads: list[threading.Thread]

    def join(self, *, stop: bool) -> None:
        """Wait until everybody has ended; `stop` tells them to."""
        if stop:
            self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "somebody is stuck"
