"""A real annotation server in a thread, with people, a project, footage and items, for tests of the page.

    with Site(tmp_path / "data") as site:
        project = site.new_project()
        project.add_items(project.add_footage(path), {"question": "What happens?"})
        project.do("ann", "blind_answer", {"answer": "It falls.", "evidence": {"start": 0, "end": 9}})

Everything goes through the HTTP API, as from a browser; only accounts and pauses are made directly.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import av
import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sqlalchemy import delete
from sqlalchemy.orm import Session

from perceptlm.annotate.clock import Clock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.projects import project_named
from perceptlm.annotate.services.server import open_server
from perceptlm.annotate.services.setup import add_user
from perceptlm.annotate.services.standing import Standing, set_standing
from perceptlm.annotate.services.users import user_named
from perceptlm.annotate.serving import listening
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.tables import LoginSession

PASSWORD = "a long test password"
PEOPLE = {
    "ann": ("Ann Abara", "annotator"),
    "bea": ("Bea Brandt", "annotator"),
    "vera": ("Vera Voss", "verifier"),
    "eli": ("Eli Ekström", "expert"),
    "max": ("Max Moreau", "manager"),
    "mia": ("Mia Meyer", "manager"),
    "udo": ("Udo Unger", "auditor"),
}
POLICY = {
    "first_labels": 1, "most_labels": 3, "question_checks": 1, "distractor_judges": 1, "min_distractors": 1,
    "gold_rate": 0.0, "audit_share": 0.0, "ceiling_share": 0.0,
}  # fmt: skip


class Person:
    """Somebody signed in over HTTP."""

    def __init__(self, url: str, name: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        answer = self._client.post("/sessions", json={"name": name, "password": PASSWORD})
        answer.raise_for_status()
        self.cookies = dict(self._client.cookies)
        self._client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]

    def get(self, path: str) -> Any:
        """Return the answer to GET."""
        return self._read(self._client.get(path))

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """Return the answer to POST; None for 204."""
        return self._read(self._client.post(path, json={} if body is None and not more else body, **more))

    def put(self, path: str, body: Any, **headers: str) -> Any:
        """Return the answer to PUT."""
        return self._read(self._client.put(path, json=body, headers=headers))

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    @staticmethod
    def _read(answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
        return None if answer.status_code == 204 else answer.json()


class Site:
    """The server, listening on a free port while the context lasts."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        settings = Settings(
            argon2_time_cost=1, argon2_memory_kib=8, login_failures=1000, rescan_seconds=0, session_seconds=90 * 86_400
        )
        self.server = open_server(DataDirectory.create(path), settings=settings, clock=clock)
        self._listening = listening(self.server)
        self._people: dict[str, Person] = {}
        self._num_projects = 0
        self.url = ""

    def __enter__(self) -> Site:
        self.url = self._listening.__enter__()
        add_user(self.server, "olga", PASSWORD, is_owner=True)
        for name, (title, _) in PEOPLE.items():
            self.add_person(name, title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget_people()
        self._listening.__exit__(None, None, None)
        self.server.close()

    def add_person(self, name: str, title: str) -> int:
        """Add an account and return its number."""
        body = {"name": name, "password": PASSWORD, "display_name": title}
        return int(self.as_person("olga").post("/users", body)["id"])

    def as_person(self, name: str) -> Person:
        """Return somebody signed in."""
        if name not in self._people:
            self._people[name] = Person(self.url, name)
        return self._people[name]

    def new_project(
        self,
        slug: str = "",
        *,
        title: str = "Filling line 4",
        pack: str = "plain",
        mode: str = "blind_first",
        policy: dict[str, Any] | None = None,
    ) -> ProjectOnSite:
        """Make a project in which everybody of PEOPLE has their role."""
        self._num_projects += 1
        slug = slug or f"line-{self._num_projects}"
        olga = self.as_person("olga")
        olga.post("/projects", {"slug": slug, "title": title, "pack": pack, "mode": mode})
        for name, (_, role) in PEOPLE.items():
            olga.post(f"/projects/{slug}/members", {"user": name, "role": role})
        olga.post(f"/projects/{slug}/policy", {"policy": {**POLICY, **(policy or {})}})
        return ProjectOnSite(self, slug)

    def end_logins(self) -> None:
        """Let every login expire."""
        self.server.database.write(lambda session: session.execute(delete(LoginSession)))
        self._forget_people()

    def _forget_people(self) -> None:
        for person in self._people.values():
            person.close()
        self._people.clear()


class ProjectOnSite:
    """One project, driven by its people over HTTP."""

    def __init__(self, site: Site, slug: str) -> None:
        self.site, self.slug = site, slug
        self.domain = str(site.as_person("max").get(f"/projects/{slug}")["domains"][0]["id"])

    def add_footage(self, path: Path) -> int:
        """Upload a file and return the asset's id."""
        with path.open("rb") as file:
            answer = self.site.as_person("max").post(
                f"/projects/{self.slug}/assets", files={"file": file}, data={"licence": "CC0-1.0"}
            )
        return int(answer["id"])

    def add_items(self, asset: int, *entries: dict[str, Any]) -> list[int]:
        """Take in items about an asset; return their ids."""
        plain = {"asset_id": asset, "domain": self.domain, "step": "blind_answer", "question": "What happens?"}
        items = [{**plain, "key": f"key {number}", **entry} for number, entry in enumerate(entries)]
        answer = self.site.as_person("max").post(f"/projects/{self.slug}/items", {"items": items})
        return [item["id"] for item in answer["items"]]

    def item(self, number: int) -> Any:
        """Return an item with its whole history."""
        return self.site.as_person("max").get(f"/projects/{self.slug}/items/{number}")

    def payloads(self, number: int, step: str) -> list[dict[str, Any]]:
        """Return what was submitted for a step of an item, in order."""
        return [row["payload"] for row in self.item(number)["submissions"] if row["step_kind"] == step]

    def take(self, name: str, steps: list[str] | None = None) -> Any:
        """Let somebody ask for work; return the assignment or None."""
        return self.site.as_person(name).post(f"/projects/{self.slug}/next", {"steps": steps})

    def add_member(self, name: str, role: str) -> None:
        """Give somebody a role."""
        self.site.as_person("olga").post(f"/projects/{self.slug}/members", {"user": name, "role": role})

    def pause(self, name: str) -> None:
        """Let somebody get no new work, as the quality engine does."""
        server = self.site.server

        def work(session: Session) -> None:
            number = project_named(session, self.slug).id
            standing = Standing(user_named(session, name).id, "failing", is_better=False)
            set_standing(session, SERVER, number, [standing])

        server.database.write(work)

    def add_expert(self, domain: str) -> None:
        """Let Eli be an expert of a domain."""
        olga = self.site.as_person("olga")
        members = olga.get(f"/projects/{self.slug}/members")["members"]
        (eli,) = [row["user_id"] for row in members if row["user"] == "eli"]
        rows = olga.get(f"/users/{eli}/credentials")["credentials"]
        if domain not in [row["domain"] for row in rows if row["revoked_at"] is None]:
            body = {
                "domain": domain,
                "level": "line lead",
                "evidence_sha256": f"{len(rows):064x}",
                "expires_at": 4_000_000_000_000,
            }
            olga.post(f"/users/{eli}/credentials", body)

    def refit(self) -> Any:
        """Let the quality engine decide."""
        return self.site.as_person("max").post(f"/projects/{self.slug}/refit")

    def do(self, name: str, step: str, payload: dict[str, Any]) -> Any:
        """Let somebody do their next piece of work, which must be `step`; return the answer."""
        person = self.site.as_person(name)
        work = self.take(name, None if step == "compare" else [step])
        assert work is not None, f"no {step} for {name}"
        assert work["step"] == step, work
        if step == "compare":
            person.post(f"/assignments/{work['id']}/reveal", {"fence": work["fence"]})
        asset = person.get(f"/assets/{work['item']['asset_id']}")
        body = {
            "client_op_id": f"00000000-0000-4000-8000-{work['id']:012d}",
            "fence": work["fence"],
            "payload": {"schema_version": 1, **payload},
            "frame_table_hash": asset["frame_table_hash"],
            "guideline_version": work["guideline_version"],
            "active_seconds": 12.5,
        }
        return person.post(f"/assignments/{work['id']}/submissions", body)


def proposal(kind: str, text: str) -> dict[str, Any]:
    """Return a proposal as items bring it."""
    return {"kind": kind, "text": text, "confidence": 0.8, "model": {"name": "demo", "licence": "Apache-2.0"}}


def write_footage(path: Path, num_frames: int = 125, size: tuple[int, int] = (960, 540)) -> Path:
    """Draw a filling line: bottles go by on a belt, one is not full and is pushed off. 25 pictures a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "20", "x264-params": "threads=1"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(num_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw_line(number, size), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def draw_line(number: int, size: tuple[int, int] = (960, 540)) -> NDArray[np.uint8]:
    """Return picture `number` (H, W, 3) of the filling line."""
    width, height = size
    scale = width / 960
    image = Image.new("RGB", (960, 540), "#cfd6dc")
    draw = ImageDraw.Draw(image)
    for row in range(0, 360, 6):
        shade = 214 - row // 9
        draw.rectangle((0, row, 960, row + 6), fill=(shade, shade + 4, shade + 9))
    for x in range(60, 960, 240):
        draw.rectangle((x, 40, x + 120, 180), fill="#b9c4cf", outline="#94a2b0", width=3)
        draw.line((x + 60, 40, x + 60, 180), fill="#94a2b0", width=3)
    draw.rectangle((420, 0, 520, 170), fill="#59636e")
    draw.rectangle((450, 170, 490, 214), fill="#3e464e")
    draw.rectangle((0, 410, 960, 470), fill="#3a4148")
    draw.rectangle((0, 410, 960, 418), fill="#575f68")
    for x in range(-40, 1000, 48):
        shift = (x + number * 6) % 1008 - 24
        draw.ellipse((shift - 13, 430, shift + 13, 456), fill="#6d7680", outline="#2a2f35", width=2)
    for place in range(-4, 6):
        x = place * 170 + number * 6 - 190
        faulty = place == 2
        off = max(0, (x - 690) * 4) if faulty else 0
        if faulty:
            x = min(x, 705)
        if -80 < x < 1040 and off < 320:
            _draw_bottle(draw, x, off, 0.42 if faulty else 0.86 if x > 470 else max(0.12, min(0.86, (x - 300) / 200)))
    pushed = (340 + number * 6 - 190 - 690) * 4
    push = max(0, pushed if pushed < 150 else 300 - pushed) - 60
    draw.rectangle((705, 264 + push, 775, 296 + push), fill="#c2542d", outline="#8c3a1d", width=3)
    draw.rectangle((731, 150, 749, 266 + push), fill="#878f98")
    resized = image.resize((width, height), Image.Resampling.LANCZOS) if scale != 1 else image
    return np.asarray(resized)


def _draw_bottle(draw: ImageDraw.ImageDraw, x: float, y: float, level: float) -> None:
    top, bottom = 252 + y, 408 + y
    surface = bottom - 4 - (bottom - top - 44) * level
    draw.rounded_rectangle((x, top + 34, x + 70, bottom), 14, fill="#e9f1f4", outline="#5d7482", width=3)
    draw.rectangle((x + 24, top, x + 46, top + 40), fill="#e9f1f4", outline="#5d7482", width=3)
    draw.rounded_rectangle((x + 4, surface, x + 66, bottom - 4), 10, fill="#d99a2b")
    draw.rectangle((x + 6, top + 86, x + 64, top + 122), fill="#f7f7f2", outline="#9aa4a8")
