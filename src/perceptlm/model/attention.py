"""Scaled dot-product attention over heads, with the implementation each device runs best.

On a CPU products are made in fp32 at least: torch's fused kernel is several times faster there than in bf16, keeps no
scores for the gradient, and queries and keys come out of their rotation in fp32 anyway (reports/0009). Elsewhere they
are made in the dtype of the values. Knows nothing of positions, weights or batches.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from perceptlm.model.segments import Segments


def attend(queries: Tensor, keys: Tensor, values: Tensor, sight: Tensor | Segments | None = None) -> Tensor:
    """Return (B, T, H*d), as `values`: for every query, the values weighted by softmax(query . key / sqrt(d) + mask).

    queries (B, T, H, d); keys, values (B, S, K, d), each of the K heads serving H/K consecutive query heads; `sight` is
    an additive mask (B, 1, T, S), None for full attention, or, where S is T, the Segments tokens look around in.
    Queries and keys may be wider than values.
    """
    dtype = values.dtype
    if queries.device.type == "cpu":
        dtype = torch.promote_types(dtype, torch.float32)
    queries, keys, wide_values = (x.to(dtype) for x in (queries, keys, values))
    with torch.autocast(queries.device.type, enabled=False):  # which would make it bf16 again
        if isinstance(sight, Segments):
            found = _by_segment(queries, keys, wide_values, sight)
        else:
            found = _fused(queries, keys, wide_values, mask=sight)
    return found.flatten(2).to(values.dtype)


def _fused(
    queries: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None = None, is_causal: bool = False
) -> Tensor:
    """Return (B, T, H, d)."""
    return functional.scaled_dot_product_attention(
        queries.transpose(1, 2),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=None if mask is None else mask.to(queries.dtype),
        is_causal=is_causal,
        enable_gqa=queries.shape[2] != keys.shape[2],
    ).transpose(1, 2)


def _by_segment(queries: Tensor, keys: Tensor, values: Tensor, segments: Segments) -> Tensor:
    """Return (B, T, H, d), looking only where there is something to see: the cost does not grow with a row's square."""
    lengths = [segment.num_tokens for segment in segments.parts]
    split = (torch.split(x.flatten(0, 1)[None], lengths, dim=1) for x in (queries, keys, values))
    found = []
    for segment, own, own_keys, own_values in zip(segments.parts, *split, strict=True):
        first = segment.num_causal
        if first:
            found.append(_fused(own[:, :first], own_keys[:, :first], own_values[:, :first], is_causal=True))
        if segment.mask is not None:
            found.append(_fused(own[:, first:], own_keys, own_values, mask=segment.mask))
        elif first < segment.num_tokens:
            # The weighted mean of one value. Not zeros: a process that has nothing but padding needs gradients too.
            found.append(own_values[:, first:].repeat_interleave(queries.shape[2] // values.shape[2], dim=2))
    return torch.cat(found, dim=1).view(queries.shape)
