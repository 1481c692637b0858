"""One process of a training, started by torchrun. The argument is a JSON file that says what to do:
config, world, start, out, copies; `gradients`, a file for those of the first step; `stop_after`, the number of
steps after which the last process is asked to stop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

from perceptlm.errors import PerceptLMError
from perceptlm.train.configuration import StageConfig
from perceptlm.train.loader import StepData
from perceptlm.train.loss_sums import LossSums
from perceptlm.train.preference import StepCounts
from perceptlm.train.ranks import Ranks, joined_ranks
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import Trainer


def write_gradients(path: Path) -> None:
    """Have the trainer write the gradients of its first step, whole and as they are before they are clipped."""
    backward = Trainer.backward

    def recorded(self: Trainer, data: StepData, counts: StepCounts) -> LossSums:
        sums = backward(self, data, counts)
        Trainer.backward = backward  # type: ignore[method-assign]
        found = {}
        for name, parameter in self.model.named_parameters():
            gradient = parameter.grad
            if gradient is not None:
                whole = gradient.full_tensor() if isinstance(gradient, DTensor) else gradient
                found[name] = whole.detach().clone()
        if self.ranks.is_first:
            save_file(found, path)
        return sums

    Trainer.backward = recorded  # type: ignore[method-assign]


def stop_after(num_steps: int, rank: int) -> None:
    """Have process `rank` asked to stop once so many steps are done."""
    step = Trainer.step

    def stopping(self: Trainer, number: int, data: object) -> object:
        if number == num_steps - 1 and self.ranks.rank == rank:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, data)  # type: ignore[arg-type]

    Trainer.step = stopping  # type: ignore[method-assign,assignment]


def main() -> None:
    """Do what the file says."""
    torch.set_num_threads(1)
    run = json.loads(Path(sys.argv[1]).read_text())
    try:
        with joined_ranks(run.get("copies", 1)) as ranks:
            train(run, ranks)
    except PerceptLMError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)


def train(run: dict[str, Any], ranks: Ranks) -> None:
    """Do one run."""
    if run.get("gradients"):
        write_gradients(Path(run["gradients"]))
    if run.get("stop_after"):
        stop_after(run["stop_after"], ranks.size - 1)
    config = StageConfig.model_validate(run["config"])
    train_stage(
        Path(run["out"]), config, data=StageData(Path(run["world"])), start=Path(run["start"]), seed=1, ranks=ranks
    )


if __name__ == "__main__":
    main()
