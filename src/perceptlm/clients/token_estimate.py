"""What a request takes in tokens, before any tokenizer is asked: the rules behind every forecast of ours."""

from __future__ import annotations

from collections.abc import Iterable

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_PICTURE = 256
TOKEN_RULE = (
    f"a token is {CHARACTERS_PER_TOKEN} characters of text; a picture is {TOKENS_PER_PICTURE} tokens (PLM's tile of "
    "448 pixels)"
)


def estimated_tokens(texts: Iterable[str], num_pictures: int = 0) -> int:
    """Return about how many tokens texts and pictures take."""
    return -(-sum(len(text) for text in texts) // CHARACTERS_PER_TOKEN) + TOKENS_PER_PICTURE * num_pictures
