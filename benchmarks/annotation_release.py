"""How long a release of many items holds back whoever saves: `benchmarks/annotation_release.py [--rows 100000]`.

A person saves a draft every 20 ms while a release of N items (SQLite, two answers each) is drawn up, published, and
superseded. The peer is drawing the same rows up in one transaction, in the same run. The goal: no save waits longer
than half a second. Publishing moves a share of the items (`--moved`), the others were released before; superseding
moves all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from annotation_export import fill
from sqlalchemy import update

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services import release_drawing, releases
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.drafts import newest_draft, save_draft
from perceptlm.annotate.services.projects import project_of
from perceptlm.annotate.services.server import Server, open_server
from perceptlm.annotate.store.tables import Assignment, Item, Release

TARGET_SECONDS = 0.5
EVERY_SECONDS = 0.02
OWNER, ANN = 1, 2


def main() -> None:
    """Run and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--moved", type=float, default=0.01, help="share of the items that publishing moves")
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill is not None:
        fill(options.fill, options.rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--rows", str(options.rows), "--fill", folder]
        subprocess.run(command, check=True)
        server = open_server(DataDirectory.open(Path(folder) / "data"))
        prepare(server, int(options.rows * options.moved))
        found = {
            "nothing": watched(server, lambda: time.sleep(2)),
            "drawn up in one transaction": watched(server, lambda: draw_at_once(server)),
        }
        drawn: dict[str, Any] = {}
        found["drawn up"] = watched(server, lambda: drawn.update(releases.draw_up(server, Caller(OWNER), 1, "x")))
        number = drawn["id"]
        found["published"] = watched(server, lambda: releases.approve(server, Caller(ANN), number))
        found["superseded"] = watched(server, lambda: releases.supersede(server, Caller(OWNER), number, "x"))
        server.close()
    longest = max(found[name]["longest_ms"] for name in ("drawn up", "published", "superseded"))
    result = {
        "rows": drawn["num_rows"],
        "saves_while": found,
        "target": f"no save longer than {TARGET_SECONDS * 1000:.0f} ms",
        "met": longest <= TARGET_SECONDS * 1000,
    }
    print(json.dumps(result, indent=2))


def prepare(server: Server, num_moved: int) -> None:
    """Let one assignment be open for drafts, and all items but so many stand as if released before."""

    def work(session: Any) -> None:
        session.execute(update(Assignment).where(Assignment.id == 1).values(state="leased", lease_until=2**50))
        session.execute(update(Item).where(Item.id > num_moved).values(state="released"))

    server.database.write(work)


def draw_at_once(server: Server) -> None:
    """Write the same rows as `release_drawing` does, all in one transaction."""
    with server.database.session(writes=True) as session:
        number = release_drawing.begin(session, project_of(session, 1), OWNER, "at once")
        while (found := release_drawing._next_rows(session, number, server.secret))[0]:
            release_drawing._keep(session, number, *found)
            session.expunge_all()
        session.get_one(Release, number).state = "measured"


def watched(server: Server, work: Callable[[], Any]) -> dict[str, float]:
    """Do `work` while a person saves drafts; return how long it took and how long the saves did."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    caller, seconds = Caller(ANN), []
    begun = time.perf_counter()
    thread.start()
    while thread.is_alive():
        start = time.perf_counter()
        server.database.write(lambda session: save(session, caller))
        seconds.append(time.perf_counter() - start)
        time.sleep(EVERY_SECONDS)
    thread.join()
    if failed:
        raise failed[0]
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "num_saves": len(seconds),
        "p95_ms": round(float(np.quantile(seconds, 0.95)) * 1000, 1),
        "longest_ms": round(max(seconds) * 1000, 1),
    }


def save(session: Any, caller: Caller) -> None:
    newest = newest_draft(session, 1)
    rev = 0 if newest is None or newest.rev is None else newest.rev
    save_draft(session, caller, 1, rev, {"answer": f"save {rev}"})


if __name__ == "__main__":
    main()
