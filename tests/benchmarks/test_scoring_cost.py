"""benchmarks/scoring_cost.py scores rows of the released shape from cached replies, and asks its peer to be there."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "scoring_cost.py"


@pytest.fixture
def script(monkeypatch):
    specification = importlib.util.spec_from_file_location("scoring_cost", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "scoring_cost", module)  # where its data classes look for their names
    specification.loader.exec_module(module)
    return module


def test_steps_and_ratios_are_measured(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "read_with_datasets", lambda paths, cache: ("a peer", 0.5))
    found = script.measure(tmp_path, 0.002, 1)
    assert found["num_rows"] == 25
    assert found["num_calls"] > 25
    assert 0 < found["seconds_without_statistics_and_writing"] < found["seconds"][0]
    assert sum(found["steps"].values()) < found["seconds"][0]
    assert found["ratio"] == pytest.approx(found["seconds"][0] / 0.75)
    script.say(found | {"ratio": 0.04, "ratio_per_call": 0.06})
    shown = capsys.readouterr().out
    assert "10 ms a row: 0.0400 (target below 0.05: met)" in shown
    assert "10 ms a judge call: 0.0600 (target below 0.05: MISSED)" in shown


def test_a_reply_that_is_not_cached_ends_the_run(script, tmp_path):
    material = script.make_material(tmp_path, 0.001)
    with pytest.raises(script.ClientError, match="should have been in the cache"):
        script.score(material, tmp_path / "out", tmp_path / "cache", script.ScriptedJudge(is_away=True))


def test_without_its_peer_it_says_what_to_install(script, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SystemExit, match="pip install datasets"):
        script.read_with_datasets([], tmp_path)
