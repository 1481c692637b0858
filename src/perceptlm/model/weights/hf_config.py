"""The `config.json` of the `transformers` PerceptionLM layout, both ways.

Keys that change what the model computes are read or refused; keys that only steer `transformers` are listed here
and passed over; anything else is an error that names it, because a misspelt key must not fall back to a default.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from perceptlm.config import parse
from perceptlm.errors import ConfigError
from perceptlm.model.configuration import DecoderConfig, PLMConfig, RopeScaling

MODEL_TYPE = "perception_lm"
_PASSED_OVER = frozenset(
    {
        "architectures",
        "attention_dropout",
        "bos_token_id",
        "chunk_size_feed_forward",
        "do_pooling",
        "dtype",
        "eos_token_id",
        "id2label",
        "initializer_range",
        "is_llama_config",
        "is_decoder",
        "is_encoder_decoder",
        "label2id",
        "label_names",
        "model_type",
        "num_classes",
        "num_labels",
        "output_attentions",
        "output_hidden_states",
        "pad_token_id",
        "pretrained_cfg",
        "pretraining_tp",
        "problem_type",
        "return_dict",
        "tokenizer_class",
        "torch_dtype",
        "torchscript",
        "transformers.js_config",
        "transformers_version",
        "use_bfloat16",
        "use_cache",
    }
)
_TOP = {"image_token_id", "video_token_id", "projector_pooling_ratio", "text_config", "vision_config"}
_TOP |= {"vision_use_cls_token", "tie_word_embeddings"}
_TEXT_FIXED = {"attention_bias": False, "mlp_bias": False, "hidden_act": "silu"}
_TEXT_READ = _TEXT_FIXED | {"rope_interleaved": False}
_TEXT = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim"}
_TEXT |= {"intermediate_size", "max_position_embeddings", "rms_norm_eps", "rope_parameters", "rope_scaling"}
_TEXT |= {"rope_theta", "tie_word_embeddings"}
_ROPE = {"rope_type", "rope_theta", "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}
_VISION_FIXED = {"global_pool": "", "use_post_transformer_norm": False}
_VISION_ARGS = {"embed_dim", "depth", "num_heads", "mlp_ratio", "img_size", "patch_size", "init_values"}
_VISION_ARGS |= {"ref_feat_shape", "drop_path_rate", "class_token"}
_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "vit_pe_core_large_patch14_336": {
        "patch_size": 14, "embed_dim": 1024, "depth": 24, "num_heads": 16, "mlp_ratio": 4.0, "img_size": 336,
        "class_token": True,
    },
    "vit_pe_core_gigantic_patch14_448": {
        "patch_size": 14, "embed_dim": 1536, "depth": 50, "num_heads": 16, "mlp_ratio": 8960 / 1536,
        "img_size": 448, "class_token": False,
    },
}  # fmt: skip


def from_json(values: Mapping[str, Any], *, source: str = "config.json") -> PLMConfig:
    """Return the configuration in `values`; raise ConfigError naming `source` and the key that is wrong."""
    if values.get("model_type") != MODEL_TYPE:
        raise ConfigError(f"{source}: 'model_type' is {values.get('model_type')!r}, expected '{MODEL_TYPE}'")
    _refuse_unknown(values, _TOP, source, "")
    text, tower = _section(values, "text_config", source), _section(values, "vision_config", source)
    found = {
        "vision": _vision_from_json(tower, values, source),
        "decoder": _decoder_from_json(text, values, source, "text_config."),
        "pooling_ratio": values.get("projector_pooling_ratio", 1),
        "image_token_id": values.get("image_token_id", 128002),
        "video_token_id": values.get("video_token_id"),
    }
    return parse(PLMConfig, found, source=source)


def _vision_from_json(tower: Mapping[str, Any], top: Mapping[str, Any], source: str) -> dict[str, Any]:
    _refuse_unknown(tower, {"architecture", "model_args"}, source, "vision_config.")
    name = tower.get("architecture")
    if not isinstance(name, str) or name not in _ARCHITECTURES:
        known = ", ".join(sorted(_ARCHITECTURES))
        raise ConfigError(f"{source}: 'vision_config.architecture' is {name!r}; known are {known}")
    given = _section(tower, "model_args", source)
    _refuse_unknown(given, _VISION_ARGS | _VISION_FIXED.keys(), source, "vision_config.model_args.")
    _require(given, _VISION_FIXED, source, "vision_config.model_args.")
    arguments = _ARCHITECTURES[name] | dict(given)
    use_cls_token = top.get("vision_use_cls_token", True)
    if use_cls_token != arguments["class_token"]:
        raise ConfigError(f"{source}: 'vision_use_cls_token' is {use_cls_token}, but {name} says otherwise")
    return {
        "image_size": _side(arguments["img_size"], source, "img_size"),
        "patch_size": _side(arguments["patch_size"], source, "patch_size"),
        "width": arguments["embed_dim"],
        "num_layers": arguments["depth"],
        "num_heads": arguments["num_heads"],
        "mlp_ratio": arguments["mlp_ratio"],
        "use_cls_token": use_cls_token,
        "layer_scale": arguments.get("init_values"),
        "drop_path": arguments.get("drop_path_rate", 0.0),
    }


def _decoder_from_json(text: Mapping[str, Any], top: Mapping[str, Any], source: str, prefix: str) -> dict[str, Any]:
    _refuse_unknown(text, _TEXT | _TEXT_READ.keys(), source, prefix)
    _require(text, _TEXT_READ, source, prefix)
    for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
        if key not in text:
            raise ConfigError(f"{source}: '{prefix}{key}' is missing")
        if type(text[key]) is not int or text[key] < 1:
            raise ConfigError(f"{source}: '{prefix}{key}' must be a whole number above 0, found {text[key]!r}")
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise ConfigError(f"{source}: '{prefix}rope_parameters' must be a section of keys and values")
    _refuse_unknown(rope, _ROPE, source, f"{prefix}rope_parameters.")
    return {
        "vocab_size": text["vocab_size"],
        "width": text["hidden_size"],
        "num_layers": text["num_hidden_layers"],
        "num_heads": text["num_attention_heads"],
        "num_kv_heads": text.get("num_key_value_heads") or text["num_attention_heads"],
        "head_dim": text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"],
        "mlp_width": text["intermediate_size"],
        "max_positions": text.get("max_position_embeddings", 2048),
        "norm_eps": text.get("rms_norm_eps", 1e-6),
        "rope_theta": rope.get("rope_theta", text.get("rope_theta", 10000.0)),
        "rope_scaling": _rope_scaling(rope, source, prefix),
        "tie_embeddings": top.get("tie_word_embeddings", text.get("tie_word_embeddings", False)),
    }


def _rope_scaling(rope: Mapping[str, Any], source: str, prefix: str) -> dict[str, Any] | None:
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return None
    if kind != "llama3":
        raise ConfigError(f"{source}: '{prefix}rope_parameters.rope_type' is {kind!r}; known: default, llama3")
    names = {"factor": "factor", "low_freq_factor": "low_freq_factor", "high_freq_factor": "high_freq_factor"}
    names["original_max_position_embeddings"] = "original_max_positions"
    missing = sorted(names.keys() - rope.keys())
    if missing:
        raise ConfigError(f"{source}: '{prefix}rope_parameters.{missing[0]}' is missing")
    return {ours: rope[theirs] for theirs, ours in names.items()}


def to_json(config: PLMConfig) -> dict[str, Any]:
    """Return the values of a `config.json` that `transformers` reads as this model and `from_json` as `config`."""
    vision, decoder = config.vision, config.decoder
    architecture = "vit_pe_core_large_patch14_336" if vision.use_cls_token else "vit_pe_core_gigantic_patch14_448"
    arguments: dict[str, Any] = {
        "embed_dim": vision.width,
        "depth": vision.num_layers,
        "num_heads": vision.num_heads,
        "mlp_ratio": vision.mlp_ratio,
        "patch_size": vision.patch_size,
        "img_size": [vision.image_size, vision.image_size],
        "ref_feat_shape": [vision.grid_size, vision.grid_size],
        "init_values": vision.layer_scale,
        **_VISION_FIXED,
    }
    if vision.drop_path:
        arguments["drop_path_rate"] = vision.drop_path
    return {
        "architectures": ["PerceptionLMForConditionalGeneration"],
        "model_type": MODEL_TYPE,
        "image_token_id": config.image_token_id,
        **({} if config.video_token_id is None else {"video_token_id": config.video_token_id}),
        "projector_pooling_ratio": config.pooling_ratio,
        "text_config": _text_json(decoder),
        "tie_word_embeddings": decoder.tie_embeddings,
        "vision_config": {"model_type": "timm_wrapper", "architecture": architecture, "model_args": arguments},
        "vision_use_cls_token": vision.use_cls_token,
    }


def decoder_to_json(config: DecoderConfig) -> dict[str, Any]:
    """Return the values of a `config.json` that `transformers` reads as this decoder alone, a Llama."""
    return {"architectures": ["LlamaForCausalLM"], **_text_json(config)}


def decoder_from_json(values: Mapping[str, Any], *, source: str = "config.json") -> DecoderConfig:
    """Return the decoder that the `config.json` of a Llama describes; ConfigError naming `source` and the wrong key."""
    if values.get("model_type") != "llama":
        raise ConfigError(f"{source}: 'model_type' is {values.get('model_type')!r}, expected 'llama'")
    return parse(DecoderConfig, _decoder_from_json(values, values, source, ""), source=source)


def _text_json(decoder: DecoderConfig) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "vocab_size": decoder.vocab_size,
        "hidden_size": decoder.width,
        "num_hidden_layers": decoder.num_layers,
        "num_attention_heads": decoder.num_heads,
        "num_key_value_heads": decoder.num_kv_heads,
        "head_dim": decoder.head_dim,
        "intermediate_size": decoder.mlp_width,
        "max_position_embeddings": decoder.max_positions,
        "rms_norm_eps": decoder.norm_eps,
        "rope_parameters": _rope_json(decoder.rope_theta, decoder.rope_scaling),
        "tie_word_embeddings": decoder.tie_embeddings,
        **_TEXT_FIXED,
    }


def _rope_json(theta: float, scaling: RopeScaling | None) -> dict[str, Any]:
    if scaling is None:
        return {"rope_type": "default", "rope_theta": theta}
    return {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_freq_factor,
        "high_freq_factor": scaling.high_freq_factor,
        "original_max_position_embeddings": scaling.original_max_positions,
    }


def _section(values: Mapping[str, Any], key: str, source: str) -> Mapping[str, Any]:
    found = values.get(key)
    if not isinstance(found, Mapping):
        raise ConfigError(f"{source}: '{key}' must be a section of keys and values")
    return found


def _side(value: Any, source: str, key: str) -> Any:
    if not isinstance(value, list):
        return value
    if len(value) != 2 or value[0] != value[1]:
        raise ConfigError(f"{source}: 'vision_config.model_args.{key}' is {value}; only square pictures are supported")
    return value[0]


def _require(values: Mapping[str, Any], fixed: Mapping[str, Any], source: str, prefix: str) -> None:
    for key, only in fixed.items():
        if values.get(key, only) != only:
            raise ConfigError(f"{source}: '{prefix}{key}' is {values[key]!r}; only {only!r} is supported")


def _refuse_unknown(values: Mapping[str, Any], known: Collection[str], source: str, prefix: str) -> None:
    for key in values:
        if key not in known and key not in _PASSED_OVER and not key.startswith("_"):
            near = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f" (did you mean '{prefix}{near[0]}'?)" if near else ""
            raise ConfigError(f"{source}: unknown key {prefix + key!r}{hint}")
