"""How fast a run is: operations per second beside what the machine's matrix products reach when nothing else is done.

Times are no part of what a run makes; they go to `run/`.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import lru_cache

import torch

from perceptlm.batch import Batch
from perceptlm.model.configuration import PLMConfig
from perceptlm.train.configuration import Part
from perceptlm.train.forecast import flops_of

_SIDES = {"cpu": 1024, "cuda": 8192}


def batch_flops(config: PLMConfig, trained: Collection[Part], batch: Batch) -> float:
    """Return the operations that training on `batch` is worth, with nothing computed twice."""
    groups = batch.group[batch.group >= 0]
    return flops_of(
        config,
        trained,
        num_encoded=batch.num_pictures if batch.patches is None else 0,
        num_pictures=batch.num_pictures,
        lengths=torch.bincount(groups).tolist(),
        num_supervised=batch.num_supervised + batch.num_rejected,
        reference=batch.num_pairs > 0,
    )


@lru_cache(maxsize=8)
def measured_peak(device: torch.device, num_threads: int) -> float:
    """Return the operations per second of bf16 matrix products, the best of ten, with as many threads as are set."""
    side = _SIDES.get(device.type, _SIDES["cpu"])
    left = torch.ones(side, side, dtype=torch.bfloat16, device=device)
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        product = left @ left
        float(product[0, 0])  # waits until it is there
        best = min(best, time.perf_counter() - began)
    return 2.0 * side**3 / best
