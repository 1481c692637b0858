"""benchmarks/annotation_quality.py runs, and judges what it measures."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "annotation_quality.py"


def test_every_target_is_judged():
    command = [sys.executable, SCRIPT, "--seeds", "1", "--items", "60", "--workers", "1", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(found["targets"]) == 9
    lost = next(line for line in found["targets"] if line["name"].startswith("blind first"))
    assert lost["met"]
    assert found["cases"]["value, true strata"]["accuracy"]["mean"] > 0.8
    # Thirty gold items of everybody on 60 items: fifteen labels an item.
    cost = next(line for line in found["targets"] if line["name"] == "cost per item")
    assert cost["value"] > 15
    assert not cost["met"]
