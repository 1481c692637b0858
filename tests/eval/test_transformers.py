"""A model of `transformers` is evaluated by the command, also without pictures, and goes on after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_qwen import save_tiny_qwen

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.exchange.jsonl import read_lines


def test_a_directory_of_transformers_is_evaluated(
    tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = save_tiny_qwen(tmp_path / "tiny-qwen"), tmp_path / "out"
    options = ["--data", tiny_world, "--model", model, "--backend", "transformers", "--num-frames", 4, "--limit", 2]
    options += ["--tasks", "fgqa,rcap,image", "--variants", "own,text_only,no_box", "--out"]
    assert run(["eval", "run", *map(str, options), str(out), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["model"]["name"], scores["model"]["backend"]) == ("tiny-qwen", "transformers")
    rows = [row for _, row in read_lines(out / "rows.jsonl")]
    assert len(rows) == 2 * (3 + 1 + 1) * 2 + 2
    assert {row["score"]["outcome"] for row in rows} == {"value"}
    again = tmp_path / "again"
    assert run(["eval", "run", *map(str, options), str(again), "--shard", "1/2"]) == 0
    assert run(["eval", "run", *map(str, options), str(again)]) == 0
    assert artifact.read_manifest(again).digest == artifact.read_manifest(out).digest
    assert run(["reproduce", str(out), "--work", str(tmp_path / "work")]) != 0
    assert "only our own are asked again" in capsys.readouterr().err
