"""Rotary positions: the turns of the decoder (1D, Llama 3) and of the vision encoder (2D), and the rotation.

In memory neighbouring channels (2j, 2j+1) of a query or key are one complex number, and a position turns it: one
product, in fp32 at least. The vision encoder's files are written for that; the decoder's files pair channel i with
i + d/2 instead, and `weights.rules` reorders them while reading, which changes nothing in products of queries and keys.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from perceptlm.model.configuration import DecoderConfig, RopeScaling

VISION_THETA = 10000.0


def decoder_frequencies(config: DecoderConfig) -> Tensor:
    """Return (head_dim/2,) fp32 radians per position, stretched as Llama 3 does (facts 1.3)."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32, device="cpu") / config.head_dim
    frequencies = 1.0 / config.rope_theta**exponents
    return frequencies if config.rope_scaling is None else _stretched(frequencies, config.rope_scaling)


def _stretched(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    # Fast rotations stay, slow ones are divided by the factor, those between are blended linearly.
    periods = scaling.original_max_positions * frequencies / (2 * math.pi)
    span = scaling.high_freq_factor - scaling.low_freq_factor
    kept = ((periods - scaling.low_freq_factor) / span).clamp(0.0, 1.0)
    return (1 - kept) * frequencies / scaling.factor + kept * frequencies


def decoder_turns(config: DecoderConfig, positions: Tensor) -> Tensor:
    """Return the turns (B, T, 1, d/2), complex, of tokens at `positions` (B, T)."""
    return _turns(positions[..., None].float() * _decoder_frequencies_on(config, positions.device))


@lru_cache(maxsize=8)
def _decoder_frequencies_on(config: DecoderConfig, device: torch.device) -> Tensor:
    # Cached tensors must serve training too, wherever they were first asked for.
    with torch.inference_mode(False):
        return decoder_frequencies(config).to(device)


@lru_cache(maxsize=8)
def vision_turns(head_dim: int, num_rows: int, num_columns: int, use_cls_token: bool, device: torch.device) -> Tensor:
    """Return the 2D turns (P, 1, d/2), complex, of a grid of patches in row-major order (facts 1.1).

    The first half of the channels follows the column, the second half the row. With a cls token, patch positions
    start at 1 and the cls token, first in the sequence, is not turned.
    """
    with torch.inference_mode(False):
        exponents = torch.arange(0, head_dim // 2, 2, dtype=torch.float32, device=device) / (head_dim // 2)
        frequencies = 1.0 / VISION_THETA**exponents
        offset = 1 if use_cls_token else 0
        rows, columns = torch.meshgrid(
            torch.arange(num_rows, dtype=torch.float32, device=device) + offset,
            torch.arange(num_columns, dtype=torch.float32, device=device) + offset,
            indexing="ij",
        )
        angles = torch.cat([columns.reshape(-1, 1) * frequencies, rows.reshape(-1, 1) * frequencies], dim=-1)
        if use_cls_token:
            angles = torch.cat([torch.zeros_like(angles[:1]), angles])
        return _turns(angles)


def _turns(angles: Tensor) -> Tensor:
    """Return e^(i angle) with an axis for the heads: (..., tokens, d/2) to (..., tokens, 1, d/2)."""
    return torch.polar(torch.ones_like(angles), angles)[..., None, :]


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Return `x` (..., tokens, heads, d) turned by `turns` (..., tokens, 1, d/2), in fp32 at least."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    pairs = torch.view_as_complex(wide.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)
