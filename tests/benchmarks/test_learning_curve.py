"""benchmarks/learning_curve.py: every checkpoint in order, scored on validation, and the demo left as it was."""

import importlib.util
import json
from pathlib import Path

import pytest

from perceptlm.artifact import read_manifest, verify
from perceptlm.exchange.jsonl import read_lines
from perceptlm.recipes.demo import smoke
from perceptlm.train.trainer import SNAPSHOT_FOLDER

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "learning_curve.py"


@pytest.fixture(scope="module")
def curve():
    spec = importlib.util.spec_from_file_location("learning_curve", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look themselves up there.
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_checkpoints_in_the_order_of_training_with_what_they_saw(curve, tmp_path):
    pictures = {"warmup": [4, 4, 4], "midtrain": [10, 10], "sft": [7]}
    for name, seen in pictures.items():
        (tmp_path / name).mkdir()
        lines = [json.dumps({"step": step, "num_pictures": count}) for step, count in enumerate(seen)]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    for step in ("2", "00000001", "unfinished"):
        (tmp_path / "midtrain" / SNAPSHOT_FOLDER / step).mkdir(parents=True)
    found = curve.find_checkpoints(tmp_path, smoke())
    assert [(item.name, item.step, item.num_pictures) for item in found] == [
        ("warmup", 3, 12),
        ("midtrain-1", 4, 22),
        ("midtrain-2", 5, 32),
        ("midtrain", 5, 32),
        ("sft", 6, 39),
    ]
    assert found[1].directory == tmp_path / "midtrain" / SNAPSHOT_FOLDER / "00000001"


def test_dry_run_names_the_checkpoints_and_writes_nothing(curve, demo, tmp_path, capsys):
    assert curve.main([str(demo), "--out", str(tmp_path / "curve"), "--limit", "1", "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["split"] == "validation"
    assert [item["name"] for item in plan["checkpoints"]] == ["warmup", "midtrain", "sft"]
    assert curve.main([str(demo), "--dry-run"]) == 0
    assert "would evaluate on validation, at most all a row" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_every_checkpoint_is_scored_on_validation(curve, demo, tmp_path, capsys):
    out = tmp_path / "curve"
    assert curve.main([str(demo), "--out", str(out), "--limit", "1", "--json"]) == 0
    points = json.loads(capsys.readouterr().out)
    assert points == json.loads((out / "curve.json").read_text())
    assert {point["checkpoint"] for point in points} == {"warmup", "midtrain", "sft"}
    assert all(0 <= point["ci_low"] <= point["score"] <= point["ci_high"] <= 1 for point in points)
    assert b"Validation score over training" in (out / "curve.svg").read_bytes()
    for name in ("warmup", "midtrain", "sft"):
        manifest = read_manifest(out / name)
        assert manifest.recipe["settings"]["split"] == "validation"
        assert all(record["id"].startswith("validation") for _, record in read_lines(out / name / "rows.jsonl"))
    assert verify(demo, lineage=False) == []
    assert curve.main([str(demo), "--out", str(out), "--limit", "1"]) == 0
    table = capsys.readouterr().out
    assert "checkpoint" in table
    assert "sft" in table


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_is_positive(curve, demo, capsys, limit):
    assert curve.main([str(demo), "--limit", limit, "--dry-run"]) == 1
    assert "--limit" in capsys.readouterr().err


def test_what_is_no_demo_is_refused(curve, demo, tmp_path, capsys):
    assert curve.main([str(demo / "world")]) == 1
    assert "'demo' is needed" in capsys.readouterr().err
    assert curve.main([str(tmp_path / "missing")]) == 1
    assert curve.main([str(demo), "--out", str(demo / "curve")]) == 2
    assert "must stay what it is" in capsys.readouterr().err
    assert not (demo / "curve").exists()
