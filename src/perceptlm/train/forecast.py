"""What a stage of training will take, from shapes alone: parameters, floating-point operations, memory, hours.

Operations are counted as in the literature: two for each weight and token forward, as many again for the gradient of
what comes in and for that of the weights, attention's products beside them, and one more forward where activations are
computed again instead of kept. Nothing is run and no weight is allocated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perceptlm.train.configuration import Part

if TYPE_CHECKING:
    from perceptlm.model.configuration import PLMConfig

_MASTER_BYTES, _MOMENT_BYTES, _GRADIENT_BYTES, _COPY_BYTES = 4, 8, 4, 2
"""For each trained parameter: fp32, two fp32 moments of AdamW, fp32 gradient, and bf16 to compute with."""
_KEPT_BYTES = 2


@dataclass(frozen=True)
class Workload:
    """The mean sample of a stage: pictures (tiles or frames), tokens with theirs, and tokens that carry loss."""

    num_pictures: float
    num_tokens: float
    num_supervised: float


@dataclass(frozen=True)
class Forecast:
    """`flops` are of one step; memory is that of a rank, without what the allocator wastes."""

    num_parameters: dict[str, int]
    num_trained: int
    tokens_per_step: float
    vision_flops: float
    text_flops: float
    state_bytes: float
    activation_bytes: float
    num_steps: int
    hours: float

    @property
    def flops(self) -> float:
        """Operations of one step, all ranks."""
        return self.vision_flops + self.text_flops


def forecast(
    config: PLMConfig,
    trained: Collection[Part],
    workload: Workload,
    *,
    samples_per_step: int,
    num_steps: int,
    num_ranks: int,
    samples_per_rank: int,
    flops_per_second: float,
) -> Forecast:
    """Return what a stage takes on `num_ranks` ranks that each do `flops_per_second` of useful operations.

    Weights, gradients and moments are shared out over all ranks; a rank works on `samples_per_rank` samples at a time
    and keeps what enters each block, computing the rest again.
    """
    import torch

    from perceptlm.model.plm import PerceptionLM

    with torch.device("meta"):
        model = PerceptionLM(config)
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + parameter.numel()
    num_trained = sum(count for part, count in counts.items() if part in trained)
    vision = samples_per_step * workload.num_pictures * _vision_flops(config, "vision_encoder" in trained)
    vision += samples_per_step * workload.num_pictures * _projector_flops(config)
    text = samples_per_step * _text_flops(config, workload, "decoder" in trained)
    frozen = sum(counts.values()) - num_trained
    state = num_trained * (_MASTER_BYTES + _MOMENT_BYTES + _GRADIENT_BYTES + _COPY_BYTES) + frozen * _COPY_BYTES
    return Forecast(
        num_parameters=counts,
        num_trained=num_trained,
        tokens_per_step=samples_per_step * workload.num_tokens,
        vision_flops=vision,
        text_flops=text,
        state_bytes=state / num_ranks,
        activation_bytes=samples_per_rank * _kept_bytes(config, workload, trained),
        num_steps=num_steps,
        hours=(vision + text) * num_steps / (num_ranks * flops_per_second) / 3600,
    )


def flops_of(
    config: PLMConfig,
    trained: Collection[Part],
    *,
    num_encoded: int,
    num_pictures: int,
    lengths: Iterable[int],
    num_supervised: int,
) -> float:
    """Return the operations that training on a batch is worth, with nothing computed twice.

    `num_encoded` of its `num_pictures` go through the vision encoder; `lengths` are the tokens of its Examples.
    """
    flops = num_encoded * _vision_flops(config, "vision_encoder" in trained, recomputed=False)
    flops += num_pictures * _projector_flops(config)
    flops += sum(_block_flops(config, length, "decoder" in trained, recomputed=False) for length in lengths)
    return flops + _logit_flops(config, num_supervised, "decoder" in trained)


def _passes(*, trained: bool, passed_through: bool, recomputed: bool) -> int:
    """Return how many forwards a part costs: itself, again before the gradient, what comes in, its weights."""
    if not (trained or passed_through):
        return 1
    return 2 + trained + recomputed


def _vision_flops(config: PLMConfig, trained: bool, *, recomputed: bool = True) -> float:
    """Return the operations for one picture in the vision encoder."""
    vision = config.vision
    num_tokens = vision.grid_size**2 + vision.use_cls_token
    weights = vision.num_layers * (4 * vision.width**2 + 2 * vision.width * vision.mlp_width)
    weights += 3 * vision.patch_size**2 * vision.width
    attention = vision.num_layers * 4 * num_tokens**2 * vision.width
    passes = _passes(trained=trained, passed_through=False, recomputed=recomputed)
    return passes * (2.0 * weights * num_tokens + attention)


def _projector_flops(config: PLMConfig) -> float:
    """Return the operations for one picture in the projector, which every stage trains, on every patch."""
    width = config.decoder.width
    return 3 * 2.0 * (config.vision.width * width + width**2) * config.vision.grid_size**2


def _text_flops(config: PLMConfig, workload: Workload, trained: bool) -> float:
    """Return the operations for one sample in the decoder; logits are made where there is loss."""
    blocks = _block_flops(config, workload.num_tokens, trained, recomputed=True)
    return blocks + _logit_flops(config, workload.num_supervised, trained)


def _block_flops(config: PLMConfig, num_tokens: float, trained: bool, *, recomputed: bool) -> float:
    """Return the operations of the decoder's blocks for one Example."""
    decoder = config.decoder
    heads = decoder.num_heads * decoder.head_dim
    weights = decoder.width * (2 * heads + 2 * decoder.num_kv_heads * decoder.head_dim + 3 * decoder.mlp_width)
    # A token looks at half of the others, on average.
    attention = 2 * num_tokens**2 * heads
    passes = _passes(trained=trained, passed_through=True, recomputed=recomputed)
    return passes * decoder.num_layers * (2.0 * weights * num_tokens + attention)


def _logit_flops(config: PLMConfig, num_supervised: float, trained: bool) -> float:
    return (3 if trained else 2) * 2.0 * config.decoder.width * config.decoder.vocab_size * num_supervised


def _kept_bytes(config: PLMConfig, workload: Workload, trained: Collection[Part]) -> float:
    """Return the bytes one sample keeps for its gradient: what enters each block, one block computed again, logits."""
    decoder, vision = config.decoder, config.vision
    per_token = decoder.width * decoder.num_layers + 3 * decoder.mlp_width + 8 * decoder.width
    kept = workload.num_tokens * per_token * _KEPT_BYTES
    kept += workload.num_supervised * decoder.vocab_size * 4
    patches = workload.num_pictures * vision.grid_size**2
    if "vision_encoder" in trained:
        kept += patches * (vision.width * vision.num_layers + 2 * vision.mlp_width + 8 * vision.width) * _KEPT_BYTES
    return kept + patches * 2 * decoder.width * _KEPT_BYTES
