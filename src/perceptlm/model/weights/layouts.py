"""The files that hold a whole Perception Language Model: that of `transformers` and the original (facts 6).

A layout is a list of rules that lead from the tensors of a file to the state of a `PerceptionLM`, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from perceptlm.model.configuration import PLMConfig
from perceptlm.model.weights import decoder_layouts, vision_layouts
from perceptlm.model.weights.rules import Rule, same, within

_PROJECTOR = ("linear_1", "linear_2")


def transformers_layout(config: PLMConfig) -> list[Rule]:
    """Return the rules for `model*.safetensors` of `PerceptionLMForConditionalGeneration`."""
    vision = vision_layouts.timm_layout(config.vision)
    decoder = decoder_layouts.transformers_layout(config.decoder, model="model.language_model.")
    return [
        *within(vision, memory="vision_encoder.", file="model.vision_tower.timm_model."),
        *_projector({name: f"model.multi_modal_projector.{name}" for name in _PROJECTOR}),
        *within(decoder, memory="decoder.", file=""),
    ]


def original_layout(config: PLMConfig) -> list[Rule]:
    """Return the rules for `consolidated*.pth`."""
    return [
        *within(vision_layouts.original_layout(config.vision), memory="vision_encoder.", file="vision_model."),
        *_projector({name: f"vision_projector.projector.{i}" for name, i in zip(_PROJECTOR, (0, 2), strict=True)}),
        *within(decoder_layouts.original_layout(config.decoder), memory="decoder.", file=""),
    ]


LAYOUTS: Mapping[str, Callable[[PLMConfig], list[Rule]]] = {
    "transformers": transformers_layout,
    "original": original_layout,
}


def state_on_meta(config: PLMConfig) -> dict[str, Tensor]:
    """Return a state without values, of the names and shapes that a PerceptionLM of shape `config` has."""
    from perceptlm.model.plm import PerceptionLM

    with torch.device("meta"):
        return PerceptionLM(config).state_dict()


def _projector(names: Mapping[str, str]) -> list[Rule]:
    return [
        same(f"projector.{ours}.{kind}", f"{theirs}.{kind}")
        for ours, theirs in names.items()
        for kind in ("weight", "bias")
    ]
