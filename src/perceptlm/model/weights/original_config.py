"""The `params.json` beside an original checkpoint, both ways: what of it makes the model's shape (facts 1 and 6).

It is the whole record of a training; only its `model` is read here, and only that is written. A key that would change
what the model computes, and has another value than this code computes with, is an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perceptlm.config import parse
from perceptlm.errors import ConfigError
from perceptlm.model.configuration import DecoderConfig, PLMConfig, VisionConfig

_OURS = "perceptlm"
"""A section of our own: the original has its placeholders in code."""
_PLACEHOLDERS = {"image_token_id": 128002, "video_token_id": 128003}
_FIXED = {"head_dim": None}
_VISION_FIXED = {"use_abs_posemb": True, "use_ln_post": False, "pool_type": "none", "use_rope2d": True}


def from_params(params: Mapping[str, Any], *, source: str = "params.json") -> PLMConfig:
    """Return the configuration in `params`; raise ConfigError naming `source` and the key that is wrong or missing."""
    model = params.get("model", params)
    if not isinstance(model, Mapping) or not isinstance(model.get("vision_model"), Mapping):
        raise ConfigError(f"{source}: 'model.vision_model' is missing: not the record of a Perception Language Model")
    vision = model["vision_model"]
    for section, values, fixed in (("model", model, _FIXED), ("model.vision_model", vision, _VISION_FIXED)):
        for key, only in fixed.items():
            if values.get(key, only) != only:
                raise ConfigError(f"{source}: '{section}.{key}' is {values[key]!r}; only {only!r} is supported")
    values = {
        "vision": _vision(vision, source),
        "decoder": _decoder(model, source),
        "pooling_ratio": model.get("pooling_ratio", 1),
    }
    return parse(PLMConfig, values | _PLACEHOLDERS | _section(params, _OURS, source), source=source)


def from_llama_params(params: Mapping[str, Any], *, tied: bool, source: str = "params.json") -> DecoderConfig:
    """Return the decoder that the `params.json` of an original Llama 3 describes; errors are those of `from_params`.

    The record says that positions are stretched, not how far, nor how many there are: Llama 3.2's small models, whose
    output is the embedding (`tied`), stretch by 32, Llama 3.1 by 8, both to 131,072.
    """
    scaled = bool(params.get("use_scaled_rope", False))
    known = {"rope_scale_factor": 32 if tied else 8} if scaled else {}
    known |= {"max_seqlen": 131072 if scaled else 8192}
    return parse(DecoderConfig, _decoder({**known, **params, "weight_tying": tied}, source), source=source)


def _vision(vision: Mapping[str, Any], source: str) -> dict[str, Any]:
    size = "image_size" if "image_size" in vision else "pretrain_image_size"
    needed = {name: _needed(vision, key, source, "model.vision_model.") for name, key in {
        "image_size": size, "patch_size": "patch_size", "width": "width", "num_layers": "layers", "num_heads": "heads",
    }.items()}  # fmt: skip
    return {
        **needed,
        "mlp_ratio": vision.get("mlp_ratio", 4.0),
        "use_cls_token": vision.get("use_cls_token", True),
        "layer_scale": vision.get("ls_init_value"),
        "drop_path": vision.get("drop_path", 0.0),
    }


def _decoder(model: Mapping[str, Any], source: str) -> dict[str, Any]:
    needed = {name: _needed(model, key, source, "model.") for name, key in {
        "width": "dim", "num_layers": "n_layers", "num_heads": "n_heads", "vocab_size": "vocab_size",
        "max_positions": "max_seqlen",
    }.items()}  # fmt: skip
    if needed["width"] % needed["num_heads"]:
        raise ConfigError(f"{source}: 'model.dim' {needed['width']} is not shared out over {needed['num_heads']} heads")
    factor = model.get("rope_scale_factor", 1)
    # The training configuration knows no `use_scaled_rope`; released records have it.
    scaled = model.get("use_scaled_rope", factor != 1)
    multiplier = model.get("ffn_dim_multiplier")
    if multiplier is not None and type(multiplier) not in (int, float):
        raise ConfigError(f"{source}: 'model.ffn_dim_multiplier' must be a number, found {multiplier!r}")
    multiple_of = _needed({"multiple_of": 256, **model}, "multiple_of", source, "model.")
    try:
        hidden = mlp_width(needed["width"], multiplier, multiple_of)
    except (ValueError, ArithmeticError) as error:  # not a number, or none that a machine holds
        raise ConfigError(f"{source}: 'model.ffn_dim_multiplier' {multiplier!r} gives no width: {error}") from error
    return {
        **needed,
        "num_kv_heads": model.get("n_kv_heads") or needed["num_heads"],
        "head_dim": needed["width"] // needed["num_heads"],
        "mlp_width": hidden,
        "norm_eps": model.get("norm_eps", 1e-5),
        "rope_theta": model.get("rope_theta", 10000.0),
        "rope_scaling": {
            "factor": factor,
            "low_freq_factor": model.get("low_freq_factor", 1),
            "high_freq_factor": model.get("high_freq_factor", 4),
            "original_max_positions": model.get("old_context_len", 8192),
        }
        if scaled
        else None,
        "tie_embeddings": model.get("weight_tying", False),
    }


def mlp_width(width: int, multiplier: float | None, multiple_of: int) -> int:
    """Return the hidden channels of a decoder's MLP by Llama's rule (facts 1.3)."""
    hidden = int(2 * 4 * width / 3)
    hidden = hidden if multiplier is None else int(multiplier * hidden)
    return -(-hidden // multiple_of) * multiple_of


def to_params(config: PLMConfig) -> dict[str, Any]:
    """Return a `params.json` that `from_params` and the original read as `config`.

    Raises ConfigError for a decoder that the original cannot be told of: heads that do not share out its width.
    """
    parts = {"pooling_ratio": config.pooling_ratio, "vision_model": _vision_params(config.vision)}
    return {"model": _model(config.decoder) | parts, _OURS: {name: getattr(config, name) for name in _PLACEHOLDERS}}


def _model(decoder: DecoderConfig) -> dict[str, Any]:
    if decoder.head_dim * decoder.num_heads != decoder.width:
        raise ConfigError(
            f"the original layout has no head_dim: {decoder.num_heads} heads of {decoder.head_dim} channels are not "
            f"the {decoder.width} of the decoder"
        )
    scaling = decoder.rope_scaling
    return {
        "dim": decoder.width,
        "n_layers": decoder.num_layers,
        "n_heads": decoder.num_heads,
        "n_kv_heads": decoder.num_kv_heads,
        "vocab_size": decoder.vocab_size,
        **_told_mlp_width(decoder),
        "norm_eps": decoder.norm_eps,
        "rope_theta": decoder.rope_theta,
        "use_scaled_rope": scaling is not None,
        "rope_scale_factor": 1.0 if scaling is None else scaling.factor,
        "low_freq_factor": 1.0 if scaling is None else scaling.low_freq_factor,
        "high_freq_factor": 4.0 if scaling is None else scaling.high_freq_factor,
        "old_context_len": 8192 if scaling is None else scaling.original_max_positions,
        "weight_tying": decoder.tie_embeddings,
        "max_seqlen": decoder.max_positions,
    }


def _told_mlp_width(decoder: DecoderConfig) -> dict[str, Any]:
    """Return multiplier and multiple that lead to the decoder's MLP by the rule."""
    for multiple_of in (1024, 256, 1):
        for multiplier in (1.0, 1.3, 1.5):
            if mlp_width(decoder.width, multiplier, multiple_of) == decoder.mlp_width:
                return {"ffn_dim_multiplier": multiplier, "multiple_of": multiple_of}
    # Rounded down to a whole number last: half a channel more makes sure of it.
    multiplier = (decoder.mlp_width + 0.5) / int(2 * 4 * decoder.width / 3)
    return {"ffn_dim_multiplier": multiplier, "multiple_of": 1}


def _vision_params(vision: VisionConfig) -> dict[str, Any]:
    return {
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        "width": vision.width,
        "layers": vision.num_layers,
        "heads": vision.num_heads,
        "mlp_ratio": vision.mlp_ratio,
        "use_cls_token": vision.use_cls_token,
        "ls_init_value": vision.layer_scale,
        "drop_path": vision.drop_path,
        **_VISION_FIXED,
    }


def _needed(values: Mapping[str, Any], key: str, source: str, prefix: str) -> int:
    value = values.get(key)
    if type(value) is not int or value < 1:
        raise ConfigError(f"{source}: '{prefix}{key}' must be a whole number above 0, found {value!r}")
    return value


def _section(values: Mapping[str, Any], key: str, source: str) -> dict[str, Any]:
    found = values.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{source}: '{key}' must be a section of keys and values, found {found!r}")
    return found
