"""Runs stop by themselves at losses that jump and at data that cannot be used, with the state saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from perceptlm.errors import TrainingError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.train.configuration import GuardConfig, StageConfig
from perceptlm.train.guards import DropGuard, SpikeGuard
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import Trainer

GUARD = GuardConfig(spike_factor=3.0, spike_steps=2, window=4)


def test_two_high_losses_in_a_row_stop_and_one_does_not() -> None:
    guard = SpikeGuard(GUARD)
    for step, loss in enumerate([1.0, 1.1, 0.9, 1.0, 5.0, 1.0, 5.0]):
        guard.watch(step, loss)
    with pytest.raises(TrainingError, match="step 7: the loss has been over 3 times its usual 1 for 2 steps"):
        guard.watch(7, 6.0)


def test_what_is_usual_is_known_again_after_an_interruption() -> None:
    guard = SpikeGuard(GUARD, [1.0, 1.0, 1.0, 1.0, 5.0])
    with pytest.raises(TrainingError, match="for 2 steps"):
        guard.watch(5, 5.0)


def test_the_first_losses_are_never_high() -> None:
    guard = SpikeGuard(GUARD)
    for step, loss in enumerate([1.0, 9.0, 9.0, 9.0, 9.0]):
        guard.watch(step, loss)
    silent = SpikeGuard(GUARD.model_copy(update={"spike_factor": None}), [1.0] * 9)
    for step in range(5):
        silent.watch(step, 1e9)


def test_drops_are_bounded_by_their_share_once_there_are_more_than_ten() -> None:
    guard = DropGuard(GuardConfig(max_dropped=0.1))
    guard.watch(0, 10, 10, "no such file")
    with pytest.raises(TrainingError, match=r"11 of 20 groups .* because: no such file"):
        guard.watch(1, 1, 10, "no such file")
    large = DropGuard(GuardConfig(max_dropped=0.1), num_dropped=5, num_units=990)
    large.watch(0, 90, 10, "damaged")
    with pytest.raises(TrainingError, match="102 of 1010"):
        large.watch(1, 7, 10, "damaged")


def test_a_file_that_is_gone_is_dropped_with_its_reason_and_too_many_stop(
    tmp_path: Path, own_world: Path, micro: Path, stage: StageConfig
) -> None:
    (own_world / "train/2.mp4").write_bytes(b"no video")
    config = stage.model_copy(update={"num_steps": 8, "num_groups": 2})
    out = train_stage(tmp_path / "out", config, data=StageData(own_world), start=micro, seed=1)
    dropped = [record for _, record in read_lines(out / "dropped.jsonl")]
    assert dropped
    assert all(record["ids"][0] == "video_qa-2" for record in dropped)
    assert all("2.mp4" in record["reason"] for record in dropped)
    # What was dropped before an interruption counts beside what was seen before it.
    step = Trainer.step
    few = GuardConfig(max_dropped=0.5)
    long = config.model_copy(update={"num_steps": 30, "num_groups": 4, "guard": few, "checkpoint_every": 25})

    def stopping(self: Trainer, number: int, data: object) -> object:
        if number == 26:
            raise KeyboardInterrupt
        return step(self, number, data)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "long", long, data=StageData(own_world), start=micro, seed=1)
    assert len(list(read_lines(tmp_path / "long.partial/dropped.jsonl"))) > 10
    train_stage(tmp_path / "long", long, data=StageData(own_world), start=micro, seed=1)
    many = config.model_copy(update={"num_steps": 200, "num_groups": 8})
    with pytest.raises(TrainingError, match=r"could not be used, the last because: .*2\.mp4"):
        train_stage(tmp_path / "many", many, data=StageData(own_world), start=micro, seed=1)
    assert list((tmp_path / "many.partial/state").iterdir())
