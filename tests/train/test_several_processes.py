"""One, two and four processes train the same model: the same batches, gradients, losses and weights.

Real processes, FSDP2 over gloo; in fp64, where only a wrong sum makes a difference that is seen. torchrun starts those
of one layout; the others are forked, because loading torch takes each of them longer than all it does here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_training import Ended, ForkedTraining
from safetensors.torch import load_file
from training_worker import train

from perceptlm import artifact
from perceptlm.exchange.jsonl import read_lines
from perceptlm.pretrained import load
from perceptlm.train.configuration import LowRankConfig, ModelChanges, StageConfig, ValidationConfig
from perceptlm.train.ranks import ALONE

WORKER = Path(__file__).resolve().parent.parent / "support" / "training_worker.py"
TIMEOUT_SECONDS = 300
LAYOUTS = {"two": (2, 1), "four": (4, 1), "four, two copies": (4, 2)}


@pytest.fixture
def wide(stage: StageConfig) -> StageConfig:
    """Rows of uneven media and answers; the vision encoder trains and drops paths."""
    return stage.model_copy(
        update={
            "num_steps": 12, "num_groups": 7, "num_branches": 1, "precision": "fp64", "num_threads": 1,
            "checkpoint_every": 1000, "changes": ModelChanges(drop_path=0.2),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def forked() -> Iterator[ForkedTraining]:
    server = ForkedTraining(TIMEOUT_SECONDS)
    yield server
    server.close()


def written(tmp_path: Path, run: dict[str, Any]) -> Path:
    given = tmp_path / "run.json"
    given.write_text(json.dumps(run | {"config": run["config"].to_dict()}, default=str))
    return given


def fork(forked: ForkedTraining, tmp_path: Path, num_processes: int, run: dict[str, Any]) -> Ended:
    """Do a run in forked processes."""
    log = tmp_path / "stderr.txt"
    log.write_text("")
    return forked.run(written(tmp_path, run), num_processes, log)


def launch(tmp_path: Path, num_processes: int, run: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Do a run in processes that torchrun starts."""
    given = written(tmp_path, run)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, *torchrun, str(WORKER), str(given)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env=settings)


def finished(tmp_path: Path, num_processes: int, run: dict[str, Any], forked: ForkedTraining | None = None) -> None:
    """Do a run to its end; without `forked`, torchrun starts its processes."""
    if num_processes == 1:
        train(run | {"config": run["config"].to_dict()}, ALONE)
    elif forked is None:
        done = launch(tmp_path, num_processes, run)
        assert done.returncode == 0, done.stderr[-3000:]
    else:
        ended = fork(forked, tmp_path, num_processes, run)
        assert ended.codes == [0] * num_processes, ended.stderr[-3000:]


def steps_of(out: Path) -> list[dict[str, Any]]:
    return [record for _, record in read_lines(out / "metrics.jsonl")]


