"""The processor of an original checkpoint: its `tokenizer.model` and what `params.json` says of pictures.

`tokenizer.model` holds Llama 3's tokens in order, in base64, and no merges: two tokens merge if what they make is a
token, the earliest first. PLM's special tokens follow (facts/reference-implementation.md 2.6 and 6). Knows no weights.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, models

from perceptlm.batch import VisionLayout
from perceptlm.config import parse, read_json_object
from perceptlm.errors import DataError
from perceptlm.preprocess.chat_format import IMAGE, LLAMA_3, VIDEO
from perceptlm.preprocess.configuration import ProcessorConfig
from perceptlm.preprocess.processor import Processor
from perceptlm.preprocess.tokenizer import Tokenizer, cut_into_words

TOKENIZER_MODEL = "tokenizer.model"
_PARAMS = "params.json"
_NUM_SPECIAL = 256
_FIRST_SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    IMAGE,
    VIDEO,
    "<|reserved_special_token_2|>",
    "<|reserved_special_token_3|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    "<|eot_id|>",
)
"""The original calls the fourth `<|reserved_special_token_1|>`; `transformers` made it the video's."""
_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
"""Bytes that stand for themselves where a byte is written as a character; the others follow from 256 on."""


def read_original_processor(directory: Path, layout: VisionLayout) -> Processor:
    """Return the processor of the original checkpoint in `directory`, whose pictures are of `layout`.

    DataError or ConfigError names file and line.
    """
    path = directory / TOKENIZER_MODEL
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from error
    params = read_json_object(directory / _PARAMS)
    return Processor(_settings(params, layout, directory / _PARAMS), read_tokenizer_model(content, source=str(path)))


def _settings(params: Mapping[str, Any], layout: VisionLayout, path: Path) -> ProcessorConfig:
    def section(values: Any, key: str) -> Mapping[str, Any]:
        found = values.get(key, {}) if isinstance(values, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    model, data = section(params, "model"), section(params, "data")
    values: dict[str, Any] = {"layout": layout.to_dict(), "frame_choice": "one_per_second"}
    named = {"max_tiles": (data, "max_num_tiles"), "num_frames": (data, "max_video_frames")}
    named |= {"vision_input": (data, "vision_input_type"), "max_tokens": (model, "max_seqlen")}
    values |= {ours: where[theirs] for ours, (where, theirs) in named.items() if where.get(theirs) is not None}
    return parse(ProcessorConfig, values, source=str(path))


def read_tokenizer_model(content: bytes, *, source: str) -> Tokenizer:
    """Return the tokenizer of a `tokenizer.model`; DataError names `source` and the line that is wrong."""
    tokens = _tokens(content, source)
    characters = _byte_characters()
    written = ["".join(characters[byte] for byte in token) for token in tokens]
    ranks = {token: rank for rank, token in enumerate(tokens)}
    merges = [
        ("".join(characters[byte] for byte in first), "".join(characters[byte] for byte in second))
        for first, second in filter(None, (_halves(token, ranks) for token in tokens))
    ]
    # A word that is a token is taken as it is, as Llama 3's tokenizer does.
    model = models.BPE(vocab={text: rank for rank, text in enumerate(written)}, merges=merges, ignore_merges=True)
    backend = tokenizers.Tokenizer(model)
    cut_into_words(backend)
    reserved = [f"<|reserved_special_token_{number}|>" for number in range(5, _NUM_SPECIAL - len(_FIRST_SPECIAL) + 5)]
    names = (*_FIRST_SPECIAL, *reserved)
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    assert backend.token_to_id(LLAMA_3.end_of_turn) == len(tokens) + names.index(LLAMA_3.end_of_turn)
    return Tokenizer(backend)


def _tokens(content: bytes, source: str) -> list[bytes]:
    tokens: list[bytes] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            text, rank = line.split()
            token = base64.b64decode(text, validate=True)
            if int(rank) != len(tokens) or not token:
                raise ValueError(f"token {len(tokens)} is expected here")
        except (ValueError, binascii.Error) as error:
            raise DataError(f"not a token in base64 and its number: {error}", path=source, line=number) from error
        tokens.append(token)
    missing = {bytes([byte]) for byte in range(256)} - set(tokens)
    if missing or len(set(tokens)) != len(tokens):
        what = f"{len(missing)} bytes are no token" if missing else "a token stands there twice"
        raise DataError(f"not a tokenizer: {what}", path=source)
    return tokens


def _halves(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes] | None:
    """Return the two tokens that merge into `token` when it is made of its bytes, the earliest pair first; None for a
    byte, or what no merges make."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 2:
        made = [ranks.get(first + second, math.inf) for first, second in pairwise(parts)]
        if min(made) >= ranks[token]:
            return None
        place = made.index(min(made))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def _byte_characters() -> dict[int, str]:
    others = [byte for byte in range(256) if byte not in _PRINTED]
    return {byte: chr(byte) for byte in _PRINTED} | {byte: chr(256 + place) for place, byte in enumerate(others)}
