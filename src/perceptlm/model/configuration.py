"""The shape of a Perception Language Model: vision encoder, projector, decoder, as frozen configurations.

Field names are the house's own; `weights.hf_config` translates to and from the `config.json` that `transformers`
writes. Nothing here knows of files, tokenizers or training.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from perceptlm.batch import VisionLayout
from perceptlm.config import Config

Count = Annotated[int, Field(gt=0)]
NUM_POOL_HEADS = 8
"""Heads that pool, whatever the width."""


class VisionConfig(Config):
    """A PE vision transformer (facts 1.1): pre-norm, full attention, 2D RoPE and learned absolute positions.

    A PLM's vision encoder ends with its last block; PE-Core goes on to one vector per picture.
    """

    image_size: Count
    patch_size: Count
    width: Count
    num_layers: Count
    num_heads: Count
    mlp_ratio: float = Field(default=4.0, gt=0)
    use_cls_token: bool = True
    layer_scale: float | None = Field(default=0.1, description="initial per-channel gain of a branch; None: no gain")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="chance of skipping a branch, equal in all blocks")
    norm_post: bool = Field(default=False, description="a norm after the last block")
    pool: Literal["none", "attention"] = Field(default="none", description="how tokens become one vector")
    output_width: Count | None = Field(
        default=None, description="channels of that vector; None: as many as a token has"
    )

    @model_validator(mode="after")
    def _divides(self) -> VisionConfig:
        if self.width % self.num_heads or (self.width // self.num_heads) % 4:
            raise ValueError(f"width {self.width} over {self.num_heads} heads must give head sizes divisible by 4")
        if self.pool == "attention" and self.width % NUM_POOL_HEADS:
            raise ValueError(f"width {self.width} is not a multiple of the {NUM_POOL_HEADS} heads that pool")
        if self.output_width is not None and self.pool == "none":
            raise ValueError("output_width is that of pooled tokens, and pool is 'none'")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        return self

    @property
    def head_dim(self) -> int:
        """Channels of one head."""
        return self.width // self.num_heads

    @property
    def mlp_width(self) -> int:
        """Hidden channels of a block's MLP."""
        return int(self.width * self.mlp_ratio)

    @property
    def grid_size(self) -> int:
        """Patches along one side of a picture."""
        return self.image_size // self.patch_size


class TextTowerConfig(Config):
    """The text tower that PE-Core was trained beside (facts 1.1): CLIP's."""

    max_tokens: Count
    width: Count
    num_layers: Count
    num_heads: Count
    output_width: Count
    vocab_size: Count = 49408

    @model_validator(mode="after")
    def _divides(self) -> TextTowerConfig:
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        return self


class RopeScaling(Config):
    """Llama-3 stretching of the slow rotary frequencies (facts 1.3)."""

    factor: float = Field(gt=0)
    low_freq_factor: float = Field(default=1.0, gt=0)
    high_freq_factor: float = Field(default=4.0, gt=0)
    original_max_positions: Count = 8192

    @model_validator(mode="after")
    def _ordered(self) -> RopeScaling:
        if self.high_freq_factor <= self.low_freq_factor:
            raise ValueError("high_freq_factor must be above low_freq_factor")
        return self


class DecoderConfig(Config):
    """A Llama 3 decoder (facts 1.3): RMSNorm, rotary positions, grouped-query attention, SwiGLU, no biases."""

    vocab_size: Count
    width: Count
    num_layers: Count
    num_heads: Count
    num_kv_heads: Count
    head_dim: Count
    mlp_width: Count
    max_positions: Count
    norm_eps: float = Field(default=1e-5, gt=0)
    rope_theta: float = Field(default=500000.0, gt=0)
    rope_scaling: RopeScaling | None = None
    tie_embeddings: bool = True

    @model_validator(mode="after")
    def _divides(self) -> DecoderConfig:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads {self.num_heads} is not a multiple of num_kv_heads {self.num_kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd: rotary positions turn pairs of channels")
        return self


class PLMConfig(Config):
    """The whole model. `image_token_id` marks the places in a sequence that vision tokens fill."""

    vision: VisionConfig
    decoder: DecoderConfig
    pooling_ratio: Count = 1
    image_token_id: int = Field(ge=0)
    video_token_id: int | None = Field(default=None, ge=0, description="a second placeholder some tokenizers have")

    @model_validator(mode="after")
    def _consistent(self) -> PLMConfig:
        if self.vision.norm_post or self.vision.pool != "none":
            raise ValueError("vision: a decoder is shown the tokens of the last block, not normed and not pooled")
        if self.vision.grid_size % self.pooling_ratio:
            raise ValueError(
                f"pooling_ratio {self.pooling_ratio} does not divide the {self.vision.grid_size} patches of a side"
            )
        for name in ("image_token_id", "video_token_id"):
            if (getattr(self, name) or 0) >= self.decoder.vocab_size:
                raise ValueError(f"{name} {getattr(self, name)} is outside the vocabulary")
        return self

    @property
    def layout(self) -> VisionLayout:
        """What preprocessing needs to know of the vision encoder."""
        return VisionLayout(
            tile_size=self.vision.image_size, patch_size=self.vision.patch_size, pooling_ratio=self.pooling_ratio
        )
