"""Named model shapes. Sizes only: which recipe trains them, on what, is not known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perceptlm.model.configuration import DecoderConfig, PLMConfig, VisionConfig


def tiny(vocab_size: int, image_token_id: int) -> PLMConfig:
    """Return a model of 7 million parameters, and 256 per token, that trains in minutes on two CPU cores.

    Pictures of 96 x 96 pixels become 16 vision tokens. Every head has 64 channels and the decoder has as many
    key-value heads as heads: both are what runs fastest on a CPU (facts/feasibility.md).
    """
    vision = VisionConfig(image_size=96, patch_size=12, width=192, num_layers=4, num_heads=3)
    decoder = DecoderConfig(
        vocab_size=vocab_size,
        width=192,
        num_layers=6,
        num_heads=3,
        num_kv_heads=3,
        head_dim=64,
        mlp_width=512,
        max_positions=8192,
        rope_theta=10000.0,
        tie_embeddings=True,
    )
    return PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=image_token_id)


PRESETS: Mapping[str, Callable[[int, int], PLMConfig]] = {"tiny": tiny}
"""Presets by name: (vocab_size, image_token_id) -> shape."""
