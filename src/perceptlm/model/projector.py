"""The projector: vision encoder patches to vision tokens in the decoder's space (facts 1.2).

A two-layer MLP on every patch, then average pooling over the grid. Knows nothing of either neighbour but its width.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from perceptlm.errors import LayoutError


class Projector(nn.Module):
    """Linear, exact GELU, Linear, average over `pooling_ratio` x `pooling_ratio` patches."""

    def __init__(self, vision_width: int, decoder_width: int, pooling_ratio: int) -> None:
        super().__init__()
        self.pooling_ratio = pooling_ratio
        self.linear_1 = nn.Linear(vision_width, decoder_width)
        self.linear_2 = nn.Linear(decoder_width, decoder_width)

    def forward(self, patches: Tensor) -> Tensor:
        """Map (N, P, V), P a square number, to (N, P / ratio^2, D), both in row-major order."""
        x: Tensor = self.linear_2(functional.gelu(self.linear_1(patches)))
        if self.pooling_ratio == 1:
            return x
        side = math.isqrt(x.shape[1])
        if side * side != x.shape[1] or side % self.pooling_ratio:
            raise LayoutError(f"{x.shape[1]} patches are not a square grid that pooling {self.pooling_ratio} divides")
        pooled_side = side // self.pooling_ratio
        grid = x.reshape(len(x), pooled_side, self.pooling_ratio, pooled_side, self.pooling_ratio, -1)
        return grid.mean(dim=(2, 4)).flatten(1, 2)
