"""The tokenizer inside a GGUF file as the files that `transformers` reads: byte-level BPE as GPT-2's, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perceptlm.errors import ConfigError

_CONTROL, _USER_DEFINED = 3, 4
"""Types of tokens that are no merged bytes: special ones, and others that are never split."""
_LLAMA_3_WORD = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer_files(metadata: Mapping[str, Any], *, source: Path) -> dict[str, str]:
    """Return name and text of every file; ConfigError naming `source` for a kind of tokenizer that is not known."""
    kind, rule = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    if kind != "gpt2" or rule not in ("smollm", "llama-bpe"):
        raise ConfigError(
            f"{source}: a tokenizer of the kind {kind!r} that cuts words by {rule!r}; known: 'gpt2' by 'smollm' or "
            "'llama-bpe'"
        )
    tokens = list(metadata["tokenizer.ggml.tokens"])
    files = {
        "tokenizer.json": _tokenizer_json(metadata, tokens, rule),
        "tokenizer_config.json": _text(_tokenizer_config(metadata, tokens)),
        "generation_config.json": _text(_ids(metadata, ("bos", "eos"))),
    }
    template = metadata.get("tokenizer.chat_template")
    return files if template is None else files | {"chat_template.jinja": template}


def _tokenizer_json(metadata: Mapping[str, Any], tokens: list[str], rule: str) -> str:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    # Llama 3 takes a word that is a token as it is; others merge it together.
    model = models.BPE(
        vocab={token: number for number, token in enumerate(tokens)}, merges=merges, ignore_merges=rule == "llama-bpe"
    )
    backend = Tokenizer(model)
    words = (
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        if rule == "smollm"
        else [
            pre_tokenizers.Split(Regex(_LLAMA_3_WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(words)
    backend.decoder = decoders.ByteLevel()
    kinds = list(zip(tokens, metadata["tokenizer.ggml.token_type"], strict=True))
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in kinds if kind == _CONTROL])
    backend.add_tokens([AddedToken(t, normalized=False) for t, kind in kinds if kind == _USER_DEFINED])
    return str(backend.to_str(pretty=True))


def _tokenizer_config(metadata: Mapping[str, Any], tokens: list[str]) -> dict[str, Any]:
    named = {
        f"{name}_token": tokens[metadata[f"tokenizer.ggml.{key}_token_id"]]
        for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"))
        if f"tokenizer.ggml.{key}_token_id" in metadata
    }
    return named | {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": metadata["llama.context_length"],
        "add_bos_token": bool(metadata.get("tokenizer.ggml.add_bos_token", False)),
        "clean_up_tokenization_spaces": False,
    }


def _ids(metadata: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    keys = {name: f"tokenizer.ggml.{name}_token_id" for name in names}
    return {f"{name}_token_id": metadata[key] for name, key in keys.items() if key in metadata}


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
