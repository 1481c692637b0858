"""AdamW over the trained parts, each with its own learning rate; frozen parts take no gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

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

    Gradients of the step before must be gone. Raises what `apply_gradients` raises.
    """
    loss.backward()  # type: ignore[no-untyped-call]
    value = float(loss.detach())
    return value, apply_gradients(optimiser, value, max_grad_norm, where=where)


def apply_gradients(optimiser: torch.optim.Optimizer, loss: float, max_grad_norm: float, *, where: str) -> float:
    """Do one update with the gradients that are there; return their norm before clipping.

    Raises TrainingError naming `where`, before anything is changed, if loss or gradient is not finite.
    """
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    norm = _number(torch.nn.utils.clip_grad_norm_(trained, max_grad_norm))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrainingError(
            f"{where}: loss {loss}, gradient norm {norm}",
            hint="lower the learning rates or lengthen the warm-up; the state before this step is kept",
        )
    optimiser.step()
    return norm


def gradient_norms(optimiser: torch.optim.Optimizer) -> dict[str, float]:
    """Return the norm of the gradient of every part of the model that trains."""
    gradients: dict[str, list[Tensor]] = {}
    for group in optimiser.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            if parameter.grad is not None:
                gradients.setdefault(name.partition(".")[0], []).append(parameter.grad)
    return {part: _number(torch.nn.utils.get_total_norm(found)) for part, found in sorted(gradients.items())}


def state_tensors(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return all that training changes, by name: the trained parameters, and AdamW's moments of each.

    They are the tensors themselves: filling them restores the state.
    """
    tensors: dict[str, Tensor] = {
        f"model:{name}": parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    for group in optimiser.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            state = optimiser.state[parameter]
            if not state:  # as AdamW itself begins, which it does at the first update
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            tensors |= {f"optimiser:{name}:{key}": value for key, value in state.items()}
    return tensors


def _number(value: Tensor) -> float:
    """Return a scalar that may be shared out over processes."""
    return float(value.full_tensor() if isinstance(value, DTensor) else value)
