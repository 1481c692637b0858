"""The `transformers` PerceptionLM layout: `model.safetensors` names and shapes, both ways (facts 6).

Differences between a file and the model in memory: the file has queries, keys, values and gate, up of the decoder
apart, one leading axis more on cls token and positions, and pairs channels i and i + d/2 in the decoder's rotary
positions where memory pairs neighbours. Every step is exact, so a round trip gives the same bytes. It opens no files:
see `pretrained`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from perceptlm.errors import WeightsError
from perceptlm.model.configuration import PLMConfig

_TOWER = "model.vision_tower.timm_model"
_DECODER = "model.language_model"
_VISION_BLOCK = {
    "norm1.weight": "norm_1.weight",
    "norm1.bias": "norm_1.bias",
    "attn.qkv.weight": "attention.qkv.weight",
    "attn.qkv.bias": "attention.qkv.bias",
    "attn.proj.weight": "attention.out.weight",
    "attn.proj.bias": "attention.out.bias",
    "norm2.weight": "norm_2.weight",
    "norm2.bias": "norm_2.bias",
    "mlp.fc1.weight": "fc_1.weight",
    "mlp.fc1.bias": "fc_1.bias",
    "mlp.fc2.weight": "fc_2.weight",
    "mlp.fc2.bias": "fc_2.bias",
}
_DECODER_BLOCK = {
    "input_layernorm.weight": "attention_norm.weight",
    "self_attn.o_proj.weight": "attention.out.weight",
    "post_attention_layernorm.weight": "mlp_norm.weight",
    "mlp.down_proj.weight": "down.weight",
}
_PLAIN = {
    f"{_TOWER}.patch_embed.proj.weight": "vision_encoder.patch_weight",
    f"{_TOWER}.norm_pre.weight": "vision_encoder.norm_pre.weight",
    f"{_TOWER}.norm_pre.bias": "vision_encoder.norm_pre.bias",
    "model.multi_modal_projector.linear_1.weight": "projector.linear_1.weight",
    "model.multi_modal_projector.linear_1.bias": "projector.linear_1.bias",
    "model.multi_modal_projector.linear_2.weight": "projector.linear_2.weight",
    "model.multi_modal_projector.linear_2.bias": "projector.linear_2.bias",
    f"{_DECODER}.embed_tokens.weight": "decoder.embedding",
    f"{_DECODER}.norm.weight": "decoder.norm.weight",
}


def from_file(tensors: Mapping[str, Tensor], config: PLMConfig) -> dict[str, Tensor]:
    """Return the state of a PerceptionLM from the tensors of a file.

    Raises WeightsError naming every tensor that is missing, too many, or of another shape than `config` asks for.
    """
    _check(tensors, config)
    names = _same_names(config)
    state = {memory: tensors[file] for file, memory in names.items()}
    decoder = config.decoder
    if config.vision.use_cls_token:
        state["vision_encoder.cls_token"] = tensors[f"{_TOWER}.cls_token"][0, 0]
    state["vision_encoder.position_embedding"] = tensors[f"{_TOWER}.pos_embed"][0]
    for i in range(decoder.num_layers):
        block = f"{_DECODER}.layers.{i}"
        queries, keys, values = (tensors[f"{block}.self_attn.{part}_proj.weight"] for part in "qkv")
        parts = [_pair_neighbours(queries, decoder.head_dim), _pair_neighbours(keys, decoder.head_dim), values]
        state[f"decoder.blocks.{i}.attention.qkv.weight"] = torch.cat(parts)
        gate_up = [tensors[f"{block}.mlp.{part}_proj.weight"] for part in ("gate", "up")]
        state[f"decoder.blocks.{i}.gate_up.weight"] = torch.cat(gate_up)
    return state


def to_file(state: Mapping[str, Tensor], config: PLMConfig) -> dict[str, Tensor]:
    """Return the tensors of a file, contiguous, from the state of a PerceptionLM."""
    names = _same_names(config)
    tensors = {file: state[memory] for file, memory in names.items()}
    decoder = config.decoder
    if config.vision.use_cls_token:
        tensors[f"{_TOWER}.cls_token"] = state["vision_encoder.cls_token"][None, None]
    tensors[f"{_TOWER}.pos_embed"] = state["vision_encoder.position_embedding"][None]
    key_rows = decoder.num_kv_heads * decoder.head_dim
    for i in range(decoder.num_layers):
        block = f"{_DECODER}.layers.{i}"
        qkv = state[f"decoder.blocks.{i}.attention.qkv.weight"]
        queries, keys, values = torch.split(qkv, [decoder.num_heads * decoder.head_dim, key_rows, key_rows])
        tensors[f"{block}.self_attn.q_proj.weight"] = _pair_halves(queries, decoder.head_dim)
        tensors[f"{block}.self_attn.k_proj.weight"] = _pair_halves(keys, decoder.head_dim)
        tensors[f"{block}.self_attn.v_proj.weight"] = values
        gate, up = state[f"decoder.blocks.{i}.gate_up.weight"].chunk(2)
        tensors |= {f"{block}.mlp.gate_proj.weight": gate, f"{block}.mlp.up_proj.weight": up}
    return {name: tensor.detach().contiguous() for name, tensor in sorted(tensors.items())}


def file_shapes(config: PLMConfig) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor that the file of a model of shape `config` holds."""
    from perceptlm.model.plm import PerceptionLM

    with torch.device("meta"):
        state = PerceptionLM(config).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in to_file(state, config).items()}


def _same_names(config: PLMConfig) -> dict[str, str]:
    """Return file name -> memory name of the tensors that are equal in both."""
    names = dict(_PLAIN)
    for i in range(config.vision.num_layers):
        names |= {f"{_TOWER}.blocks.{i}.{f}": f"vision_encoder.blocks.{i}.{m}" for f, m in _VISION_BLOCK.items()}
        if config.vision.layer_scale is not None:
            names |= {f"{_TOWER}.blocks.{i}.gamma_{k}": f"vision_encoder.blocks.{i}.gain_{k}" for k in (1, 2)}
    for i in range(config.decoder.num_layers):
        names |= {f"{_DECODER}.layers.{i}.{f}": f"decoder.blocks.{i}.{m}" for f, m in _DECODER_BLOCK.items()}
    if not config.decoder.tie_embeddings:
        names["lm_head.weight"] = "decoder.output"
    return names


def _check(tensors: Mapping[str, Tensor], config: PLMConfig) -> None:
    expected = file_shapes(config)
    problems = [f"{name} is missing" for name in sorted(expected.keys() - tensors.keys())]
    problems += [f"{name} is not part of this model" for name in sorted(tensors.keys() - expected.keys())]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, expected {shape}"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise WeightsError("; ".join(problems[:5]) + more, hint="weights and config.json are of different models")


def _pair_neighbours(weight: Tensor, head_dim: int) -> Tensor:
    """Reorder the rows of every head so that pairs (j, j + d/2) become neighbours (2j, 2j + 1)."""
    return weight.reshape(-1, 2, head_dim // 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _pair_halves(weight: Tensor, head_dim: int) -> Tensor:
    """Undo `_pair_neighbours`."""
    return weight.reshape(-1, head_dim // 2, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
