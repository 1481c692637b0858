"""The time of one training step, for the benchmarks that compare how batches are laid out. Not a script."""

from __future__ import annotations

import time

import torch

from perceptlm.batch import Batch
from perceptlm.model.plm import PerceptionLM


def step_seconds(model: PerceptionLM, batch: Batch) -> float:
    """Return the seconds of one forward and backward pass in bf16."""
    model.zero_grad(set_to_none=True)
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch)
    (loss.total / loss.num_targets).backward()
    return time.perf_counter() - began
