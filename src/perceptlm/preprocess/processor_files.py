"""A processor's directory: what is in it, in the layout `transformers` loads as PerceptionLMProcessor.

    tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja    the tokenizer
    processor_config.json, preprocessor_config.json, video_preprocessor_config.json        sizes and normalisation
    perceptlm.json                                                                         our own settings, complete

Only `tokenizer.json` and `perceptlm.json` are read back. Field names: facts/reference-implementation.md section 6.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perceptlm.artifact import write_atomic
from perceptlm.config import parse
from perceptlm.errors import DataError
from perceptlm.preprocess.configuration import ProcessorConfig
from perceptlm.preprocess.conversation import CHAT_TEMPLATE
from perceptlm.preprocess.tokenizer import (
    BEGIN_OF_TEXT,
    END_OF_TEXT,
    END_OF_TURN,
    IMAGE,
    SPECIAL_TOKENS,
    VIDEO,
    Tokenizer,
)

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "perceptlm.json"
_PROCESSOR_CLASS = "PerceptionLMProcessor"
_BICUBIC = 3


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
        "tokenizer_config.json": _json(_tokenizer_config(tokenizer, config.max_tokens)),
        "special_tokens_map.json": _json(_named_tokens()),
        "chat_template.jinja": CHAT_TEMPLATE,
        "preprocessor_config.json": _json(image | pixels),
        "video_preprocessor_config.json": _json({"video_processor_type": "PerceptionLMVideoProcessor"} | pixels),
        "processor_config.json": _json(
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
    settings_path = directory / SETTINGS_FILE
    try:
        settings = json.loads(_read_text(settings_path))
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error}", path=settings_path) from error
    if not isinstance(settings, dict):
        raise DataError(f"expected an object, found {type(settings).__name__}", path=settings_path)
    config = parse(ProcessorConfig, settings, source=str(settings_path))
    tokenizer_path = directory / TOKENIZER_FILE
    return config, Tokenizer.from_json(_read_text(tokenizer_path), source=str(tokenizer_path))


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
        "do_resize": True,
        "size": {"height": tile_size, "width": tile_size},
        "resample": _BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def _named_tokens() -> dict[str, str]:
    return {"bos_token": BEGIN_OF_TEXT, "eos_token": END_OF_TURN, "pad_token": END_OF_TEXT}


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
        for name in SPECIAL_TOKENS
    }
    return _named_tokens() | {
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
