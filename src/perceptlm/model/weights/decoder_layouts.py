"""Names and shapes of a Llama decoder's tensors in three files: of `transformers`, the original, and GGUF (facts 6).

All hold queries, keys and values apart, and gate and up; memory holds them in one. In rotary positions `transformers`
pairs channel i with i + d/2; the others and memory pair neighbours. See `rules`.
"""

from __future__ import annotations

from perceptlm.model.configuration import DecoderConfig
from perceptlm.model.weights.rules import Rule, repeated, same, stacked


def transformers_layout(config: DecoderConfig, *, model: str = "model.", output: str = "lm_head.weight") -> list[Rule]:
    """Return the rules for `transformers`, names of the model without its output beginning with `model`."""
    rules = [same("embedding", f"{model}embed_tokens.weight"), same("norm.weight", f"{model}norm.weight")]
    for i in range(config.num_layers):
        block, attention = f"{model}layers.{i}.", f"{model}layers.{i}.self_attn."
        queries, keys, values = (f"{attention}{name}_proj.weight" for name in "qkv")
        paired = {queries: config.head_dim, keys: config.head_dim}
        rules += [
            same(f"blocks.{i}.attention_norm.weight", f"{block}input_layernorm.weight"),
            stacked(f"blocks.{i}.attention.qkv.weight", (queries, keys, values), _qkv_rows(config), paired),
            same(f"blocks.{i}.attention.out.weight", f"{attention}o_proj.weight"),
            same(f"blocks.{i}.mlp_norm.weight", f"{block}post_attention_layernorm.weight"),
            stacked(
                f"blocks.{i}.gate_up.weight",
                [f"{block}mlp.{name}_proj.weight" for name in ("gate", "up")],
                (config.mlp_width, config.mlp_width),
            ),
            same(f"blocks.{i}.down.weight", f"{block}mlp.down_proj.weight"),
        ]
    return rules if config.tie_embeddings else [*rules, same("output", output)]


def original_layout(config: DecoderConfig) -> list[Rule]:
    """Return the rules for the original checkpoints of PLM and Llama; PLM writes a tied output once more."""
    rules = [same("norm.weight", "norm.weight")]
    if config.tie_embeddings:
        rules.append(repeated("embedding", ("tok_embeddings.weight", "output.tied_module.weight")))
    else:
        rules += [same("embedding", "tok_embeddings.weight"), same("output", "output.weight")]
    for i in range(config.num_layers):
        block, attention = f"layers.{i}.", f"layers.{i}.attention."
        rules += [
            same(f"blocks.{i}.attention_norm.weight", f"{block}attention_norm.weight"),
            stacked(
                f"blocks.{i}.attention.qkv.weight",
                [f"{attention}{name}.weight" for name in ("wq", "wk", "wv")],
                _qkv_rows(config),
            ),
            same(f"blocks.{i}.attention.out.weight", f"{attention}wo.weight"),
            same(f"blocks.{i}.mlp_norm.weight", f"{block}ffn_norm.weight"),
            stacked(
                f"blocks.{i}.gate_up.weight",
                [f"{block}feed_forward.{name}.weight" for name in ("w1", "w3")],
                (config.mlp_width, config.mlp_width),
            ),
            same(f"blocks.{i}.down.weight", f"{block}feed_forward.w2.weight"),
        ]
    return rules


def gguf_layout(config: DecoderConfig) -> list[Rule]:
    """Return the rules for a GGUF file of the architecture `llama`; it pairs neighbours, as memory does."""
    rules = [same("embedding", "token_embd.weight"), same("norm.weight", "output_norm.weight")]
    for i in range(config.num_layers):
        block = f"blk.{i}."
        rules += [
            same(f"blocks.{i}.attention_norm.weight", f"{block}attn_norm.weight"),
            stacked(
                f"blocks.{i}.attention.qkv.weight",
                [f"{block}attn_{name}.weight" for name in "qkv"],
                _qkv_rows(config),
            ),
            same(f"blocks.{i}.attention.out.weight", f"{block}attn_output.weight"),
            same(f"blocks.{i}.mlp_norm.weight", f"{block}ffn_norm.weight"),
            stacked(
                f"blocks.{i}.gate_up.weight",
                [f"{block}ffn_{name}.weight" for name in ("gate", "up")],
                (config.mlp_width, config.mlp_width),
            ),
            same(f"blocks.{i}.down.weight", f"{block}ffn_down.weight"),
        ]
    return rules if config.tie_embeddings else [*rules, same("output", "output.weight")]


def _qkv_rows(config: DecoderConfig) -> tuple[int, int, int]:
    key_rows = config.num_kv_heads * config.head_dim
    return config.num_heads * config.head_dim, key_rows, key_rows
