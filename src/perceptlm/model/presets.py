"""Named model shapes. Sizes only: which recipe trains them, on what, is not known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perceptlm.model.configuration import DecoderConfig, PLMConfig, RopeScaling, VisionConfig
from perceptlm.model.perception_encoders import PERCEPTION_ENCODERS

_LLAMA_VOCAB_SIZE, _IMAGE_TOKEN, _VIDEO_TOKEN = 128256, 128002, 128003
_SMOLLM2_VOCAB_SIZE = 49152


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


def starter(vocab_size: int = _SMOLLM2_VOCAB_SIZE, image_token_id: int = 3) -> PLMConfig:
    """Return PE-Core S before SmolLM2-135M: pretrained parts that one small GPU trains, or a CPU with patience.

    Pictures of 384 x 384 pixels become 144 vision tokens. Vision encoder and decoder have the shapes of their releases;
    the encoder's norm, pooling and output map are left out. Token 3 is one of SmolLM2's special ones that no chat uses.
    """
    vision = PERCEPTION_ENCODERS["PE-Core-S16-384"].model_copy(
        update={"norm_post": False, "pool": "none", "output_width": None}
    )
    decoder = DecoderConfig(
        vocab_size=vocab_size,
        width=576,
        num_layers=30,
        num_heads=9,
        num_kv_heads=3,
        head_dim=64,
        mlp_width=1536,
        max_positions=8192,
        rope_theta=100000.0,
        tie_embeddings=True,
    )
    return PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=image_token_id)


def plm_1b(vocab_size: int = _LLAMA_VOCAB_SIZE, image_token_id: int = _IMAGE_TOKEN) -> PLMConfig:
    """Return the shape of Perception-LM-1B: 23 blocks of PE-L before Llama 3.2 1B (facts 1.3)."""
    decoder = _llama(vocab_size, width=2048, num_layers=16, num_heads=32, head_dim=64, mlp_width=8192)
    return _plm("PE-Lang-L14-448", decoder, image_token_id)


def plm_3b(vocab_size: int = _LLAMA_VOCAB_SIZE, image_token_id: int = _IMAGE_TOKEN) -> PLMConfig:
    """Return the shape of Perception-LM-3B: 23 blocks of PE-L before Llama 3.2 3B (facts 1.3)."""
    decoder = _llama(vocab_size, width=3072, num_layers=28, num_heads=24, head_dim=128, mlp_width=8192)
    return _plm("PE-Lang-L14-448", decoder, image_token_id)


def plm_8b(vocab_size: int = _LLAMA_VOCAB_SIZE, image_token_id: int = _IMAGE_TOKEN) -> PLMConfig:
    """Return the shape of Perception-LM-8B: 47 blocks of PE-G before Llama 3.1 8B (facts 1.3).

    Its positions are not stretched, as in the published training configuration; Llama 3.1 itself stretches by 8. What a
    checkpoint's own configuration says is what is read with it.
    """
    decoder = _llama(vocab_size, width=4096, num_layers=32, num_heads=32, head_dim=128, mlp_width=14336)
    decoder = decoder.model_copy(update={"rope_scaling": None, "tie_embeddings": False})
    return _plm("PE-Lang-G14-448", decoder, image_token_id)


def _llama(
    vocab_size: int, *, width: int, num_layers: int, num_heads: int, head_dim: int, mlp_width: int
) -> DecoderConfig:
    """Return a Llama 3.2 decoder; 11,520 positions hold a thumbnail, 36 tiles and 2,000 tokens of text."""
    return DecoderConfig(
        vocab_size=vocab_size,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=8,
        head_dim=head_dim,
        mlp_width=mlp_width,
        max_positions=11520,
        rope_theta=500000.0,
        rope_scaling=RopeScaling(factor=32.0),
        tie_embeddings=True,
    )


def _plm(encoder: str, decoder: DecoderConfig, image_token_id: int) -> PLMConfig:
    return PLMConfig(
        vision=PERCEPTION_ENCODERS[encoder],
        decoder=decoder,
        pooling_ratio=2,
        image_token_id=image_token_id,
        video_token_id=_VIDEO_TOKEN if decoder.vocab_size > _VIDEO_TOKEN else None,
    )


PRESETS: Mapping[str, Callable[[int, int], PLMConfig]] = {
    "tiny": tiny,
    "starter": starter,
    "plm_1b": plm_1b,
    "plm_3b": plm_3b,
    "plm_8b": plm_8b,
}
"""Presets by name: (vocab_size, image_token_id) -> shape. All but `tiny` know their own."""
