"""Low-rank adaptation (LoRA, arXiv 2106.09685) of a decoder: small matrices learn what is added to frozen ones.

A linear map W x becomes W x + (alpha / rank) up(down(x)). `down` starts at random and `up` at zero, so an adapted model
begins as what it was; `merged_state` adds the product to W again. Knows no files and no optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from perceptlm import seeding
from perceptlm.model.decoder import Decoder

DOWN, UP = "low_rank_down", "low_rank_up"
Target = Literal["attention", "mlp"]
TARGETS: tuple[Target, ...] = ("attention", "mlp")
_MAPS: dict[Target, tuple[str, ...]] = {"attention": ("attention.qkv", "attention.out"), "mlp": ("gate_up", "down")}


class AdaptedLinear(nn.Linear):
    """A linear map without bias, as it was, and what is learnt to be added. Parameters keep their names."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = base.in_features, base.out_features
        self.register_parameter("bias", None)
        self.weight = base.weight
        self.scale = alpha / rank
        self.is_off = False
        """Whether nothing is added for now."""
        # In fp32 whatever the base is in: they are what is trained, and few.
        empty = torch.empty(rank, base.in_features, device=base.weight.device)
        self.low_rank_down = nn.Parameter(empty)
        self.low_rank_up = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        if self.is_off:
            return functional.linear(x, self.weight)
        down, up = self.low_rank_down.to(x.dtype), self.low_rank_up.to(x.dtype)
        added = functional.linear(functional.linear(x, down), up)
        return functional.linear(x, self.weight) + self.scale * added

    def merged(self) -> Tensor:
        """Return the weight with what was learnt added, (out, in), in the weight's type."""
        added = self.low_rank_up.detach() @ self.low_rank_down.detach()
        return (self.weight.detach().float() + self.scale * added).to(self.weight.dtype)


@torch.no_grad()
def adapt(decoder: Decoder, *, rank: int, alpha: float, seed: int, targets: Sequence[Target] = TARGETS) -> None:
    """Put matrices to learn beside the `targets` of every block, in place; the decoder computes what it did."""
    names = [f"blocks.{layer}.{name}" for layer in range(len(decoder.blocks)) for t in targets for name in _MAPS[t]]
    for name in names:
        base = decoder.get_submodule(name)
        assert isinstance(base, nn.Linear)
        adapted = AdaptedLinear(base, rank, alpha)
        adapted.low_rank_down.copy_(_first_values(name, adapted, seed))
        parent, _, last = name.rpartition(".")
        setattr(decoder.get_submodule(parent), last, adapted)


def first_low_rank_values(model: nn.Module, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield name and first values of everything that `adapt` put into the decoder of `model`, wherever that is."""
    for name, adapted in adapted_maps(model).items():
        yield f"{name}.{DOWN}", _first_values(name.removeprefix("decoder."), adapted, seed)
        yield f"{name}.{UP}", torch.zeros(adapted.low_rank_up.shape)


def _first_values(name: str, adapted: AdaptedLinear, seed: int) -> Tensor:
    shape = tuple(adapted.low_rank_down.shape)
    values = seeding.generator(seed, "low rank", name).standard_normal(shape, dtype="float32")
    return torch.from_numpy(values) / math.sqrt(adapted.in_features)


def adapted_maps(model: nn.Module) -> dict[str, AdaptedLinear]:
    """Return every adapted map of `model` by its name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, AdaptedLinear)}


@contextmanager
def without_low_rank(model: nn.Module) -> Iterator[None]:
    """Within this context `model` computes what it did before it was adapted. Not for passes that take a gradient."""
    maps = adapted_maps(model).values()
    for adapted in maps:
        adapted.is_off = True
    try:
        yield
    finally:
        for adapted in maps:
            adapted.is_off = False


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of `model` as if what was learnt had always been in its weights: names are those without."""
    merged = {f"{name}.weight": module.merged() for name, module in adapted_maps(model).items()}
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith((DOWN, UP))}
    return state | merged
