"""First values of every parameter, for models that start from nothing.

Each parameter draws from a stream named after it, so that adding or resizing one never shifts another. Linear maps
keep the size of what passes through them (standard deviation 1/sqrt(inputs)); a common .02 does not learn at
tiny widths (facts/feasibility.md). It knows parameter names and shapes, not how they are used.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from perceptlm import seeding
from perceptlm.model.configuration import PLMConfig

POSITION_STD = 0.2
"""Size of learned positions and the cls token, beside patch vectors of size about 0.5."""
_TRUNCATION = 3.0


def initialise(model: nn.Module, config: PLMConfig, seed: int) -> None:
    """Fill every parameter of a PerceptionLM of shape `config`, in place."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(first_values(name, tuple(parameter.shape), config, seed)))


def first_values(name: str, shape: tuple[int, ...], config: PLMConfig, seed: int) -> NDArray[np.float32]:
    """Return the first values of the parameter `name`."""
    constant = _constant(name, config)
    if constant is not None:
        return np.full(shape, constant, dtype=np.float32)
    generator = seeding.generator(seed, "initialise", name)
    values = generator.standard_normal(shape, dtype=np.float32)
    if name.startswith("projector."):
        while (outside := np.abs(values) > _TRUNCATION).any():
            values[outside] = generator.standard_normal(int(outside.sum()), dtype=np.float32)
    return values * np.float32(_deviation(name, shape, config))


def _constant(name: str, config: PLMConfig) -> float | None:
    """Return the one value of a norm, gain or bias, or None where values are drawn."""
    if name == "decoder.norm.weight" and config.decoder.tie_embeddings:
        # Logits start with a deviation of 1 although embeddings are larger than an output matrix would be.
        return 1.0 / (math.sqrt(config.decoder.width) * _embedding_std(config))
    if "norm" in name:
        return 0.0 if name.endswith("bias") else 1.0
    if name.endswith(("gain_1", "gain_2")):
        return config.vision.layer_scale
    if name.endswith("bias") and not name.startswith("projector."):
        return 0.0
    return None


def _deviation(name: str, shape: tuple[int, ...], config: PLMConfig) -> float:
    """Return the standard deviation a parameter is drawn with."""
    if name.startswith("projector."):
        return 1.0 / math.sqrt(config.decoder.width)
    if name in ("vision_encoder.position_embedding", "vision_encoder.cls_token"):
        return POSITION_STD
    if name == "decoder.embedding":
        return _embedding_std(config)
    fan_in = 1.0 / math.sqrt(math.prod(shape[1:]))
    # What is added to the residual stream starts smaller the more layers add to it.
    if name.startswith("decoder.") and name.endswith((".out.weight", ".down.weight")):
        return fan_in / math.sqrt(2 * config.decoder.num_layers)
    if config.vision.layer_scale is None and name.endswith((".out.weight", ".fc_2.weight")):
        return fan_in / math.sqrt(2 * config.vision.num_layers)
    return fan_in


def _embedding_std(config: PLMConfig) -> float:
    # Between 1, the size of what the decoder's layers add, and 1/sqrt(width), right for a tied output.
    return float(config.decoder.width**-0.25)
