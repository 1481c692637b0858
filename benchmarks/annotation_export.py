"""What exporting a release takes in memory and time as it grows tenfold; media are few and small.

    python benchmarks/annotation_export.py [--rows 2000] [--source rows|database] [--json]

Two fresh processes export N and 10 N rows about the same forty clips of 24 pictures (all formats, a tenth held out, the
round trip included) and say their peak memory. The peer of the larger is the smaller: their ratio is 1 where rows
stream. The test grows with the release and is held by the audit, so it is not quite 1. Generating the rows is counted.

From a database: N finished items with two answers each are put into a server's tables by another process; counted are
drawing up the release and exporting it. Moving the items at its publication is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
from sqlalchemy import insert

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.export.export import export_release
from perceptlm.annotate.export.exported_media import file_digest
from perceptlm.annotate.export.from_release import export_from_release, find_release
from perceptlm.annotate.export.released import ExportSettings, Lineage, ReleasedAsset, ReleasedItem
from perceptlm.annotate.fgqa.groups import binary_group
from perceptlm.annotate.frames.identity import identify
from perceptlm.annotate.services import releases
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.projects import create_project
from perceptlm.annotate.services.server import open_server
from perceptlm.annotate.services.users import create_user
from perceptlm.annotate.store.audit import SERVER, Actor
from perceptlm.annotate.store.tables import (
    Asset,
    Assignment,
    FrameTableRow,
    Item,
    Proposal,
    Release,
    Step,
    Submission,
)
from perceptlm.media.write_video import write_video

TARGET = 1.25
TIMES = 10
NUM_CLIPS = 40
BLOCK = 2000
MODEL = {"name": "Qwen2.5-7B-Instruct", "revision": "a" * 40, "licence": "Apache-2.0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the smaller release")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--source", choices=("rows", "database"), default="rows", help="where rows come from")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--filled", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fill is not None:
        fill(arguments.fill, arguments.rows)
        return
    if arguments.alone:
        filled = arguments.filled
        print(json.dumps(measure(arguments.rows) if filled is None else measure_database(filled)))
        return
    small, large = (in_a_process(number, arguments.source) for number in (arguments.rows, arguments.rows * TIMES))
    ratio = large["peak_mib"] / small["peak_mib"]
    found = {
        "source": arguments.source,
        "small": small,
        "large": large,
        "ratio": ratio,
        "target": TARGET,
        "met": ratio <= TARGET,
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for line in (small, large):
        print(
            f"{line['rows']:>8} rows  {line['peak_mib']:7.1f} MiB  {line['rows'] / line['seconds']:6.0f} rows a second"
        )
    print(f"memory, {TIMES} times the rows: {ratio:.2f} (target {TARGET}) {'met' if found['met'] else 'MISSED'}")


def in_a_process(num_rows: int, source: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--rows", str(num_rows)]

    def measured(*more: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(subprocess.run([*command, "--alone", *more], stdout=PIPE, check=True).stdout)
        return found

    if source == "rows":
        return measured()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, "--fill", folder], check=True)
        return measured("--filled", folder)


def measure(num_rows: int) -> dict[str, Any]:
    """Export so many rows; return seconds and the peak memory of this process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder) / "media"
        media.mkdir()
        assets = [write_clip(media, number) for number in range(NUM_CLIPS)]
        start = time.perf_counter()
        counts = export_release(rows(num_rows, assets), media, Path(folder) / "out", ExportSettings())
        seconds = time.perf_counter() - start
    return {"rows": counts.num_rows, "seconds": seconds, "peak_mib": peak_mib()}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_database(folder: Path) -> dict[str, Any]:
    """Draw up a release of all finished items, and export it; return rows, seconds and peak memory."""
    server = open_server(DataDirectory.open(folder / "data"))
    start = time.perf_counter()
    number = releases.draw_up(server, Caller(1), 1, "measured")["id"]

    def publish(session: Any) -> None:
        session.get_one(Release, number).state = releases.PUBLISHED

    server.database.write(publish)
    drawn = time.perf_counter() - start
    counts = export_from_release(server, find_release(server.database, "p"), folder / "out", ExportSettings())
    seconds = time.perf_counter() - start
    server.close()
    return {"rows": counts.num_rows, "seconds": seconds, "draw_up_seconds": drawn, "peak_mib": peak_mib()}


