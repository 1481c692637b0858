"""The benchmark of the queue runs, and finds what it says: leases in a small and in a larger project."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "annotation_queue.py"


def test_it_prints_a_ratio_with_its_target(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("annotation_queue", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["annotation_queue", "--items", "60", "--small", "40", "--leases", "12"])
    module.main()
    found = json.loads(capsys.readouterr().out)
    assert found["leases_timed"] == 6
    assert found["ratio_p95"] > 0
    assert isinstance(found["met"], bool)
