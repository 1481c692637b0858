"""What `plm train status` tells of a run that is finished, interrupted, or was never begun."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perceptlm.cli.main import run
from perceptlm.errors import UsageError
from perceptlm.train.configuration import StageConfig, ValidationConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.status import describe, read_status
from perceptlm.train.trainer import Trainer


def test_an_interrupted_and_a_finished_run(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = stage.model_copy(update={"validation": ValidationConfig(every=2, num_groups=2, split="train")})
    step = Trainer.step

    def stopping(self: Trainer, number: int, data: object) -> object:
        if number == 5:
            raise KeyboardInterrupt
        return step(self, number, data)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "out", config, data=StageData(toy_world), start=micro, seed=1)
    with open(tmp_path / "out.partial/metrics.jsonl", "ab") as file:
        file.write(b'{"step": 5, "lo')  # killed while it wrote
    found = read_status(tmp_path / "out")
    assert (found.finished, found.num_done, found.num_steps, found.saved_steps) == (False, 5, 6, (4,))
    assert found.seconds_left is not None
    assert found.seconds_left > 0
    assert "goes on from step    4" in "\n".join(describe(found))
    train_stage(tmp_path / "out", config, data=StageData(toy_world), start=micro, seed=1)
    assert run(["train", "status", str(tmp_path / "out"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["finished"], shown["num_done"], shown["best_held_out_step"]) == (True, 6, 6)
    assert 0 < shown["useful_share"] <= 1
    assert 0 <= shown["data_wait_share"] < 1
    assert 0 < shown["model_flops_utilisation"] < 1


def test_where_nothing_was_trained_that_is_said(tmp_path: Path, toy_world: Path) -> None:
    with pytest.raises(UsageError, match="no training is or was here"):
        read_status(tmp_path / "nothing")
    with pytest.raises(UsageError, match="not a stage of training"):
        read_status(toy_world)
