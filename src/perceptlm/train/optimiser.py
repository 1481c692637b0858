"""AdamW over the trained parts, each with its own learning rate; frozen parts take no gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from perceptlm.errors import ConfigError, TrainingError
from perceptlm.model.low_rank import DOWN, UP
from perceptlm.train.configuration import StageConfig


def freeze_and_group(model: nn.Module, config: StageConfig) -> list[dict[str, Any]]:
    """Set `requires_grad` by part and return optimiser groups {params, names, peak_lr, weight_decay}."""
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    found = set()
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        found.add(part)
        rate = config.learning_rates.get(part)  # type: ignore[call-overload]
        if config.low_rank is not None and part == "decoder" and not name.endswith((DOWN, UP)):
            rate = None
        parameter.requires_grad_(rate is not None)
        if rate is None:
            continue
        decayed = config.optimiser.decay_all or (parameter.ndim >= 2 and "embed" not in name)
        decay = config.optimiser.weight_decay if decayed else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "names": [], "peak_lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
        group["names"].append(name)
    missing = set(config.learning_rates) - found
    if missing:
        raise ConfigError(f"learning_rates names parts the model does not have: {', '.join(sorted(missing))}")
    return list(groups.values())


def make_optimiser(model: nn.Module, config: StageConfig) -> torch.optim.AdamW:
    """Return AdamW over the parts that train."""
    settings = config.optimiser
    groups = freeze_and_group(model, config)
    return torch.optim.AdamW(groups, lr=0.0, betas=settings.betas, eps=settings.eps, fused=True)


def set_learning_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Give every group `factor` times its peak rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * factor


def take_step(
    optimiser: torch.optim.Optimizer, loss: Tensor, max_grad_norm: float, *, where: str
) -> tuple[float, float]:
    """Do one update against `loss`; return its value and the gradient's norm before clipping.

    Gradients of the step before must be gone. Raises TrainingError naming `where`, before anything is changed, if
    loss or gradient is not finite.
    """
    loss.backward()  # type: ignore[no-untyped-call]
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    norm = float(torch.nn.utils.clip_grad_norm_(trained, max_grad_norm))
    value = float(loss.detach())
    if not (math.isfinite(value) and math.isfinite(norm)):
        raise TrainingError(
            f"{where}: loss {value}, gradient norm {norm}",
            hint="lower the learning rates or lengthen the warm-up; the last saved state is kept",
        )
    optimiser.step()
    return value, norm


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimiser's state as named tensors: `PARAMETER:exp_avg`, `:exp_avg_sq`, `:step`."""
    tensors = {}
    for group in optimiser.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"{name}:{key}"] = value
    return tensors


def load_optimiser_tensors(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `optimiser_tensors` returned."""
    for group in optimiser.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            for key, value in tensors.items():
                owner, _, kind = key.rpartition(":")
                if owner == name:
                    optimiser.state[parameter][kind] = value.to(parameter.device)
