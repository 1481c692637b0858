"""Which device work runs on: a GPU where there is one, else the CPU."""

from __future__ import annotations

import os

import torch


def best_device() -> torch.device:
    """Return the device to use: of several GPUs, the one that `torchrun` means for this process.

    On a GPU, also ask its matrix library for results that repeat.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
