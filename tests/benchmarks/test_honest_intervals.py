"""benchmarks/honest_intervals.py runs, and judges what it measures."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "honest_intervals.py"


def test_coverage_and_false_positives_are_measured():
    command = [sys.executable, SCRIPT, "--num", "20", "--workers", "1", "--only", "average", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (line,) = found["shapes"]
    assert line["has_target"]
    assert 0.6 <= line["coverage"] <= 1
    assert line["false_positives"] <= 0.3
    assert 0.03 < line["mean_width"] < 0.2


def test_the_table_says_what_was_met():
    command = [sys.executable, SCRIPT, "--num", "8", "--workers", "2", "--only", "small: quarters"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in shown.splitlines() if line.startswith("small"))
    # Of eight benchmarks no share lies between 94 and 96 %, or between 4 and 6 %.
    assert line.count("MISSED") == 2
