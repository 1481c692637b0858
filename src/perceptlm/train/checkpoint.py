"""Saving the state of an unfinished stage, so that a killed run goes on to the same bytes.

A state is a folder `state/STEP` with weights, optimiser moments and the step, written whole and renamed; the newest
one counts. `metrics.jsonl` is cut back to it. This module does not know how a finished model is saved.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.exchange.jsonl import cut_torn_line
from perceptlm.train.optimiser import load_optimiser_tensors, optimiser_tensors

STATE_FOLDER = "state"


def save_state(folder: Path, step: int, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write the state *before* step `step` and remove older ones."""
    root = folder / STATE_FOLDER
    temporary = root / "unfinished"
    with translate_os_errors(root):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        parameters = {name: value.detach().contiguous() for name, value in model.named_parameters()}
        write_atomic(temporary / "model.safetensors", save(parameters))
        write_atomic(temporary / "optimiser.safetensors", save(optimiser_tensors(optimiser)))
        os.rename(temporary, root / f"{step:08d}")
    for older in _states(folder)[:-1]:
        shutil.rmtree(older)


def load_state(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore the newest state and return the step to do next; 0 if there is none."""
    states = _states(folder)
    if not states:
        return 0
    saved = load_file(states[-1] / "model.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(saved[name])
    load_optimiser_tensors(optimiser, load_file(states[-1] / "optimiser.safetensors"))
    return int(states[-1].name)


def remove_states(folder: Path) -> None:
    """Remove all saved states: the stage is done."""
    shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)


def cut_log(path: Path, num_lines: int) -> None:
    """Keep the first `num_lines` lines of a log: those of the steps before the restored state."""
    cut_torn_line(path)
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        if len(lines) != num_lines:
            write_atomic(path, b"".join(lines[:num_lines]))


def _states(folder: Path) -> list[Path]:
    root = folder / STATE_FOLDER
    return sorted(path for path in root.iterdir() if path.name.isdigit()) if root.is_dir() else []
