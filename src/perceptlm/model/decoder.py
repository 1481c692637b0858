"""The Llama 3 decoder: embeddings to hidden states (facts 1.3).

It takes embeddings, not tokens, because vision tokens stand among them, and returns normed hidden states, because
most positions never need logits. Knows nothing of pictures, losses or sampling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm.model.attention import attend
from perceptlm.model.configuration import DecoderConfig
from perceptlm.model.kv_cache import Memory
from perceptlm.model.rms_norm import RMSNorm
from perceptlm.model.rope import decoder_turns, rotate
from perceptlm.model.segments import Segments
from perceptlm.model.swiglu import swiglu


class DecoderAttention(nn.Module):
    """Grouped-query self-attention with rotated queries and keys; one product makes queries, keys and values."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads = config.num_heads, config.num_kv_heads
        num_all = config.num_heads + 2 * config.num_kv_heads
        self.qkv = nn.Linear(config.width, num_all * config.head_dim, bias=False)
        self.out = nn.Linear(config.num_heads * config.head_dim, config.width, bias=False)

    def forward(self, x: Tensor, turns: Tensor, sight: Tensor | Segments, cache: Memory | None, layer: int) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        num_turned = self.num_heads + self.num_kv_heads
        qkv = self.qkv(x).unflatten(-1, (num_turned + self.num_kv_heads, -1))
        queries_keys, values = torch.split(qkv, [num_turned, self.num_kv_heads], dim=2)
        queries, keys = torch.split(rotate(queries_keys, turns), [self.num_heads, self.num_kv_heads], dim=2)
        if cache is None:
            found = attend(queries, keys, values, sight)
        else:
            found = cache.attend(layer, queries.to(values.dtype), keys.to(values.dtype), values, sight)
        out: Tensor = self.out(found)
        return out


class DecoderBlock(nn.Module):
    """x + attention(norm(x)), then x + SwiGLU(norm(x)); one product makes gate and up."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_eps)
        self.attention = DecoderAttention(config)
        self.mlp_norm = RMSNorm(config.width, config.norm_eps)
        self.gate_up = nn.Linear(config.width, 2 * config.mlp_width, bias=False)
        self.down = nn.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x: Tensor, turns: Tensor, sight: Tensor | Segments, cache: Memory | None, layer: int) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        x = x + self.attention(self.attention_norm(x), turns, sight, cache, layer)
        branch: Tensor = self.down(swiglu(self.gate_up(self.mlp_norm(x))))
        return x + branch


class Decoder(nn.Module):
    """Token embeddings, blocks, final norm, output."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.width))
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.output = None if config.tie_embeddings else nn.Parameter(torch.empty(config.vocab_size, config.width))

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map tokens (B, T) to (B, T, D)."""
        return functional.embedding(input_ids, self.embedding)

    def forward(self, x: Tensor, positions: Tensor, sight: Tensor | Segments, cache: Memory | None = None) -> Tensor:
        """Map embeddings (B, T, D) at `positions` (B, T) to normed hidden states (B, T, D).

        `sight` is what tokens may look at: Segments, or an additive mask (B, 1, T, S); with a cache, S counts what that
        lets queries look at.
        """
        turns = decoder_turns(self.config, positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, turns, sight, cache, layer)
        hidden: Tensor = self.norm(x)
        return hidden

    @property
    def output_weight(self) -> Tensor:
        """The matrix (vocabulary, D) that makes logits."""
        return self.embedding if self.output is None else self.output

    def logits(self, hidden: Tensor) -> Tensor:
        """Map normed hidden states (..., D) to (..., vocabulary)."""
        return functional.linear(hidden, self.output_weight)
