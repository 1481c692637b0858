"""What exporting a release takes in memory and time as it grows tenfold; media are few and small.

    python benchmarks/annotation_export.py [--rows 2000] [--json]

Two fresh processes export N and 10 N rows about the same forty clips of 24 pictures (all formats, a tenth held out, the
round trip included) and say their peak memory. The peer of the larger is the smaller: their ratio is 1 where rows
stream. The test grows with the release and is held by the audit, so it is not quite 1. Generating the rows is counted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perceptlm.annotate.export.export import export_release
from perceptlm.annotate.export.exported_media import file_digest
from perceptlm.annotate.export.released import ExportSettings, Lineage, ReleasedAsset, ReleasedItem
from perceptlm.annotate.frames.identity import identify
from perceptlm.media.write_video import write_video

TARGET = 1.25
TIMES = 10
NUM_CLIPS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the smaller release")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(measure(arguments.rows)))
        return
    small, large = (in_a_process(number) for number in (arguments.rows, arguments.rows * TIMES))
    ratio = large["peak_mib"] / small["peak_mib"]
    found = {"small": small, "large": large, "ratio": ratio, "target": TARGET, "met": ratio <= TARGET}
    if arguments.json:
        print(json.dumps(found))
        return
    for line in (small, large):
        print(
            f"{line['rows']:>8} rows  {line['peak_mib']:7.1f} MiB  {line['rows'] / line['seconds']:6.0f} rows a second"
        )
    print(f"memory, {TIMES} times the rows: {ratio:.2f} (target {TARGET}) {'met' if found['met'] else 'MISSED'}")


def in_a_process(num_rows: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--rows", str(num_rows), "--alone"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def measure(num_rows: int) -> dict[str, Any]:
    """Export so many rows; return seconds and the peak memory of this process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder) / "media"
        media.mkdir()
        assets = [write_clip(media, number) for number in range(NUM_CLIPS)]
        start = time.perf_counter()
        counts = export_release(rows(num_rows, assets), media, Path(folder) / "out", ExportSettings())
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": counts.num_rows, "seconds": seconds, "peak_mib": peak}


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
