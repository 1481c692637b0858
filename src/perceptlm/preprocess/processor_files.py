"""A processor's directory: what is in it, in the layout `transformers` loads as PerceptionLMProcessor.

    tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja    the tokenizer
    processor_config.json, preprocessor_config.json, video_preprocessor_config.json        sizes and normalisation
    perceptlm.json                                                                         our own settings, complete

`tokenizer.json` and `perceptlm.json` are read back; where the latter is missing, as in what `transformers` writes, the
settings are those of the other files. Field names: facts/reference-implementation.md section 6.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perceptlm.artifact import write_atomic
from perceptlm.config import parse, read_json_object
from perceptlm.errors import DataError
from perceptlm.preprocess.chat_format import IMAGE, VIDEO, ChatFormat, chat_template
from perceptlm.preprocess.configuration import DEFAULT_SYSTEM_TEXT, ProcessorConfig
from perceptlm.preprocess.tokenizer import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "perceptlm.json"
_PROCESSOR_FILE, _IMAGE_FILE = "processor_config.json", "preprocessor_config.json"
_TOKENIZER_CONFIG = "tokenizer_config.json"
_PROCESSOR_CLASS = "PerceptionLMProcessor"
_BICUBIC = 3
_FIXED: dict[str, Any] = {
    "do_resize": True,
    "resample": _BICUBIC,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_UNLIMITED = 10**9
"""`transformers` writes a larger number where a tokenizer has no limit."""


def write(directory: Path, config: ProcessorConfig, tokenizer: Tokenizer) -> None:
    """Write every file of the processor; the same processor gives the same bytes."""
    layout = config.layout
    pixels = _pixel_fields(layout.tile_size)
    image = {
        "image_processor_type": "PerceptionLMImageProcessorFast",
        "vision_input_type": config.vision_input,
        "tile_size": layout.tile_size,
        "max_num_tiles": config.max_tiles,
        "max_frame_tiles": 1,
    }
    texts = {
        TOKENIZER_FILE: tokenizer.to_json(),
        _TOKENIZER_CONFIG: _json(_tokenizer_config(tokenizer, config.max_tokens)),
        "special_tokens_map.json": _json(_named_tokens(tokenizer.chat)),
        "chat_template.jinja": chat_template(tokenizer.chat, DEFAULT_SYSTEM_TEXT),
        _IMAGE_FILE: _json(image | pixels),
        "video_preprocessor_config.json": _json({"video_processor_type": "PerceptionLMVideoProcessor"} | pixels),
        _PROCESSOR_FILE: _json(
            {
                "processor_class": _PROCESSOR_CLASS,
                "patch_size": layout.patch_size,
                "pooling_ratio": layout.pooling_ratio,
            }
        ),
        SETTINGS_FILE: _json(config.to_dict()),
    }
    for name, text in texts.items():
        write_atomic(directory / name, text.encode())


def read(directory: Path) -> tuple[ProcessorConfig, Tokenizer]:
    """Return the settings and the tokenizer; errors name the file that is missing or wrong."""
    path = directory / SETTINGS_FILE
    config = (
        parse(ProcessorConfig, read_json_object(path), source=str(path)) if path.is_file() else _as_theirs(directory)
    )
    tokenizer_path = directory / TOKENIZER_FILE
    return config, Tokenizer.from_json(_read_text(tokenizer_path), source=str(tokenizer_path))


def _as_theirs(directory: Path) -> ProcessorConfig:
    """Return the settings that the files of `transformers` tell of, whose 5th version writes them into one."""
    path = directory / _PROCESSOR_FILE
    processor = read_json_object(path)
    image_path = path if "image_processor" in processor else directory / _IMAGE_FILE
    image = processor["image_processor"] if image_path == path else read_json_object(image_path)
    if not isinstance(image, dict):
        raise DataError(f"'image_processor' must be a section, found {type(image).__name__}", path=path)
    for key, only in _FIXED.items():
        if image.get(key, only) != only:
            raise DataError(f"'{key}' is {image[key]!r}; only {only!r} is supported", path=image_path)
    longest = read_json_object(directory / _TOKENIZER_CONFIG).get("model_max_length")
    values = {
        "layout": {
            "tile_size": image.get("tile_size", 448),
            "patch_size": processor.get("patch_size", 14),
            "pooling_ratio": processor.get("pooling_ratio", 2),
        },
        "max_tiles": image.get("max_num_tiles", 36),
        "vision_input": image.get("vision_input_type", "thumb+tile"),
        "resize_backend": "tensor",
    }
    if isinstance(longest, int) and longest < _UNLIMITED:
        values["max_tokens"] = longest
    return parse(ProcessorConfig, values, source=str(path))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"cannot be read: {reason}", path=path, hint="give a model or processor directory") from error


def _pixel_fields(tile_size: int) -> dict[str, Any]:
    return {
        "processor_class": _PROCESSOR_CLASS,
        "do_convert_rgb": True,
        "size": {"height": tile_size, "width": tile_size},
        **_FIXED,
    }


def _named_tokens(chat: ChatFormat) -> dict[str, str]:
    named = {"bos_token": chat.begin_of_text, "eos_token": chat.end_of_turn, "pad_token": chat.end_of_text}
    return {key: name for key, name in named.items() if name is not None}


def _tokenizer_config(tokenizer: Tokenizer, max_tokens: int) -> dict[str, Any]:
    added = {
        str(tokenizer.special_id(name)): {
            "content": name,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for name in tokenizer.chat.special_tokens
    }
    return _named_tokens(tokenizer.chat) | {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": _PROCESSOR_CLASS,
        "added_tokens_decoder": added,
        "extra_special_tokens": {"image_token": IMAGE, "video_token": VIDEO},
        "image_token": IMAGE,
        "video_token": VIDEO,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_tokens,
        "clean_up_tokenization_spaces": False,
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
