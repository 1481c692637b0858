"""benchmarks/packing.py runs, and packing does what it is for."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "packing.py"


def test_packed_batches_hold_fewer_unused_positions_than_every_peer():
    command = [sys.executable, SCRIPT, "--size", "plm_1b", "--stage", "sft", "--steps", "1", "--ranks", "8", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (stage,) = found["stages"]
    assert stage["first_fit"]["same"]
    assert stage["full_rows"]["1"] <= stage["full_rows_at_most"]
    plans = {line["plan"]: line for line in stage["plans"]}
    packed = plans.pop("packed")
    assert packed["useful"] > 0.97
    assert 1 <= packed["least"] <= packed["per_step"] <= packed["per_batch"] < 1.05
    peers = [line for name, line in plans.items() if not name.startswith("packed")]
    assert len(peers) == 3
    assert all(packed["useful"] > line["useful"] and packed["per_batch"] < line["per_batch"] for line in peers)
