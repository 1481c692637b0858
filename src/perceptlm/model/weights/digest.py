"""A name for weights: a digest of their names and values, whatever file or device they are on."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def digest_of_weights(module: nn.Module, about: str) -> str:
    """Return the SHA-256, in hex, of `about` and then of the name and bytes of every tensor of `module`."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
