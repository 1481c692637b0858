"""`plm train adapt`: your own labels in, a model and its adapter out; what it takes is said before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import perceptlm
from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.errors import UsageError
from perceptlm.pretrained import load
from perceptlm.train.stage_data import DataFolder
from perceptlm.workflow.adapt import Adaptation, plan_adaptation


def test_own_labels_are_learnt_beside_what_is_replayed(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": str(number), "image": f"train/images/{path.name}", "conversations": [
            {"from": "human", "value": "<image>\nIs the part sound?"},
            {"from": "gpt", "value": "Yes." if number % 2 else "No: a crack."},
        ]}
        for number, path in enumerate(sorted((demo / "world/train/images").glob("*.png"))[:12])
    ]  # fmt: skip
    (tmp_path / "own.json").write_text(json.dumps(rows))
    own = tmp_path / "own"
    convert = ["data", "convert", "llava", tmp_path / "own.json", "--media", demo / "world", "--out", own]
    assert run([str(value) for value in [*convert, "--origin", "person:inspector:1:CC0-1.0"]]) == 0
    given = ["--start", demo / "sft", "--data", own, "--media", demo / "world", "--replay", demo / "world"]
    command = [str(value) for value in ["train", "adapt", *given, "--out", tmp_path / "out", "--held-out", "0.3"]]
    capsys.readouterr()
    assert run([*command, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert "of which" in planned["forecast"]["parameters"]
    assert planned["recipe"]["sources"]["own"]["held_out"] == 0.3
    assert run([*command, "--set", "num_steps=4", "--set", "validation.every=2"]) == 0
    before, after = load(demo / "sft").model.state_dict(), load(tmp_path / "out").model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(("projector.", "decoder.blocks.")) for name in changed)
    assert perceptlm.load(demo / "sft", adapter=tmp_path / "out/adapter").model is not None
    assert set(artifact.read_manifest(tmp_path / "out").inputs) == {"source own", "source replay", "start"}


def test_rejected_answers_are_learnt_from_beside_what_is_replayed(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "image": f"train/images/{path.name}",
            "conversations": [{"from": "human", "value": "<image>\nIs the part sound?"}],
            "chosen": {"from": "gpt", "value": "Yes."},
            "rejected": {"from": "gpt", "value": "It may well be that it is."},
        }
        for path in sorted((demo / "world/train/images").glob("*.png"))[:12]
    ]
    (tmp_path / "own.json").write_text(json.dumps(rows))
    own = tmp_path / "own"
    convert = ["data", "convert", "llava", tmp_path / "own.json", "--media", demo / "world", "--out", own]
    assert run([str(value) for value in [*convert, "--origin", "person:inspector:1:CC0-1.0"]]) == 0
    given = ["--start", demo / "sft", "--data", own, "--media", demo / "world", "--replay", demo / "world"]
    options = [*given, "--out", tmp_path / "out", "--held-out", "0.3", "--preference"]
    command = [str(value) for value in ["train", "adapt", *options]]
    capsys.readouterr()
    assert run([*command, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["recipe"]["preference"] == {"beta": 0.1, "answer_weight": 1.0}
    assert planned["recipe"]["learning_rates"].keys() == {"decoder"}
    assert "a step, each against the model without its low-rank matrices" in planned["forecast"]["pairs"]
    assert run([*command, "--set", "num_steps=3", "--set", "validation.every=3"]) == 0
    (look,) = (json.loads(line) for line in (tmp_path / "out/validation.jsonl").read_text().splitlines())
    assert look["num_pairs"] > 0
    before, after = load(demo / "sft").model.state_dict(), load(tmp_path / "out").model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("decoder.blocks.") for name in changed)
    capsys.readouterr()
    without = [*command[: command.index("--data") + 1], str(demo / "world"), "--out", str(tmp_path / "x")]
    assert run([*without, "--preference", "--dry-run"]) != 0
    assert "no sample of" in (shown := capsys.readouterr().err)
    assert "has the field 'rejected'" in shown
    assert run([*command, "--full"]) != 0
    assert "leave out --full" in capsys.readouterr().err


def test_the_share_replayed_is_that_of_every_step_and_a_validation_split_is_used(demo: Path) -> None:
    wanted = Adaptation(
        demo / "sft", DataFolder(demo / "world"), DataFolder(demo / "world"), replay_share=0.25, epochs=2
    )
    config = plan_adaptation(wanted)
    assert config.sources["own"].held_out == 0
    assert config.sources["replay"].repeats == pytest.approx(1 / 3)
    full = plan_adaptation(Adaptation(demo / "sft", DataFolder(demo / "world"), full=True))
    assert full.low_rank is None
    with pytest.raises(UsageError, match="replay share 1 and 3 epochs"):
        plan_adaptation(Adaptation(demo / "sft", DataFolder(demo / "world"), replay_share=1.0))


def test_a_stage_says_what_it_would_take(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = ["train", "stage", "sft", "--data", demo / "world", "--start", demo / "midtrain", "--out", "x", "--dry-run"]
    command = [str(value) for value in stage]
    assert run(command) == 0
    shown = capsys.readouterr().out
    assert "name: sft" in shown
    assert "# parameters" in shown
    assert run([*command, "--json", "--set", "num_steps=7"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"]["num_steps"] == 7
    assert found["forecast"]["steps"] == "7 at most"
