"""The benchmark of releases runs, and says how long saves waited while each of its steps was done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "annotation_release.py"


@pytest.mark.slow
def test_it_says_how_long_saves_waited():
    done = subprocess.run([sys.executable, SCRIPT, "--rows", "150"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["rows"] == 150
    assert set(found["saves_while"]) >= {"drawn up", "drawn up in one transaction", "published", "superseded"}
    assert isinstance(found["met"], bool)
