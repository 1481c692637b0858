"""What a stage of training will take, from shapes alone: parameters, floating-point operations, memory, hours.

Operations are counted as in the literature: two for each weight and token forward, as many again for the gradient of
what comes in and for that of the weights, attention's products beside them, one more forward where activations are
computed again instead of kept, and one for the reference where pairs of answers are learnt from. Nothing is run and no
weight is allocated. Memory is counted in `rank_memory`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perceptlm.errors import UsageError
from perceptlm.train.configuration import Part
from perceptlm.train.rank_memory import RankMemory, Workload, rank_memory, sizes_of

if TYPE_CHECKING:
    from perceptlm.model.configuration import PLMConfig


@dataclass(frozen=True)
class Forecast:
    """`flops` are of one step; memory is that of a rank with the mean sample, and with the one that takes most."""

    num_parameters: dict[str, int]
    num_trained: int
    tokens_per_step: float
    vision_flops: float
    text_flops: float
    memory: RankMemory
    most_memory: RankMemory
    num_steps: int
    hours: float
    pairs_per_step: float = 0.0
    """Answers that are held against rejected ones, where the data was looked at."""

    @property
    def flops(self) -> float:
        """Operations of one step, all ranks."""
        return self.vision_flops + self.text_flops


def forecast(
    config: PLMConfig,
    trained: Collection[Part],
    workload: Workload,
    *,
    largest: Workload | None = None,
    samples_per_step: int,
    num_steps: int,
    num_ranks: int,
    num_copies: int = 1,
    samples_per_rank: int,
    flops_per_second: float,
    reference: bool = False,
) -> Forecast:
    """Return what a stage takes on `num_ranks` ranks that each do `flops_per_second` of useful operations.

    The model is held `num_copies` times, each shared out over ranks; a rank works on `samples_per_rank` samples at a
    time, of which `largest` is the one that takes most, and keeps what enters each block, computing the rest again.
    With `reference` each is read without low-rank matrices too. UsageError where copies do not divide ranks.
    """
    import torch

    from perceptlm.model.plm import PerceptionLM
    from perceptlm.train.vision_features import MAX_BYTES

    if num_copies < 1 or num_ranks % num_copies:
        raise UsageError(f"{num_ranks} GPUs cannot hold {num_copies} copies", hint="choose a number that divides")
    with torch.device("meta"):
        model = PerceptionLM(config)
    sizes = sizes_of(model)
    counts = sizes.parts
    num_trained = sum(count for part, count in counts.items() if part in trained)
    vision = samples_per_step * workload.num_pictures * _vision_flops(config, "vision_encoder" in trained)
    vision += samples_per_step * workload.num_pictures * _projector_flops(config)
    text = samples_per_step * _text_flops(config, workload, "decoder" in trained, reference)
    num_patches = samples_per_step * num_steps * workload.num_pictures * config.vision.grid_size**2
    memory, most_memory = (
        rank_memory(
            config,
            sizes,
            trained,
            shown,
            num_ranks=num_ranks,
            num_copies=num_copies,
            samples=samples_per_rank,
            kept_features=min(MAX_BYTES, 2 * config.vision.width * num_patches),
        )
        for shown in (workload, largest or workload)
    )
    return Forecast(
        num_parameters=counts,
        num_trained=num_trained,
        tokens_per_step=samples_per_step * workload.num_tokens,
        vision_flops=vision,
        text_flops=text,
        memory=memory,
        most_memory=most_memory,
        num_steps=num_steps,
        hours=(vision + text) * num_steps / (num_ranks * flops_per_second) / 3600,
    )


def flops_of(
    config: PLMConfig,
    trained: Collection[Part],
    *,
    num_encoded: int,
    num_pictures: int,
    lengths: Sequence[int],
    num_supervised: int,
    reference: bool = False,
) -> float:
    """Return the operations that training on a batch is worth, with nothing computed twice.

    `num_encoded` of its `num_pictures` go through the vision encoder; `lengths` are the tokens of its Examples.
    """
    flops = num_encoded * _vision_flops(config, "vision_encoder" in trained, recomputed=False)
    flops += num_pictures * _projector_flops(config)
    flops += sum(_block_flops(config, length, "decoder" in trained, recomputed=False) for length in lengths)
    if reference:
        flops += _reference_flops(config, lengths, num_supervised)
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


def _text_flops(config: PLMConfig, workload: Workload, trained: bool, reference: bool) -> float:
    """Return the operations for one sample in the decoder; logits are made where there is loss."""
    blocks = _block_flops(config, workload.num_tokens, trained, recomputed=True)
    before = _reference_flops(config, [workload.num_tokens], workload.num_supervised) if reference else 0.0
    return before + blocks + _logit_flops(config, workload.num_supervised, trained)


def _reference_flops(config: PLMConfig, lengths: Iterable[float], num_supervised: float) -> float:
    """Return the operations of a pass without gradient: blocks for Examples of these lengths, and logits."""
    blocks = sum(_forward_flops(config, length) for length in lengths)
    return blocks + 2.0 * config.decoder.width * config.decoder.vocab_size * num_supervised


def _block_flops(config: PLMConfig, num_tokens: float, trained: bool, *, recomputed: bool) -> float:
    """Return the operations of the decoder's blocks for one Example."""
    return _passes(trained=trained, passed_through=True, recomputed=recomputed) * _forward_flops(config, num_tokens)


def _forward_flops(config: PLMConfig, num_tokens: float) -> float:
    decoder = config.decoder
    heads = decoder.num_heads * decoder.head_dim
    weights = decoder.width * (2 * heads + 2 * decoder.num_kv_heads * decoder.head_dim + 3 * decoder.mlp_width)
    # A token looks at half of the others, on average.
    attention = 2 * num_tokens**2 * heads
    return decoder.num_layers * (2.0 * weights * num_tokens + attention)


def _logit_flops(config: PLMConfig, num_supervised: float, trained: bool) -> float:
    return (3 if trained else 2) * 2.0 * config.decoder.width * config.decoder.vocab_size * num_supervised
