"""Names and shapes of a PE vision transformer's tensors in two files: timm's and the original's (facts 6).

`transformers` holds a vision tower as timm names it; the original names serve PE's own checkpoints and, within a PLM
checkpoint, the vision tower. Only names and shapes are known here; see `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping

from perceptlm.model.configuration import VisionConfig
from perceptlm.model.weights.rules import Rule, same, stacked, transposed, with_leading_axes

_TIMM = {"patch_weight": "patch_embed.proj.weight", "norm_pre": "norm_pre", "norm_post": "norm"}
_TIMM_BLOCK = {
    "norm_1": "norm1",
    "attention.qkv": "attn.qkv",
    "attention.out": "attn.proj",
    "norm_2": "norm2",
    "fc_1": "mlp.fc1",
    "fc_2": "mlp.fc2",
}
_TIMM_POOL = {"out": "proj", "norm": "norm", "fc_1": "mlp.fc1", "fc_2": "mlp.fc2"}
_ORIGINAL = {"patch_weight": "conv1.weight", "norm_pre": "ln_pre", "norm_post": "ln_post"}
_ORIGINAL_BLOCK = {
    "norm_1": "ln_1",
    "attention.out": "attn.out_proj",
    "norm_2": "ln_2",
    "fc_1": "mlp.c_fc",
    "fc_2": "mlp.c_proj",
}
_ORIGINAL_POOL = {"out": "attn.out_proj", "norm": "layernorm", "fc_1": "mlp.c_fc", "fc_2": "mlp.c_proj"}


def timm_layout(config: VisionConfig) -> list[Rule]:
    """Return the rules for timm's `vit_pe_*`; its output map's bias, which PE has not, is left out."""
    rules = [same("patch_weight", _TIMM["patch_weight"]), *_both("norm_pre", _TIMM["norm_pre"])]
    if config.use_cls_token:
        rules.append(with_leading_axes("cls_token", "cls_token", 2))
    rules.append(with_leading_axes("position_embedding", "pos_embed", 1))
    for i in range(config.num_layers):
        rules += _renamed(_TIMM_BLOCK, f"blocks.{i}.", f"blocks.{i}.")
        if config.layer_scale is not None:
            rules += [same(f"blocks.{i}.gain_{k}", f"blocks.{i}.gamma_{k}") for k in (1, 2)]
    if config.norm_post:
        rules += _both("norm_post", _TIMM["norm_post"])
    if config.pool == "attention":
        rules.append(with_leading_axes("attention_pool.probe", "attn_pool.latent", 2))
        for kind in ("weight", "bias"):
            files = [f"attn_pool.q.{kind}", f"attn_pool.kv.{kind}"]
            rules.append(stacked(f"attention_pool.qkv.{kind}", files, (config.width, 2 * config.width)))
        rules += _renamed(_TIMM_POOL, "attention_pool.", "attn_pool.")
    if config.output_width is not None:
        rules.append(same("output.weight", "head.weight"))
    return rules


def original_layout(config: VisionConfig) -> list[Rule]:
    """Return the rules for PE's own checkpoints, without a prefix such as `visual.`."""
    rules = [same("patch_weight", _ORIGINAL["patch_weight"]), *_both("norm_pre", _ORIGINAL["norm_pre"])]
    if config.use_cls_token:
        rules.append(same("cls_token", "class_embedding"))
    rules.append(same("position_embedding", "positional_embedding"))
    for i in range(config.num_layers):
        gains = config.layer_scale is not None
        rules += original_block(f"blocks.{i}.", f"transformer.resblocks.{i}.", gains=gains)
    if config.norm_post:
        rules += _both("norm_post", _ORIGINAL["norm_post"])
    if config.pool == "attention":
        rules.append(with_leading_axes("attention_pool.probe", "attn_pool.probe", 2))
        rules += _in_one("attention_pool.qkv", "attn_pool.attn.")
        rules += _renamed(_ORIGINAL_POOL, "attention_pool.", "attn_pool.")
    if config.output_width is not None:
        rules.append(transposed("output.weight", "proj"))
    return rules


def original_block(memory: str, file: str, *, gains: bool) -> list[Rule]:
    """Return the rules of one block, of which text towers have the same."""
    rules = _renamed(_ORIGINAL_BLOCK, memory, file) + _in_one(f"{memory}attention.qkv", f"{file}attn.")
    return rules + [same(f"{memory}gain_{k}", f"{file}ls_{k}.gamma") for k in (1, 2) if gains]


def _renamed(names: Mapping[str, str], memory: str, file: str) -> list[Rule]:
    return [rule for ours, theirs in names.items() for rule in _both(memory + ours, file + theirs)]


def _both(memory: str, file: str) -> list[Rule]:
    """Return the rules of a module's weight and bias."""
    return [same(f"{memory}.{kind}", f"{file}.{kind}") for kind in ("weight", "bias")]


def _in_one(memory: str, file: str) -> list[Rule]:
    """Return the rules of torch's own attention, which holds queries, keys and values in one, named its own way."""
    return [same(f"{memory}.{kind}", f"{file}in_proj_{kind}") for kind in ("weight", "bias")]
