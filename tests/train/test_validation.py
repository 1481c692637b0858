"""Looks at held-out data: the same every time, resumed or not; when there is nothing better to be had it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perceptlm import artifact
from perceptlm.exchange.jsonl import read_lines
from perceptlm.pretrained import load
from perceptlm.train.averaging import RunningMean
from perceptlm.train.configuration import StageConfig, ValidationConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import SNAPSHOT_FOLDER, Trainer
from perceptlm.train.validation import is_over


@pytest.fixture
def looking(stage: StageConfig) -> StageConfig:
    return stage.model_copy(update={"validation": ValidationConfig(every=2, num_groups=5, split="train")})


def looks_of(out: Path) -> list[dict[str, object]]:
    return [record for _, record in read_lines(out / "validation.jsonl")]


def test_patience_ends_after_as_many_looks_without_a_better_one() -> None:
    looks = [{"step": step, "loss": loss} for step, loss in ((2, 3.0), (4, 1.0), (6, 1.0), (8, 2.0))]
    assert not is_over(looks[:3], 2)
    assert is_over(looks, 2)
    assert not is_over(looks, None)
    assert not is_over([], 1)


def test_looks_change_nothing_in_what_is_trained_and_are_the_same_when_resumed(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig, looking: StageConfig
) -> None:
    without = train_stage(tmp_path / "without", stage, data=StageData(toy_world), start=micro, seed=1)
    whole = train_stage(tmp_path / "whole", looking, data=StageData(toy_world), start=micro, seed=1)
    weights = load(without).model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in load(whole).model.state_dict().items())
    assert [look["step"] for look in looks_of(whole)] == [2, 4, 6]
    assert all(set(look["per_task"]) == {"image_qa", "video_qa"} for look in looks_of(whole))  # type: ignore[arg-type]
    step = Trainer.step
    for stop in (2, 5):
        with pytest.MonkeyPatch.context() as patch:

            def stopping(self: Trainer, number: int, data: object, stop: int = stop) -> object:
                if number == stop:
                    raise KeyboardInterrupt
                return step(self, number, data)  # type: ignore[arg-type]

            patch.setattr(Trainer, "step", stopping)
            with pytest.raises(KeyboardInterrupt):
                train_stage(tmp_path / "resumed", looking, data=StageData(toy_world), start=micro, seed=1)
    resumed = train_stage(tmp_path / "resumed", looking, data=StageData(toy_world), start=micro, seed=1)
    assert artifact.read_manifest(resumed).digest == artifact.read_manifest(whole).digest


def test_with_patience_the_best_model_is_published(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig
) -> None:
    # Learns for a while, then is driven away from what it has learnt by a rate that only grows.
    schedule = stage.schedule.model_copy(update={"warmup_steps": 400})
    config = stage.model_copy(
        update={
            "num_steps": 60, "schedule": schedule, "snapshot_every": 2, "ema_decay": None, "checkpoint_every": 1000,
            "learning_rates": dict.fromkeys(stage.learning_rates, 2.0),
            "validation": ValidationConfig(every=2, num_groups=5, split="train", patience=2),
        }
    )  # fmt: skip
    out = train_stage(tmp_path / "out", config, data=StageData(toy_world), start=micro, seed=1)
    looks = looks_of(out)
    assert int(looks[-1]["step"]) < 60  # type: ignore[call-overload]
    best = min(looks, key=lambda look: float(look["loss"]))  # type: ignore[arg-type]
    assert [look["step"] for look in looks[-3:]] == [best["step"], best["step"] + 2, best["step"] + 4]  # type: ignore[operator]
    snapshot = load(out / SNAPSHOT_FOLDER / f"{best['step']:08d}").model.state_dict()
    assert all(torch.equal(value, snapshot[name]) for name, value in load(out).model.state_dict().items())
    assert not (out / "best").exists()


def test_a_running_mean_lags_behind_and_is_put_in_place_and_taken_out() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    mean = RunningMean(model, 0.9)
    expected = 0.0
    for number in range(1, 200):
        with torch.no_grad():
            model.weight.fill_(float(number))
        mean.update(number)
        decay = min(0.9, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * number
    with mean.in_place():
        assert float(model.weight.detach()) == pytest.approx(expected, rel=1e-5)
    assert float(model.weight.detach()) == 199.0
    assert expected == pytest.approx(199 - 9, abs=0.1)


def test_the_mean_is_what_is_published(tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig) -> None:
    config = stage.model_copy(update={"ema_decay": 0.5, "snapshot_every": 5})
    averaged = load(train_stage(tmp_path / "mean", config, data=StageData(toy_world), start=micro, seed=1)).model
    plain = load(train_stage(tmp_path / "plain", stage, data=StageData(toy_world), start=micro, seed=1)).model
    difference = [(a - b).abs().max() for a, b in zip(averaged.parameters(), plain.parameters(), strict=True)]
    assert 0 < float(max(difference).detach()) < 0.1
