"""What a process holds while it trains, from shapes alone: its share of the model, what is gathered, activations.

`tests/train/test_plan_at_scale.py` holds it against what is allocated: shares over 256 processes that only seem to be
there, gathered blocks and activations of smaller models on the CPU. bf16 products, FSDP2 as `sharding` sets it up,
activations computed again in full, fused attention. Not counted: what an allocator wastes, what nccl keeps, workspaces.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perceptlm.train.configuration import Part

if TYPE_CHECKING:
    from perceptlm.model.configuration import DecoderConfig, PLMConfig, VisionConfig
    from perceptlm.model.plm import PerceptionLM

_FP32, _BF16 = 4, 2
_FORWARD, _PASSING, _TRAINED = 6, 4, 10
"""Bytes for each parameter of the block at work. Forward: the block, what it was gathered into, the next one, in bf16.
Backward: two of these; where it trains also gradients in bf16, and in fp32 those of the block before, being summed."""
_LOGIT_BYTES = 6
"""For each logit that is there, which is made in bf16 and taken on in fp32."""
_LOGITS_AT_A_TIME = 2**25
"""As `model.token_loss` makes them."""


@dataclass(frozen=True)
class Workload:
    """A sample of a stage: pictures (tiles or frames), tokens with theirs, and tokens that carry loss."""

    num_pictures: float
    num_tokens: float
    num_supervised: float


@dataclass(frozen=True)
class RankMemory:
    """Bytes. State stays; the other two are those of the moment at which they are most together."""

    state_bytes: float
    gathered_bytes: float
    activation_bytes: float

    @property
    def total_bytes(self) -> float:
        """All of it."""
        return self.state_bytes + self.gathered_bytes + self.activation_bytes


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters: of the parts, of one block of each, and of what is in no block (`root`), by part.

    `output` is the matrix that makes logits, which may be that of the embeddings.
    """

    parts: dict[str, int]
    vision_block: int
    decoder_block: int
    root: dict[str, int]
    output: int


def sizes_of(model: PerceptionLM) -> Sizes:
    """Count the parameters of a model, which may be on `meta`."""
    parts: dict[str, int] = {}
    root: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = name.partition(".")[0]
        parts[part] = parts.get(part, 0) + parameter.numel()
        if not name.startswith(f"{part}.blocks."):
            root[part] = root.get(part, 0) + parameter.numel()
    vision, decoder = (
        sum(parameter.numel() for parameter in blocks[0].parameters())
        for blocks in (model.vision_encoder.blocks, model.decoder.blocks)
    )
    return Sizes(parts, vision, decoder, root, model.config.decoder.vocab_size * model.config.decoder.width)