def fill(folder: Path, num_items: int) -> None:
    """Make a server's directory with a project of finished items, each with two equal answers and two distractors."""
    server = open_server(DataDirectory.create(folder / "data"))
    (folder / "clips").mkdir()
    clips = [write_clip(folder / "clips", number) for number in range(NUM_CLIPS)]

    def begin(session: Any) -> list[int]:
        owner = create_user(session, SERVER, "own", "-", is_owner=True)
        for name in ("ann", "bob"):
            create_user(session, SERVER, name, "-")
        project = create_project(session, Actor.user(owner.id), "p", "p", "plain", "blind_first")
        ids = []
        for clip in clips:
            if session.get(FrameTableRow, clip.frame_table_hash) is None:
                session.add(FrameTableRow(hash=clip.frame_table_hash, body={}))
                session.flush()
            asset = Asset(project_id=project.id, sha256=clip.sha256, suffix="vid", kind="video", width=64, height=48,
                          num_frames=24, duration_seconds=1.0, frame_table_hash=clip.frame_table_hash,
                          licence="CC-BY-4.0", created_at=0)  # fmt: skip
            session.add(asset)
            session.flush()
            ids.append(asset.id)
            shutil.copy(folder / "clips" / clip.path, server.directory.media_file(clip.sha256, "vid"))
        return ids

    assets = server.database.write(begin)
    for first in range(0, num_items, BLOCK):
        numbers = range(first, min(first + BLOCK, num_items))
        tables: dict[Any, list[dict[str, Any]]] = {
            Item: [], Proposal: [], Step: [], Assignment: [], Submission: []
        }  # fmt: skip
        for number in numbers:
            asset = number * len(assets) // num_items
            for table, rows_of in item_rows(number + 1, assets[asset], clips[asset]).items():
                tables[table] += rows_of

        def put(session: Any, tables: dict[Any, list[dict[str, Any]]] = tables) -> None:
            for table, found in tables.items():
                session.execute(insert(table), found)

        server.database.write(put)
    server.close()


def item_rows(number: int, asset_id: int, clip: ReleasedAsset) -> dict[Any, list[dict[str, Any]]]:
    """Return what the tables hold of one finished item of the first project."""
    question, answer, wrong = f"Which way does thing {number} go?", "To the left.", ("To the right.", "Up.")
    pairs = binary_group(str(number), question, answer, wrong)
    ids = [2 * number - 1, 2 * number]
    payload = {"schema_version": 1, "answer": answer, "evidence": {"start": 3, "end": 19}, "boxes": [], "note": ""}
    derived = {
        "question": question, "answer": answer, "answer_from": ids[0], "dissenting": 0, "adjudicated": False,
        "evidence": payload["evidence"], "boxes": [], "groups": [pair.to_dict() for pair in pairs],
        "distractors": dict.fromkeys(map(str, ids), "certainly_false"),
    }  # fmt: skip
    of_item: dict[str, Any] = {"item_id": number, "created_at": 0}
    of_work = {**of_item, "project_id": 1, "step_id": number, "guideline_version": 1, "policy_version": 1}
    people = list(zip(ids, (2, 3), strict=True))
    return {
        Item: [{"id": number, "project_id": 1, "asset_id": asset_id, "key": str(number), "domain": "general",
                "question": question, "first_step": "blind_answer", "priority": 0, "needs_credential": False,
                "state": "accepted", "is_repeated": False, "needs": [], "derived": derived, "round": 0,
                "row_version": 1, "request_sha256": "", "created_at": 0, "updated_at": 0}],
        Proposal: [{**of_item, "id": id, "kind": "distractor", "text": text, "model": MODEL}
                   for id, text in zip(ids, wrong, strict=True)],
        Step: [{**of_item, "id": number, "project_id": 1, "kind": "blind_answer", "work": "blind_answer::", "round": 0,
                "home_lane": "blind_answer", "priority": 0, "position": number, "num_slots": 2, "num_taken": 2,
                "num_submitted": 2, "state": "closed"}],
        Assignment: [{**of_work, "id": id, "slot": user - 2, "work": "blind_answer::", "user_id": user,
                      "role": "annotator", "state": "submitted", "fence": id, "lease_until": 0}
                     for id, user in people],
        Submission: [{**of_work, "id": id, "assignment_id": id, "user_id": user, "step_kind": "blind_answer",
                      "ordinal": 0, "client_op_id": str(id), "payload": payload, "active_seconds": 1.0,
                      "payload_sha256": hashlib.sha256(str(id).encode()).hexdigest(),
                      "frame_table_hash": clip.frame_table_hash} for id, user in people],
    }  # fmt: skip


def write_clip(folder: Path, number: int) -> ReleasedAsset:
    frames = np.full((24, 48, 64, 3), 40 + number * 4, np.uint8)
    path = folder / f"{number}.mp4"
    write_video(path, frames, 24)
    return ReleasedAsset(path=path.name, sha256=file_digest(path), frame_table_hash=identify(path).frame_table_hash)


def rows(num_rows: int, assets: list[ReleasedAsset]) -> Iterator[ReleasedItem]:
    lineage = Lineage(submissions=("1", "2"), guideline="g1", policy="p1", num_annotators=2, posterior=0.97)
    for number in range(num_rows):
        yield ReleasedItem.model_validate(
            {
                "id": str(number), "key": str(number), "asset": assets[number * len(assets) // num_rows],
                "domain": "cooking", "question": f"Which way does thing {number} go?", "answer": "To the left.",
                "distractors": [{"text": "To the right."}, {"text": "Up."}], "evidence": {"start": 3, "end": 19},
                "lineage": lineage, "licence": "CC-BY-4.0", "author": "annotator-1",
            }
        )  # fmt: skip


if __name__ == "__main__":
    main()
