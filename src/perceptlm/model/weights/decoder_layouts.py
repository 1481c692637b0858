"""Names and shapes of a Llama decoder's tensors in three files: of `transformers`, the original, and GGUF (facts 6).

All hold queries, keys and values apart, and gate and up; memory holds them in one. In rotary positions `transformers`
pairs channel i with i + d/2; the others and memory pair neighbours. See `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping

from perceptlm.model.configuration import DecoderConfig
from perceptlm.model.weights.rules import Rule, repeated, same, stacked

_TRANSFORMERS_BLOCK = {
    "attention_norm": "input_layernorm",
    "queries": "self_attn.q_proj",
    "keys": "self_attn.k_proj",
    "values": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "mlp_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
_ORIGINAL_BLOCK = {
    "attention_norm": "attention_norm",
    "queries": "attention.wq",
    "keys": "attention.wk",
    "values": "attention.wv",
    "attention.out": "attention.wo",
    "mlp_norm": "ffn_norm",
    "gate": "feed_forward.w1",
    "up": "feed_forward.w3",
    "down": "feed_forward.w2",
}
_GGUF_BLOCK = {
    "attention_norm": "attn_norm",
    "queries": "attn_q",
    "keys": "attn_k",
    "values": "attn_v",
    "attention.out": "attn_output",
    "mlp_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
_UNCHANGED = ("attention_norm", "attention.out", "mlp_norm", "down")


def transformers_layout(config: DecoderConfig, *, model: str = "model.", output: str = "lm_head.weight") -> list[Rule]:
    """Return the rules for `transformers`, names of the model without its output beginning with `model`."""
    rules = [same("embedding", f"{model}embed_tokens.weight"), same("norm.weight", f"{model}norm.weight")]
    rules += _blocks(config, f"{model}layers.", _TRANSFORMERS_BLOCK, pairs_halves=True)
    return rules if config.tie_embeddings else [*rules, same("output", output)]


def original_layout(config: DecoderConfig) -> list[Rule]:
    """Return the rules for the original checkpoints of PLM and Llama; PLM writes a tied output once more."""
    rules = [same("norm.weight", "norm.weight"), *_blocks(config, "layers.", _ORIGINAL_BLOCK)]
    if config.tie_embeddings:
        return [*rules, repeated("embedding", ("tok_embeddings.weight", "output.tied_module.weight"))]
    return [*rules, same("embedding", "tok_embeddings.weight"), same("output", "output.weight")]


def gguf_layout(config: DecoderConfig) -> list[Rule]:
    """Return the rules for a GGUF file of the architecture `llama`."""
    rules = [same("embedding", "token_embd.weight"), same("norm.weight", "output_norm.weight")]
    rules += _blocks(config, "blk.", _GGUF_BLOCK)
    return rules if config.tie_embeddings else [*rules, same("output", "output.weight")]


def _blocks(config: DecoderConfig, file: str, names: Mapping[str, str], *, pairs_halves: bool = False) -> list[Rule]:
    """Return the rules of all blocks, whose names in the file are `file`, a number, and one of `names`."""
    key_rows = config.num_kv_heads * config.head_dim
    rules = []
    for i in range(config.num_layers):
        named = {ours: f"{file}{i}.{theirs}.weight" for ours, theirs in names.items()}
        queries, keys = named["queries"], named["keys"]
        paired = {queries: config.head_dim, keys: config.head_dim} if pairs_halves else {}
        rules += [same(f"blocks.{i}.{name}.weight", named[name]) for name in _UNCHANGED]
        rules += [
            stacked(
                f"blocks.{i}.attention.qkv.weight",
                (queries, keys, named["values"]),
                (config.num_heads * config.head_dim, key_rows, key_rows),
                paired,
            ),
            stacked(f"blocks.{i}.gate_up.weight", (named["gate"], named["up"]), (config.mlp_width, config.mlp_width)),
        ]
    return rules
