"""A run that is asked to stop ends its step, saves, leaves with the signal's exit code, and goes on as if not asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from perceptlm import artifact
from perceptlm.train.configuration import StageConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.stop_signal import Stopped, listening
from perceptlm.train.trainer import Trainer


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """Ctrl-C is heard, even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_it_saves_and_goes_on_from_there(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig, number: signal.Signals
) -> None:
    config = stage.model_copy(update={"checkpoint_every": 1000})
    whole = train_stage(tmp_path / "whole", config, data=StageData(toy_world), start=micro, seed=1)
    step = Trainer.step
    done: list[int] = []

    def stopping(self: Trainer, place: int, data: object) -> object:
        done.append(place)
        if place == 3 and done.count(3) == 1:
            os.kill(os.getpid(), number)
        return step(self, place, data)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stopping)
        with pytest.raises(Stopped, match="asked to stop, saved after step 3") as stopped:
            train_stage(tmp_path / "stopped", config, data=StageData(toy_world), start=micro, seed=1)
        assert stopped.value.exit_code == 128 + number
        resumed = train_stage(tmp_path / "stopped", config, data=StageData(toy_world), start=micro, seed=1)
    assert done == [0, 1, 2, 3, 4, 5]
    assert artifact.read_manifest(resumed).digest == artifact.read_manifest(whole).digest


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with listening() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.signal_number == 0


def test_handlers_are_put_back_and_a_second_signal_does_what_it_always_did() -> None:
    before = signal.getsignal(signal.SIGINT)
    with listening() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.signal_number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
