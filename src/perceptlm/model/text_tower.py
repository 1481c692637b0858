"""The text tower of PE-Core, and the comparison of texts with pictures (facts 1.1). No part of a PLM.

It knows tokens, not text: those are of CLIP's vocabulary, whose end-of-text token has the highest number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm.model.configuration import TextTowerConfig, VisionConfig
from perceptlm.model.transformer_block import NORM_EPS, TransformerBlock
from perceptlm.model.vision_encoder import VisionTransformer


class TextTower(nn.Module):
    """Tokens to one vector: learned positions, blocks that look back only, a norm, and what stands at the end."""

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.width))
        self.position_embedding = nn.Parameter(torch.empty(config.max_tokens, config.width))
        self.blocks = nn.ModuleList(
            TransformerBlock(config.width, config.num_heads, 4 * config.width) for _ in range(config.num_layers)
        )
        self.norm_post = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.output = nn.Linear(config.width, config.output_width, bias=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Map (N, T) tokens, at most `max_tokens`, to (N, output width), read off at each row's highest token."""
        length = input_ids.shape[1]
        if length > self.config.max_tokens:
            raise ValueError(f"{length} tokens are more than the text tower's {self.config.max_tokens}")
        x: Tensor = functional.embedding(input_ids, self.embedding) + self.position_embedding[:length]
        mask = torch.full((length, length), float("-inf"), dtype=x.dtype, device=x.device).triu(1)[None, None]
        for block in self.blocks:
            x = block(x, mask=mask)
        ends = self.norm_post(x)[torch.arange(len(x), device=x.device), input_ids.argmax(dim=1)]
        vectors: Tensor = self.output(ends)
        return vectors


class PictureTextModel(nn.Module):
    """PE-Core: pictures and texts as vectors of one space."""

    def __init__(self, vision: VisionConfig, text: TextTowerConfig) -> None:
        super().__init__()
        self.vision = VisionTransformer(vision)
        self.text = TextTower(text)
        self.logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, pictures: Tensor, input_ids: Tensor) -> Tensor:
        """Return (N, M): how well each of (N, 3, H, W) pictures goes with each of (M, T) texts, scaled cosines."""
        seen = functional.normalize(self.vision.embed(pictures), dim=-1)
        said = functional.normalize(self.text(input_ids), dim=-1)
        return self.logit_scale.exp() * seen @ said.T
