"""Activation checkpointing: computing again for the gradient what would otherwise be kept from the forward pass.

`full` keeps what enters a block and nothing else; `selective` keeps the matrix products too, which take the time, and
computes the rest again. Results are the same to the last bit. Knows no data and no processes.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from perceptlm.model.plm import PerceptionLM

Recompute = Literal["none", "selective", "full"]
_PRODUCTS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
}


def recompute(model: PerceptionLM, how: Recompute) -> None:
    """Have every block of decoder and vision encoder computed again as `how` says, in place. Once for a model."""
    if how == "none":
        return
    contexts: dict[str, Any] = {}
    if how == "selective":
        contexts["context_fn"] = partial(create_selective_checkpoint_contexts, _keep_products)
    for block in (*model.vision_encoder.blocks, *model.decoder.blocks):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False, **contexts)


def _keep_products(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operation in _PRODUCTS else CheckpointPolicy.PREFER_RECOMPUTE
