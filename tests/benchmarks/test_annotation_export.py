"""benchmarks/annotation_export.py runs at a small size and judges what it measures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "annotation_export.py"


@pytest.mark.parametrize("source", ["rows", pytest.param("database", marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_rows(source):
    command = [sys.executable, SCRIPT, "--rows", "60", "--source", source, "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (found["small"]["rows"], found["large"]["rows"]) == (60, 600)
    assert found["met"] == (found["ratio"] <= found["target"])
    assert found["ratio"] < 1.5
