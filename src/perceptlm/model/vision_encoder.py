"""The PE vision transformer: pictures to one token per patch or, in PE-Core, to one vector (facts 1.1).

A PLM is shown the raw residual stream of the last block: no final norm, no cls token, no pooling. It knows nothing
of tiles, frames or text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm.model.attention import attend
from perceptlm.model.configuration import NUM_POOL_HEADS, VisionConfig
from perceptlm.model.rope import vision_turns
from perceptlm.model.transformer_block import NORM_EPS, TransformerBlock


class AttentionPool(nn.Module):
    """One vector of many tokens: what a learned probe finds, x, then x + MLP(norm(x)). The probe is not added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(width))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.fc_1 = nn.Linear(width, 4 * width)
        self.fc_2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, P, V) to (N, V)."""
        width = len(self.probe)
        weight, bias = self.qkv.weight, self.qkv.bias
        query = functional.linear(self.probe, weight[:width], bias[:width]).expand(len(tokens), 1, -1)
        keys, values = functional.linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
        by_head = (len(tokens), -1, NUM_POOL_HEADS, width // NUM_POOL_HEADS)
        found = attend(query.reshape(by_head), keys.reshape(by_head), values.reshape(by_head))
        x: Tensor = self.out(found[:, 0])
        y: Tensor = self.fc_2(functional.gelu(self.fc_1(self.norm(x))))
        return x + y


class VisionTransformer(nn.Module):
    """Patches, positions, blocks and, where the configuration has them, a norm, pooling and an output map."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        num_tokens = config.grid_size**2 + config.use_cls_token
        self.patch_weight = nn.Parameter(torch.empty(config.width, 3, config.patch_size, config.patch_size))
        self.cls_token = nn.Parameter(torch.empty(config.width)) if config.use_cls_token else None
        self.position_embedding = nn.Parameter(torch.empty(num_tokens, config.width))
        self.norm_pre = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                config.width,
                config.num_heads,
                config.mlp_width,
                gains=config.layer_scale is not None,
                drop_path=config.drop_path,
            )
            for _ in range(config.num_layers)
        )
        self.norm_post = nn.LayerNorm(config.width, eps=NORM_EPS) if config.norm_post else None
        self.attention_pool = AttentionPool(config.width) if config.pool == "attention" else None
        self.output = None if config.output_width is None else nn.Linear(config.width, config.output_width, bias=False)

    @property
    def num_path_draws(self) -> int:
        """How many numbers a picture needs, in training, to decide what is dropped."""
        return 2 * self.config.num_layers if self.config.drop_path else 0

    def forward(self, pictures: Tensor, draws: Tensor | None = None) -> Tensor:
        """Map (N, 3, H, W) pictures, normalised to [-1, 1], to (N, P, V), patches in row-major order.

        In training, `draws` (N, num_path_draws), uniform in [0, 1), decide what each picture drops: whoever knows which
        picture it is draws them, so that they do not depend on which others it comes with.
        """
        x = self._tokens(pictures, draws)
        return x[:, 1:] if self.config.use_cls_token else x

    def embed(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) pictures to one vector each, (N, output width); ValueError where nothing pools."""
        if self.attention_pool is None:
            raise ValueError("nothing pools here: there is a vector for every patch, none for a picture")
        pooled: Tensor = self.attention_pool(self._tokens(pictures))
        return pooled if self.output is None else self.output(pooled)

    def _tokens(self, pictures: Tensor, draws: Tensor | None = None) -> Tensor:
        """Return (N, tokens, V), the cls token first where there is one."""
        size = self.config.patch_size
        num_rows, num_columns = pictures.shape[2] // size, pictures.shape[3] // size
        # A convolution whose stride is its kernel is one product over cut-out patches.
        patches = pictures.reshape(len(pictures), 3, num_rows, size, num_columns, size)
        patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(len(pictures), num_rows * num_columns, -1)
        x: Tensor = functional.linear(patches, self.patch_weight.flatten(1))
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.to(x.dtype).expand(len(x), 1, -1), x], dim=1)
        x = self.norm_pre(x + self._positions(num_rows, num_columns).to(x.dtype))
        turns = vision_turns(self.config.head_dim, num_rows, num_columns, self.config.use_cls_token, pictures.device)
        for layer, block in enumerate(self.blocks):
            x = block(x, turns, None, None if draws is None else draws[:, 2 * layer : 2 * layer + 2])
        return x if self.norm_post is None else self.norm_post(x)

    def _positions(self, num_rows: int, num_columns: int) -> Tensor:
        """Return the learned positions (tokens, V), interpolated when the grid is not the one they were made for."""
        grid = self.config.grid_size
        if (num_rows, num_columns) == (grid, grid):
            return self.position_embedding
        return interpolated_positions(self.position_embedding, grid, num_rows, num_columns)


def interpolated_positions(embedding: Tensor, grid: int, num_rows: int, num_columns: int) -> Tensor:
    """Return learned positions (tokens, V) of a square grid for another one, that of a cls token first if there is one.

    Bilinear, corners not aligned, not smoothed first, in fp32 (facts 1.1).
    """
    num_cls = len(embedding) - grid**2
    cls_position, positions = embedding[:num_cls], embedding[num_cls:]
    image = positions.float().T.reshape(1, -1, grid, grid)
    image = functional.interpolate(image, size=(num_rows, num_columns), mode="bilinear", align_corners=False)
    return torch.cat([cls_position, image[0].flatten(1).T.to(positions.dtype)])
