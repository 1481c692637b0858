"""benchmarks/annotation_load.py drives this project's server, and reads back what was acknowledged."""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_people_work_and_nothing_acknowledged_is_lost(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    specification = importlib.util.spec_from_file_location("annotation_load", FOLDER / "annotation_load.py")
    script = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "annotation_load", script)  # its dataclasses look themselves up
    specification.loader.exec_module(script)
    monkeypatch.setattr(script, "SECONDS_BETWEEN", 0.1)
    monkeypatch.setattr(sys, "argv", ["annotation_load.py", "--minutes", "0.02", "--people", "3"])
    assert script.main() == 0
    said = capsys.readouterr().out
    assert "nothing lost: met" in said
    assert "no 5xx: met" in said
