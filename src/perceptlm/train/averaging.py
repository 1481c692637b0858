"""A running mean of the weights (EMA), which is published in their place. Knows no optimiser and no files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class RunningMean:
    """The mean of every trained parameter, that forgets at rate `decay`; it starts as what the parameters are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self._means = {name: value.detach().clone() for name, value in self._parameters.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Return the means by name, to be saved or filled."""
        return {f"mean:{name}": mean for name, mean in self._means.items()}

    @torch.no_grad()
    def update(self, num_steps: int) -> None:
        """Take in the weights after `num_steps` steps; the first ones forget faster, or the start would stay."""
        decay = min(self._decay, (1 + num_steps) / (10 + num_steps))
        for name, mean in self._means.items():
            mean.lerp_(self._parameters[name].detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the means for weights within this context."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, mean in self._means.items():
            kept = mean.clone()
            mean.copy_(self._parameters[name])
            self._parameters[name].copy_(kept)
