"""A real `plm train stage`, killed again and again at seeded moments, ends with the bytes of one that was not.

Killed between steps, while a state is written, and while the trained model is. On the CPU, one process.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm import artifact
from perceptlm.config import dump_yaml
from perceptlm.exchange.jsonl import read_lines
from perceptlm.seeding import generator
from perceptlm.train.configuration import ModelChanges, StageConfig, ValidationConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import BEST_FOLDER, forget_states

NUM_STEPS = 14
TIMEOUT_SECONDS = 120.0


@pytest.fixture
def recipe(stage: StageConfig) -> StageConfig:
    """All at once that a resumed run could get wrong."""
    return stage.model_copy(
        update={
            "num_steps": NUM_STEPS, "num_groups": 3, "rows_per_batch": 1, "ema_decay": 0.8,
            "keep_states": 2, "checkpoint_every": 2, "changes": ModelChanges(drop_path=0.3),
            "validation": ValidationConfig(every=3, num_groups=3, split="train"),
        }
    )  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig) -> Path:
    """What all runs start from: a checkpoint, so that the command adds no shipped parts."""
    brief = stage.model_copy(update={"num_steps": 1})
    return train_stage(tmp_path / "checkpoint", brief, data=StageData(toy_world), start=micro, seed=1)


def num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Return once it has happened; a run that ends before that was not in time to be killed."""
    limit = time.monotonic() + TIMEOUT_SECONDS
    while not happened():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < limit
        time.sleep(0.001)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(
    tmp_path: Path, toy_world: Path, checkpoint: Path, recipe: StageConfig
) -> None:
    (tmp_path / "recipe.yaml").write_text(dump_yaml(recipe))
    command = [sys.executable, "-m", "perceptlm", "train", "stage", recipe.name, "--recipe", tmp_path / "recipe.yaml"]
    command += ["--data", toy_world, "--start", checkpoint, "--seed", "1", "--out"]
    out, partial = tmp_path / "out", tmp_path / "out.partial"

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen([str(part) for part in (*command, out)], stderr=subprocess.PIPE, text=True)

    draw = generator(5, "kills")
    metrics, states = partial / "metrics.jsonl", partial / "state"
    moments: list[Callable[[], bool]] = [
        lambda: any(states.glob("unfinished-*")),  # the first state, half written
        lambda: num_lines(metrics) >= 5,
        lambda: any(states.glob("unfinished-*/*")) and num_lines(metrics) >= 7,
        lambda: num_lines(metrics) >= 10,
        lambda: any(partial.glob("*.safetensors*")),  # the weights to publish
    ]
    torn = 0
    for number, moment in enumerate(moments):
        process = started()
        wait_for(process, moment)
        if number in (1, 3):
            time.sleep(float(draw.random()) * 0.5)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        if process.stderr:
            process.stderr.close()
        torn += any(states.glob("unfinished-*"))
        assert not out.exists()
        assert (states / "CACHEDIR.TAG").exists()
        whole = [path.name for path in states.iterdir() if path.name.isdigit()]
        assert len(whole) <= 3  # two are kept, and the third goes when it is whole
    assert torn >= 1
    process = started()
    _, said = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, said
    assert not (out / "state").exists()
    shutil.rmtree(tmp_path / "out.partial", ignore_errors=True)
    whole_run = train_stage(tmp_path / "whole", recipe, data=StageData(toy_world), start=checkpoint, seed=1)
    assert [record["step"] for _, record in read_lines(out / "metrics.jsonl")] == list(range(NUM_STEPS))
    assert artifact.verify(out) == []
    assert artifact.read_manifest(out).digest == artifact.read_manifest(whole_run).digest


def test_a_run_that_is_killed_as_it_publishes_goes_on_from_its_last_state(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    data, stage = StageData(toy_world), stage.model_copy(update={"num_steps": 3, "num_groups": 1})
    whole = train_stage(tmp_path / "whole", stage, data=data, start=micro, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(artifact, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "out", stage, data=data, start=micro, seed=1)
    assert (tmp_path / "out.partial/state/00000002").is_dir()
    with monkeypatch.context() as patch:
        patch.setattr("perceptlm.train.stage.forget_states", killed)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "out", stage, data=data, start=micro, seed=1)
    # Published, with the states still there, which are no part of it.
    assert (tmp_path / "out/state/00000002").is_dir()
    assert artifact.verify(tmp_path / "out") == []
    assert json.loads((tmp_path / "out/manifest.json").read_text())["digest"] == artifact.read_manifest(whole).digest
    train_stage(tmp_path / "out", stage, data=data, start=micro, seed=1)
    assert not (tmp_path / "out/state").exists()


def test_forgetting_states_that_are_not_there_is_no_error(tmp_path: Path) -> None:
    (tmp_path / BEST_FOLDER / "00000002").mkdir(parents=True)
    forget_states(tmp_path)
    forget_states(tmp_path)
    assert list(tmp_path.iterdir()) == []
