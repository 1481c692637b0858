"""Scaled dot-product attention over heads, with the implementation each device runs best.

On a CPU it is matmul, softmax, matmul: torch's fused kernel is many times slower there in the bf16 backward pass
(facts/feasibility.md). Elsewhere it is torch's fused kernel. Knows nothing of positions, weights or batches.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return (B, T, H*d): for every query, the values weighted by softmax(query . key / sqrt(d) + mask).

    queries (B, T, H, d); keys, values (B, S, K, d), each of the K heads serving H/K consecutive query heads;
    mask additive (B, 1, T, S) or None for full attention.
    """
    attend_here = _attend_by_parts if queries.device.type == "cpu" else _attend_fused
    return attend_here(queries, keys, values, mask)


def _attend_fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    output = functional.scaled_dot_product_attention(
        queries.transpose(1, 2),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=None if mask is None else mask.to(queries.dtype),
        enable_gqa=queries.shape[2] != keys.shape[2],
    )
    return output.transpose(1, 2).flatten(2)


def _attend_by_parts(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    batch, num_queries, num_heads, head_dim = queries.shape
    num_kv_heads = keys.shape[2]
    # Queries of the heads that share a key head stand one after the other, so that keys are never repeated.
    shared = num_heads // num_kv_heads
    grouped = queries.transpose(1, 2).reshape(batch, num_kv_heads, shared * num_queries, head_dim)
    scores = torch.matmul(grouped * head_dim**-0.5, keys.permute(0, 2, 3, 1))
    if mask is not None:
        scores = scores.view(batch, num_heads, num_queries, -1) + mask.to(scores.dtype)
    weights = scores.softmax(dim=-1).view(batch, num_kv_heads, shared * num_queries, -1)
    output = torch.matmul(weights, values.transpose(1, 2))
    return output.view(batch, num_heads, num_queries, head_dim).transpose(1, 2).flatten(2)
