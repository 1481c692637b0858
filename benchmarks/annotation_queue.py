"""Is the next item found as fast among a million as among ten thousand? `benchmarks/annotation_queue.py [--items N]`

Two projects in one database, one large, one small, in one run: SQLite, or with `--database-url` an empty database of
PostgreSQL. Three people have submitted on every item already; two more work in each project in turn, so that both have
a long way behind them: the second half of their leases is timed. The goal: p95 of a lease in the large project at most
3 times that in the small one. Items and earlier work are put into the tables directly, as taking them in is not what
is measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, text

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.leases import next_assignment
from perceptlm.annotate.services.projects import create_project, project_named, set_member
from perceptlm.annotate.services.server import Server, open_server
from perceptlm.annotate.services.users import create_user
from perceptlm.annotate.store.audit import SERVER, Actor
from perceptlm.annotate.store.tables import (
    Asset,
    Assignment,
    FrameTableRow,
    Item,
    QueueLevel,
    Step,
    Submission,
)

TARGET = 3.0
BLOCK = 10_000


def fill(server: Server, slug: str, num_items: int, owner: Actor, earlier: Sequence[int]) -> None:
    """Make a project of `num_items` open choices: `earlier` people have answered each, two more are wanted."""

    def begin(session: Any) -> tuple[int, int]:
        project = create_project(session, owner, slug, slug, "plain", "blind_first")
        for name in ("ann", "bob"):
            set_member(session, Caller(owner.user_id), project, name, "annotator")
        if session.get(FrameTableRow, "f" * 64) is None:
            session.add(FrameTableRow(hash="f" * 64, body={}))
            session.flush()
        asset = Asset(
            project_id=project.id, sha256="a" * 64, suffix="vid", kind="video", width=4, height=4, num_frames=1,
            duration_seconds=1.0, frame_table_hash="f" * 64, licence="CC0-1.0", created_at=0,
        )  # fmt: skip
        session.add(asset)
        session.add(QueueLevel(project_id=project.id, lane="choice", priority=0))
        session.flush()
        return project.id, asset.id

    project_id, asset_id = server.database.write(begin)
    first = project_id * 10_000_000
    for start in range(0, num_items, BLOCK):
        numbers = range(first + start, first + min(start + BLOCK, num_items))
        items = [
            {"id": n, "project_id": project_id, "asset_id": asset_id, "key": str(n), "domain": "general",
             "question": "Which?", "options": ["a", "b"], "first_step": "choice", "priority": 0,
             "needs_credential": False, "state": "open", "is_repeated": False, "needs": [], "derived": {}, "round": 0,
             "row_version": 0, "request_sha256": "", "created_at": 0, "updated_at": 0}
            for n in numbers
        ]  # fmt: skip
        steps = [
            {"id": n, "project_id": project_id, "item_id": n, "kind": "choice", "work": "choice::", "round": 0,
             "home_lane": "choice", "lane": "choice", "priority": 0, "position": n - first + 1,
             "num_slots": 2 + len(earlier), "num_taken": len(earlier), "num_submitted": len(earlier),
             "state": "open", "created_at": 0}
            for n in numbers
        ]  # fmt: skip

        work = [
            {"project_id": project_id, "item_id": n, "step_id": n, "user_id": user, "guideline_version": 1,
             "policy_version": 1, "created_at": 0, "number": n * len(earlier) + slot, "slot": slot}
            for n in numbers
            for slot, user in enumerate(earlier)
        ]  # fmt: skip
        rows = {Item: items, Step: steps, Assignment: [*map(_lease, work)], Submission: [*map(_submission, work)]}

        def put(session: Any, rows: dict[Any, list[Any]] = rows) -> None:
            for table, new in rows.items():
                if new:
                    session.execute(insert(table), new)

        server.database.write(put)


def _lease(work: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in work.items() if name != "number"}
    more = {"work": "choice::", "role": "annotator", "state": "submitted", "fence": 1, "lease_until": 0}
    return {**kept, **more, "id": work["number"]}


def _submission(work: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in work.items() if name not in ("number", "slot")}
    return {
        **kept, "id": work["number"], "assignment_id": work["number"], "step_kind": "choice", "ordinal": 0,
        "client_op_id": str(work["number"]), "payload": {"schema_version": 1, "choice": work["number"] % 2},
        "payload_sha256": "", "frame_table_hash": "f" * 64, "active_seconds": 9.0,
    }  # fmt: skip


def lease(server: Server, slug: str, user_id: int) -> float:
    """Lease the next item, end the lease as if submitted, and return the seconds of the lease."""
    caller = Caller(user_id, role=Role.ANNOTATOR)
    start = time.perf_counter()
    found = server.database.write(lambda s: next_assignment(s, caller, project_named(s, slug), ["choice"], 30_000))
    seconds = time.perf_counter() - start
    assert found is not None
    found[0].state = "submitted"
    server.database.write(lambda s: s.merge(found[0]))
    return seconds


def main() -> None:
    """Run and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--submissions", type=int, default=3, help="of other people on each item")
    parser.add_argument("--leases", type=int, default=600)
    parser.add_argument("--database-url", help="an empty database that is filled; without it SQLite in a folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = open_server(DataDirectory.create(Path(folder) / "data"), database_url=options.database_url)
        ids = {
            name: server.database.write(
                lambda s, name=name: create_user(s, SERVER, name, "-", is_owner=name == "own").id
            )
            for name in ("own", "ann", "bob", *(f"earlier-{number}" for number in range(options.submissions)))
        }
        owner, earlier = Actor.user(ids["own"]), [number for name, number in ids.items() if name.startswith("earlier")]
        fill(server, "small", options.small, owner, earlier)
        fill(server, "large", options.items, owner, earlier)
        if not server.database.is_sqlite:
            # Its autovacuum does so by itself some time after so many rows were put in.
            server.database.write(lambda s: s.execute(text("ANALYZE")))
        seconds: dict[str, list[float]] = {"small": [], "large": []}
        for number in range(options.leases):
            # Ann works ahead alone; Bob follows on what she left half done: the case that a plain query scans.
            name = "ann" if number < options.leases // 2 else ("bob" if number % 2 else "ann")
            for slug in ("small", "large"):
                seconds[slug].append(lease(server, slug, ids[name]))
        server.close()
    half = options.leases // 2
    p95 = {slug: float(np.quantile(times[half:], 0.95)) * 1000 for slug, times in seconds.items()}
    p50 = {slug: float(np.quantile(times[half:], 0.5)) * 1000 for slug, times in seconds.items()}
    ratio = p95["large"] / p95["small"]
    result = {
        "items": {"small": options.small, "large": options.items},
        "submissions": {"small": options.small * options.submissions, "large": options.items * options.submissions},
        "leases_timed": options.leases - half,
        "p50_ms": {slug: round(value, 2) for slug, value in p50.items()},
        "p95_ms": {slug: round(value, 2) for slug, value in p95.items()},
        "ratio_p95": round(ratio, 2),
        "target": f"at most {TARGET}",
        "met": ratio <= TARGET,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