def test_gradients_losses_and_weights_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, toy_world: Path, micro: Path, wide: StageConfig, forked: ForkedTraining
) -> None:
    cases = {"one": (1, 1)} | LAYOUTS
    for name, (num_processes, copies) in cases.items():
        run = {
            "config": wide, "world": toy_world, "start": micro, "copies": copies, "out": tmp_path / name,
            "gradients": tmp_path / f"{name}.safetensors",
        }  # fmt: skip
        finished(tmp_path, num_processes, run, None if name == "two" else forked)
    gradients = {name: load_file(tmp_path / f"{name}.safetensors") for name in cases}
    runs_of = {name: steps_of(tmp_path / name) for name in cases}
    assert all(artifact.verify(tmp_path / name) == [] for name in cases)
    weights = {name: load(tmp_path / name).model.state_dict() for name in cases}
    for name in LAYOUTS:
        # Adam hides a gradient that is wrong by a factor: the gradients themselves.
        assert gradients[name].keys() == gradients["one"].keys()
        for parameter, expected in gradients["one"].items():
            torch.testing.assert_close(gradients[name][parameter], expected, rtol=1e-9, atol=1e-12)
        for ours, theirs in zip(runs_of[name], runs_of["one"], strict=True):
            assert ours["num_targets"] == theirs["num_targets"]
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-9)
            assert ours["gradient_norm_per_part"] == pytest.approx(theirs["gradient_norm_per_part"], rel=1e-8)
        for parameter, expected in weights["one"].items():
            torch.testing.assert_close(weights[name][parameter], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(
    tmp_path: Path, toy_world: Path, micro: Path, wide: StageConfig
) -> None:
    config = wide.model_copy(
        update={
            "num_steps": 9, "checkpoint_every": 2, "ema_decay": 0.8,
            "validation": ValidationConfig(every=3, num_groups=3, split="train"),
        }
    )  # fmt: skip
    given = {"world": toy_world, "start": micro, "config": config}
    split = given | {"out": tmp_path / "split"}
    for num_processes, steps in ((2, 3), (4, 6)):
        stopped = launch(tmp_path, num_processes, split | {"stop_after": steps})
        assert f"asked to stop, saved after step {steps - 1}" in stopped.stderr, stopped.stderr[-3000:]
        assert stopped.returncode != 0
        assert not (tmp_path / "split").exists()
    finished(tmp_path, 1, split)
    finished(tmp_path, 1, given | {"out": tmp_path / "whole"})
    for ours, theirs in zip(steps_of(tmp_path / "split"), steps_of(tmp_path / "whole"), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
    looks = [[record for _, record in read_lines(tmp_path / name / "validation.jsonl")] for name in ("split", "whole")]
    assert [look["step"] for look in looks[0]] == [3, 6, 9]
    for ours, theirs in zip(*looks, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
    expected = load(tmp_path / "whole").model.state_dict()
    for name, value in load(tmp_path / "split").model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-8)


def test_what_is_frozen_may_be_shared_out_or_not(
    tmp_path: Path, toy_world: Path, micro: Path, wide: StageConfig, forked: ForkedTraining
) -> None:
    config = wide.model_copy(
        update={
            "num_steps": 4, "learning_rates": {"projector": 1e-3, "decoder": 1e-3}, "low_rank": LowRankConfig(rank=2),
            "recompute": "full", "rows_per_batch": 1, "changes": ModelChanges(),
        }
    )  # fmt: skip
    for name, num_processes in (("one", 1), ("two", 2)):
        run = {"config": config, "world": toy_world, "start": micro, "out": tmp_path / name}
        finished(tmp_path, num_processes, run, forked)
    one, two = (load(tmp_path / name).model.state_dict() for name in ("one", "two"))
    before = load(micro).model.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in one.items() if name.startswith("decoder."))
    for name, value in one.items():
        # Low-rank matrices are in fp32 whatever the rest is in.
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
        if name.startswith("vision_encoder."):
            assert torch.equal(value, before[name])
    assert load(micro, adapter=tmp_path / "two" / "adapter").model is not None


def test_pairs_of_answers_are_learnt_alike_also_where_a_process_has_none(
    tmp_path: Path, judged_world: Path, micro: Path, wide: StageConfig, forked: ForkedTraining
) -> None:
    values = wide.to_dict() | {
        "name": "adapt", "num_steps": 4, "num_groups": 3, "tasks": {"image_qa": 1}, "learning_rates": {"decoder": 1e-2},
        "low_rank": {"rank": 2}, "preference": {"beta": 0.5}, "changes": {}, "rows_per_batch": 1,
        "validation": {"every": 2},
    }  # fmt: skip
    config = StageConfig.model_validate(values)
    for name, num_processes in (("one", 1), ("two", 2)):
        run = {
            "config": config, "world": judged_world, "start": micro, "out": tmp_path / name,
            "gradients": tmp_path / f"{name}.safetensors",
        }  # fmt: skip
        finished(tmp_path, num_processes, run, forked)
    one, two = steps_of(tmp_path / "one"), steps_of(tmp_path / "two")
    # With three groups two processes never have as many batches; with one pair one of them has none.
    assert {0, 1} <= {step["num_pairs"] for step in one}
    figures = ("loss", "total_loss", "preference_loss", "preference_margin", "preference_accuracy", "num_pairs")
    for ours, theirs in zip(two, one, strict=True):
        for name in (*figures, "gradient_norm"):
            # Low-rank matrices are in fp32 whatever the rest is in.
            assert ours.get(name) == (
                None if theirs.get(name) is None else pytest.approx(theirs[name], rel=1e-6, abs=1e-6)
            )
    looks = [[record for _, record in read_lines(tmp_path / name / "validation.jsonl")] for name in ("two", "one")]
    for ours, theirs in zip(*looks, strict=True):
        assert ours["total_loss"] == pytest.approx(theirs["total_loss"], abs=1e-6)
        assert ours["num_pairs"] == theirs["num_pairs"] == 1
    gradients = [load_file(tmp_path / f"{name}.safetensors") for name in ("two", "one")]
    assert gradients[0].keys() == gradients[1].keys()
    for parameter, expected in gradients[1].items():
        torch.testing.assert_close(gradients[0][parameter], expected, rtol=1e-5, atol=1e-8)


def test_errors_before_training_leave_no_process_waiting(
    tmp_path: Path, toy_world: Path, toy_processor: Path, micro: Path, wide: StageConfig, forked: ForkedTraining
) -> None:
    """Nobody ends the others here, as torchrun would."""
    given = {"config": wide, "world": toy_world, "start": micro, "out": tmp_path / "x"}
    ended = fork(forked, tmp_path, 2, given | {"world": toy_processor})
    assert all(code > 0 for code in ended.codes)
    assert "but a 'world' or 'dataset' is needed here" in ended.stderr
    ended = fork(forked, tmp_path, 2, given | {"copies": 3})
    assert all(code > 0 for code in ended.codes)
    assert "2 processes cannot hold 3 copies" in ended.stderr
