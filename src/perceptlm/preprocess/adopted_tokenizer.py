"""A decoder's own `tokenizer.json` -> that of a Perception Language Model: two spare tokens become the placeholders.

No id moves and none is added, so the decoder's embeddings stay what they are. PLM does so with Llama 3
(facts/reference-implementation.md 2.6). Knows no model.
"""

from __future__ import annotations

import json
from typing import Any

from perceptlm.errors import DataError
from perceptlm.preprocess.chat_format import CHAT_FORMATS, IMAGE, VIDEO
from perceptlm.preprocess.tokenizer import Tokenizer


def adopt_tokenizer(text: str, *, source: str) -> Tokenizer:
    """Return the tokenizer with placeholders; one that has them already is taken as it is.

    Raises DataError naming `source` for what is no tokenizer, one of no chat format that is known here, or one without
    spare tokens.
    """
    try:
        values = json.loads(text)
        added: list[dict[str, Any]] = values["added_tokens"]
        names = {token["content"] for token in added}
        model: dict[str, Any] = values["model"]
        vocabulary = dict(model["vocab"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"not a tokenizer of byte pairs: {error}", path=source) from error
    if IMAGE in names:
        return Tokenizer.from_json(text, source=source)
    chat = next((chat for chat in CHAT_FORMATS if chat.start_header in names), None)
    if chat is None:
        known = ", ".join(f"{chat.name} ({chat.start_header})" for chat in CHAT_FORMATS)
        raise DataError(f"has the special tokens of no chat format that is known here: {known}", path=source)
    missing = [name for name in chat.spare if name not in names]
    if missing:
        raise DataError(f"has no special token {missing[0]} to become a placeholder", path=source)
    renamed = dict(zip(chat.spare, (IMAGE, VIDEO), strict=True))
    for token in added:
        token["content"] = renamed.get(token["content"], token["content"])
        if token["content"] in chat.special_tokens:
            # Of others the library would let a text speak.
            token |= {"special": True, "normalized": False, "lstrip": False, "rstrip": False}
    model["vocab"] = {renamed.get(name, name): number for name, number in vocabulary.items()}
    return Tokenizer.from_json(json.dumps(values, ensure_ascii=False), source=source)