def rank_memory(
    config: PLMConfig,
    sizes: Sizes,
    trained: Collection[Part],
    workload: Workload,
    *,
    num_ranks: int,
    num_copies: int = 1,
    samples: int = 1,
    kept_features: float = 0,
) -> RankMemory:
    """Return what a rank holds that works on `samples` samples at a time, each alone in its row.

    The model is held `num_copies` times, each shared out over `num_ranks / num_copies`. A frozen vision encoder is
    whole, and at most `kept_features` bytes of what it makes of pictures stay.
    """
    state = _state_bytes(sizes, trained, num_ranks // num_copies)
    if "vision_encoder" not in trained:
        state += kept_features
    moments = _moments(config, sizes, trained, workload, samples)
    if num_ranks == 1:
        # Nothing is gathered, but every weight that trains has a copy in bf16 from its first use to the loss.
        copies = _BF16 * sum(sizes.parts[part] for part in trained)
        at_loss = moments[0][1]
        moments = [(0.0, held) for _, held in moments] + [(copies, at_loss)]
    gathered, activations = max(moments, key=sum)
    return RankMemory(state, gathered, activations)


def _state_bytes(sizes: Sizes, trained: Collection[Part], num_shares: int) -> float:
    """Return weights in fp32, frozen ones too; gradients in fp32 and the two moments of AdamW of those that train."""
    shared = whole = 0.0
    for part, count in sizes.parts.items():
        if part in trained:
            shared += count * 4 * _FP32
        elif part == "vision_encoder":
            whole += count * _FP32
        else:
            shared += count * _FP32
    return whole + shared / num_shares


def _moments(
    config: PLMConfig, sizes: Sizes, trained: Collection[Part], workload: Workload, samples: int
) -> list[tuple[float, float]]:
    """Return (gathered, activations) in bytes at the loss, as a pass begins and ends, and in a block of either part."""
    sees = "vision_encoder" in trained
    root = _FP32 * sum(count for part, count in sizes.root.items() if part != "vision_encoder" or sees)
    logit_gradients = sizes.output * ("decoder" in trained)
    vision = samples * _kept_by_vision(config, workload) * sees
    kept = samples * (_kept_by_projector(config, workload) + _kept_by_decoder(config.decoder, workload)) + vision
    num_logits = min(_LOGITS_AT_A_TIME, samples * workload.num_supervised * config.decoder.vocab_size)
    used = samples * workload.num_tokens * _bytes_in_decoder_block(config.decoder)
    per_weight = _TRAINED if "decoder" in trained else _PASSING
    moments = [
        (root + _BF16 * sizes.output + (_BF16 + _FP32) * logit_gradients, kept + _LOGIT_BYTES * num_logits),
        (2.0 * root, 0.0),
        # Gradients of embeddings beside those of the logits' matrix; if they are one, their sum as well.
        (root + (2.0 + config.decoder.tie_embeddings) * _FP32 * logit_gradients, 0.0),
        (root + _FORWARD * sizes.decoder_block, kept),
        (root + _FP32 * logit_gradients + per_weight * sizes.decoder_block, kept + used),
    ]
    if sees:
        gradients = _FP32 * (logit_gradients + sizes.root["projector"])
        used = samples * workload.num_pictures * _vision_tokens(config.vision) * _bytes_in_vision_block(config.vision)
        moments.append((root + gradients + _TRAINED * sizes.vision_block, vision + used))
    return moments


def _vision_tokens(vision: VisionConfig) -> int:
    return vision.grid_size**2 + vision.use_cls_token


def _kept_by_vision(config: PLMConfig, workload: Workload) -> float:
    """Return what a trained vision encoder keeps of a sample: pictures, patches, and in fp32 what enters each block."""
    vision = config.vision
    patches = 3 * vision.patch_size**2 * vision.grid_size**2 * (_FP32 + _BF16)
    tokens = _vision_tokens(vision) * vision.width * (_FP32 * vision.num_layers + _BF16)
    return workload.num_pictures * (patches + tokens)


def _kept_by_projector(config: PLMConfig, workload: Workload) -> float:
    """Return what the projector keeps of a sample: its input, twice its hidden values, and what it returns."""
    per_patch = _BF16 * (config.vision.width + 2 * config.decoder.width)
    returned = (_BF16 + _FP32) * config.decoder.width / config.pooling_ratio**2
    return workload.num_pictures * config.vision.grid_size**2 * (per_patch + returned)


def _kept_by_decoder(decoder: DecoderConfig, workload: Workload) -> float:
    """Return what the decoder keeps: in fp32 what enters each block and the last norm, its output, and the mask."""
    per_token = decoder.width * (_FP32 * (decoder.num_layers + 1) + _BF16)
    return workload.num_tokens * per_token + _BF16 * workload.num_tokens**2


def _bytes_in_decoder_block(decoder: DecoderConfig) -> float:
    """Return the most that a token takes in a block that is computed again and differentiated: counted, not derived."""
    heads = (8.0 * decoder.num_heads + 6.0 * decoder.num_kv_heads) * decoder.head_dim
    return 12.0 * decoder.mlp_width + 2.0 * decoder.width + heads


def _bytes_in_vision_block(vision: VisionConfig) -> float:
    """Return the same for a block of the vision encoder."""
    return 6.0 * vision.mlp_width + 30.0 * vision.width
