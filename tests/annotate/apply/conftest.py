"""A project on awkward videos, worked through by people over HTTP, released by two of them, and its export."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from annotation_service import FAST, PASSWORD, Person, Service, usual_payload
from filled_databases import make_filled
from frame_corpus import CASES, CorpusVideo, make

from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.export.benchmark import is_held_out
from perceptlm.annotate.export.export import ExportCounts
from perceptlm.annotate.export.from_release import export_from_release, find_release, released_items
from perceptlm.annotate.export.released import ExportSettings
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.projects import project_named, set_member
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.services.users import create_user, hashed
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.database import Database

NAMES = ("cfr-25.mp4", "vfr-dropped-ticks.mkv", "edit-list.mp4")
MODEL = {"name": "Qwen2.5-7B-Instruct", "revision": "a" * 40, "licence": "Apache-2.0"}
ANSWER = "The bars turn white from the left."
MERGED = "Bar by bar turns white from the left."
BOX = [4.0, 5.0, 20.0, 30.0]


@dataclass
class Applied:
    """The service after the work, its videos by digest, and the export of release 1."""

    service: Service
    videos: dict[str, CorpusVideo]
    out: Path
    settings: ExportSettings
    counts: ExportCounts
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """Three videos, each with a free answer and a choice; of the choices, the audit changes one and takes one out. The
    held-out test is the last video."""
    folder = tmp_path_factory.mktemp("applied")
    (folder / "videos").mkdir()
    videos = [make(folder / "videos", case) for case in CASES if case.name in NAMES]
    directory, clock = DataDirectory.create(folder / "data"), ManualClock()
    make_filled(directory.database_url)
    database = Database(directory.database_url, clock)
    service = Service(Server(directory, database, FAST, directory.secret()), clock, directory)
    _people(service)
    hashes = {asset["id"]: asset["frame_table_hash"] for asset in (_upload(service, video) for video in videos)}
    _items(service, list(hashes))
    _work(service, hashes)
    man, sue = service.person("man"), service.person("sue")
    drawn = man.post("/api/v1/projects/p/releases", json={"purpose": "training"}).json()
    assert sue.post(f"/api/v1/releases/{drawn['id']}/approve").json()["state"] == "published"
    found = find_release(database, "p")
    rows = list(released_items(database, found))
    wanted = [row.key in ("f2", "c2") for row in rows]
    seed = next(seed for seed in range(99) if [is_held_out(row, 0.4, seed) for row in rows] == wanted)
    settings = ExportSettings(held_out=0.4, seed=seed)
    counts = export_from_release(service.server, found, folder / "out", settings)
    by_digest = {hashlib.sha256(video.path.read_bytes()).hexdigest(): video for video in videos}
    yield Applied(service, by_digest, folder / "out", settings, counts, drawn["manifest"])
    service.close()


def _people(service: Service) -> None:
    """Add two annotators, and the expert's credential."""

    def work(session: Any) -> None:
        for name in ("dan", "eve"):
            service.user_ids[name] = create_user(session, SERVER, name, hashed(PASSWORD, name, FAST)).id
            set_member(session, Caller(service.user_ids["own"]), project_named(session, "p"), name, "annotator")

    service.database.write(work)
    body = {"domain": "general", "level": "md", "evidence_sha256": "a" * 64,
            "expires_at": service.clock.now_ms() + 10**9}  # fmt: skip
    made = service.person("own").post(f"/api/v1/users/{service.user_ids['exp']}/credentials", json=body)
    assert made.status_code == 201, made.text


def _upload(service: Service, video: CorpusVideo) -> dict[str, Any]:
    files = {"file": (video.name, video.path.read_bytes(), "application/octet-stream")}
    answer = service.person("man").post("/api/v1/projects/p/assets", files=files, data={"licence": "CC-BY-4.0"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def _items(service: Service, assets: list[int]) -> None:
    """Add items f0 to f2 and c0 to c2; f0, c0 and c1 are of the audit."""
    for number, asset in enumerate(assets):
        texts = ("The bars stay black.", "The bars turn red.", "The bars blink.")
        proposals = [{"kind": "answer", "text": ANSWER, "confidence": 0.9, "model": MODEL}]
        proposals += [{"kind": "distractor", "text": text, "model": MODEL} for text in texts]
        free = service.fgqa(f"f{number}", asset_id=asset, question="What do the bars do?", proposals=proposals)
        options = ["two", "sixteen", "none"]
        choice = service.choice(f"c{number}", asset_id=asset, question="How many bars are there?", options=options)
        for entry, audited in ((free, number == 0), (choice, number < 2)):
            service.policy(audit_share=float(audited), ceiling_share=1)
            service.add_items(entry)


def _work(service: Service, hashes: dict[int, str]) -> None:
    while _turn(service, hashes, ("ann", "bob", "ver", "exp")) or service.refit()["decisions"]:
        pass
    while _turn(service, hashes, ("cat", "dan", "eve")):
        pass
    states = {item["key"]: item["state"] for item in _all_items(service)}
    assert states == {**dict.fromkeys(["f0", "f1", "f2", "c0", "c2"], "accepted"), "c1": "discarded"}


def _all_items(service: Service) -> list[dict[str, Any]]:
    return service.person("man").get("/api/v1/projects/p/items").json()["items"]


def _turn(service: Service, hashes: dict[int, str], names: tuple[str, ...]) -> int:
    """Let each person do one piece of work; return how many did."""
    keys = {item["id"]: item["key"] for item in _all_items(service)}
    done = 0
    for name in names:
        person = service.person(name)
        assignment = person.next()
        if assignment is None:
            continue
        item = assignment["item"]
        payload = _payload(person, assignment, keys[item["id"]])
        answer = person.submit(assignment, payload, frame_table_hash=hashes[item["asset_id"]])
        assert answer.status_code == 201, (assignment["step"], answer.text)
        done += 1
    return done


def _payload(person: Person, assignment: dict[str, Any], key: str) -> dict[str, Any]:
    payload, step, item = usual_payload(assignment), assignment["step"], assignment["item"]
    late = person.name == "bob"
    if step == "blind_answer":
        boxes = [{"frame": 4, "box": BOX}] if late else []
        return {"answer": MERGED if late else ANSWER, "evidence": {"start": 2 + late, "end": 9 + late}, "boxes": boxes}
    if step == "compare" and key == "f2":
        return payload | {"merged": MERGED}
    if step == "choice":
        return payload | {"evidence": {"start": 1, "end": 5}}
    if step == "distractor" and (key, item["distractor"]["text"]) == ("f1", "The bars blink."):
        return payload | {"verdict": "could_be_true"}
    if step == "ceiling":
        right = next(place for place, option in enumerate(item["options"]) if option in (ANSWER, MERGED))
        return {"choice": 1 - right if (key, person.name) == ("f2", "dan") else right}
    if step == "expert":
        told = {"rationale": "It can be seen.", "reason": "other"}
        ruled = {"f0": {"answer": ANSWER}, "c0": {"choice": 2}, "c1": {"verdict": "invalid"}}
        return told | ruled[key]
    return payload
