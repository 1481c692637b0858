"""First values with which attention compares contents: a decoder then finds things by name from its first lesson on.

In some heads of every block queries and keys start as the same map, so that a token looks at tokens like it, and what
is read there is written back unchanged ("mimetic initialisation", Trockman and Kolter, arXiv 2305.09828). From wholly
random values the tiny decoder needs a thousand updates before it looks anything up (docs/reports/0003).
"""

from __future__ import annotations

import torch

from perceptlm.model.decoder import Decoder, DecoderBlock

NUM_HEADS = 2
_MATCH, _COPY = 0.6, 0.5


def set_matching_heads(decoder: Decoder) -> None:
    """Make the first heads of every block compare and copy, in place; needs as many key-value heads as heads."""
    config = decoder.config
    if config.num_kv_heads != config.num_heads:
        raise ValueError("matching heads need a key-value head for every head")
    with torch.no_grad():
        for block in decoder.blocks:
            assert isinstance(block, DecoderBlock)
            attention = block.attention
            heads = attention.qkv.weight.view(3, config.num_heads, config.head_dim, config.width)
            for head in range(min(NUM_HEADS, config.num_heads)):
                queries, keys, values = heads[:, head]
                queries.mul_(_MATCH**0.5)
                keys.copy_(queries)
                rows = slice(head * config.head_dim, (head + 1) * config.head_dim)
                attention.out.weight[:, rows] = _COPY * values.T
