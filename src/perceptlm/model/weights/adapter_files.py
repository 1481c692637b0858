"""LoRA adapters alone, in the files of the library PEFT: `adapter_config.json` and `adapter_model.safetensors`.

Written from an adapted decoder, whose one map of queries, keys and values is three there; and read, ours or another's,
as what is to be added to a model's tensors. Names are those of `transformers`. Knows no training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.config import read_json_object
from perceptlm.errors import ConfigError, WeightsError
from perceptlm.model.low_rank import adapted_maps
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.weights.layouts import transformers_layout

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_WEIGHT = ".weight"
_ONLY = {"peft_type": "LORA", "bias": "none", "use_dora": False, "use_rslora": False, "fan_in_fan_out": False}
_EMPTY = ("rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform")
"""Keys that would change what is computed, with the only values that are known here."""


def write_adapter(directory: Path, model: PerceptionLM, *, base: str) -> None:
    """Write what was learnt beside `model`'s weights; `base` names the model that it is added to."""
    from safetensors.torch import save

    maps = adapted_maps(model)
    if not maps:
        raise WeightsError("the model has no adapter")
    first = next(iter(maps.values()))
    rank = len(first.low_rank_down)
    tensors: dict[str, Tensor] = {}
    for rule in transformers_layout(model.config):
        found = maps.get(rule.memory.removesuffix(_WEIGHT))
        if found is None:
            continue
        # Rows of the upper matrix are rows of the weight: they are split, and reordered, as its are.
        for name, rows in zip(rule.files, rule.write(found.low_rank_up.detach()), strict=True):
            place = _PREFIX + name.removesuffix(_WEIGHT)
            tensors[place + _DOWN] = found.low_rank_down.detach().cpu().clone()
            tensors[place + _UP] = rows.cpu().contiguous().clone()
    modules = sorted({name.removesuffix(_UP).rpartition(".")[2] for name in tensors if name.endswith(_UP)})
    config = {**_ONLY, "r": rank, "lora_alpha": first.scale * rank, "lora_dropout": 0.0, "target_modules": modules}
    config |= {"base_model_name_or_path": base, "inference_mode": True, "task_type": None}
    with translate_os_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        write_atomic(directory / ADAPTER_WEIGHTS, save(dict(sorted(tensors.items())), metadata={"format": "pt"}))
        write_atomic(directory / ADAPTER_CONFIG, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())


def read_adapter(directory: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return, for each tensor of `transformers`' layout that the adapter changes, (up, scaled down): add `up @ down`.

    `shapes` are those of the model it is for. Raises ConfigError or WeightsError naming the file and what is wrong.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = directory / ADAPTER_CONFIG
    config = read_json_object(path)
    for key, only in _ONLY.items():
        if config.get(key, only) != only:
            raise ConfigError(f"{path}: '{key}' is {config[key]!r}; only {only!r} is supported")
    for key in _EMPTY:
        if config.get(key):
            raise ConfigError(f"{path}: '{key}' is {config[key]!r}; only adapters without are supported")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if type(rank) is not int or rank < 1 or type(alpha) not in (int, float):
        raise ConfigError(f"{path}: 'r' and 'lora_alpha' must be numbers, found {rank!r} and {alpha!r}")
    assert isinstance(alpha, int | float)
    weights = directory / ADAPTER_WEIGHTS
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{weights}: cannot be read: {error}") from error
    found = {}
    for name, down in tensors.items():
        if not name.endswith(_DOWN):
            if not name.endswith(_UP) or name.removesuffix(_UP) + _DOWN not in tensors:
                raise WeightsError(f"{weights}: {name} is not half of a pair {_DOWN}, {_UP}")
            continue
        place = name.removesuffix(_DOWN)
        target = place.removeprefix(_PREFIX) + _WEIGHT
        up = tensors.get(place + _UP)
        if up is None:
            raise WeightsError(f"{weights}: {place}{_UP} is missing")
        if target not in shapes:
            raise WeightsError(f"{weights}: {name} adapts {target}, which the model has not")
        if (len(up), down.shape[1]) != shapes[target] or (up.shape[1], len(down)) != (rank, rank):
            raise WeightsError(f"{weights}: {name} and its pair do not make {shapes[target]} of rank {rank}")
        found[target] = (up.float(), down.float() * (alpha / rank))
    return found


def with_adapter(tensor: Tensor, pair: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return a tensor of the file with what an adapter adds, in its own type."""
    if pair is None:
        return tensor
    up, down = pair
    return (tensor.float() + torch.matmul(up, down)).to(tensor.dtype)
