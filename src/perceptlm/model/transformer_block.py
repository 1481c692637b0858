"""A block of a vision transformer or a text tower: attention, then an MLP of one exact GELU (facts 1.1).

Pictures turn queries and keys by their places and look everywhere; texts look back only. It knows neither.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm.model.attention import attend
from perceptlm.model.rope import rotate

NORM_EPS = 1e-5


class SelfAttention(nn.Module):
    """Self-attention over all tokens or, with a mask, over some."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, turns: Tensor | None, mask: Tensor | None, gain: Tensor | None) -> Tensor:
        """Map (N, P, V) to (N, P, V), queries and keys rotated by `turns`, output channels multiplied by `gain`."""
        qkv = self.qkv(x).unflatten(-1, (3 * self.num_heads, -1))
        queries_keys, values = torch.split(qkv, [2 * self.num_heads, self.num_heads], dim=2)
        turned = queries_keys if turns is None else rotate(queries_keys, turns)
        queries, keys = turned.chunk(2, dim=2)
        return scaled_linear(attend(queries, keys, values, mask), self.out, gain)


class TransformerBlock(nn.Module):
    """x + gain * drop_path(attention(norm(x))), then the same with the MLP."""

    def __init__(
        self, width: int, num_heads: int, mlp_width: int, *, gains: bool = False, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm_1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = SelfAttention(width, num_heads)
        self.norm_2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.fc_1 = nn.Linear(width, mlp_width)
        self.fc_2 = nn.Linear(mlp_width, width)
        self.gain_1 = nn.Parameter(torch.empty(width)) if gains else None
        self.gain_2 = nn.Parameter(torch.empty(width)) if gains else None

    def forward(
        self, x: Tensor, turns: Tensor | None = None, mask: Tensor | None = None, draws: Tensor | None = None
    ) -> Tensor:
        """Map (N, P, V) to (N, P, V); `mask` is additive, (N, 1, P, P); `draws` (N, 2) decide what is dropped."""
        x = x + self._dropped(self.attention(self.norm_1(x), turns, mask, self.gain_1), draws, 0)
        branch = scaled_linear(functional.gelu(self.fc_1(self.norm_2(x))), self.fc_2, self.gain_2)
        return x + self._dropped(branch, draws, 1)

    def _dropped(self, branch: Tensor, draws: Tensor | None, number: int) -> Tensor:
        if not self.training or self.drop_path == 0:
            return branch
        if draws is None:
            raise ValueError("a block that drops paths while it trains needs draws")
        keep = (draws[:, number] >= self.drop_path).to(branch.dtype)[:, None, None]
        return branch * (keep / (1 - self.drop_path))


def scaled_linear(x: Tensor, linear: nn.Linear, gain: Tensor | None) -> Tensor:
    """Return `linear(x) * gain`, the gain (channels,) put into the weights: they are far fewer than the tokens."""
    if gain is None:
        return functional.linear(x, linear.weight, linear.bias)
    return functional.linear(x, linear.weight * gain[:, None], linear.bias * gain)
