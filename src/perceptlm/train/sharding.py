"""Sharing out a model over processes (FSDP2): each holds a part of every parameter, its gradient and its moments.

Gradients are summed, not averaged: the loss is divided once, by the supervised tokens of all processes together, so
that it does not matter who had how many. A frozen vision encoder is whole in every process, for what it makes of a
picture is kept and not made again. Knows no data and no files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from perceptlm.model.plm import PerceptionLM
from perceptlm.train.ranks import Ranks


def shard(model: PerceptionLM, ranks: Ranks, *, bf16: bool) -> None:
    """Share out `model`, in place: block by block, and what is in no block together. With one process do nothing.

    What trains must be known by `requires_grad`. Blocks are gathered in bf16 where products are; gradients are summed
    in the type of the parameters.
    """
    if ranks.mesh is None:
        return
    mesh = ranks.mesh if ranks.mesh.size(0) > 1 else ranks.mesh["shares"]
    blocks = list(model.decoder.blocks)
    frozen_vision = not any(parameter.requires_grad for parameter in model.vision_encoder.parameters())
    ignored = set(model.vision_encoder.parameters()) if frozen_vision else set()
    if not frozen_vision:
        blocks = [*model.vision_encoder.blocks, *blocks]
    precision = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None, reduce_dtype=torch.float32 if bf16 else None,
        cast_forward_inputs=False,
    )  # fmt: skip
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=precision)
    # Embeddings, norms and projector stay in fp32: the sum of all that blocks add begins and ends there.
    fully_shard(model, mesh=mesh, ignored_params=ignored)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # all that gloo can do
    for method in ("loss", "pairwise_loss"):
        register_fsdp_forward_method(model, method)
    model.always_looks = True


def forget_gathered(model: nn.Module) -> None:
    """Drop what was gathered for a forward pass without a backward one: the parameters are about to change."""
    if isinstance(model, FSDPModule):
        model.reshard()


@torch.no_grad()
def set_values(parameter: Tensor, values: Tensor) -> None:
    """Give `parameter` the values of a whole tensor, of which this process keeps its share. Nothing is sent."""
    values = values.to(device=parameter.device, dtype=parameter.dtype)
    if isinstance(parameter, DTensor):
        values = distribute_tensor(values, parameter.device_mesh, parameter.placements, src_data_rank=None)
    parameter.copy_(values)


def whole_tensors(model: nn.Module, ranks: Ranks) -> dict[str, Tensor] | None:
    """Return every parameter, whole and on the CPU, in the first process; None in the others, which must ask too."""
    found = {}
    for name, parameter in model.named_parameters():
        value = parameter.detach()
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        if ranks.is_first:
            found[name] = whole.cpu()
    return found if ranks.is_first else None
