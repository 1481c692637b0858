"""Text <-> token ids: a byte-level BPE with a chat format's special tokens, trained here or brought along by a decoder.

Text from people and models is hostile: `encode` reads `<|image|>` or `<|eot_id|>` in it as the plain characters
they are, never as the special token. Special ids come only from `special_id`. Knows no conversation layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from perceptlm.errors import ConfigError, DataError
from perceptlm.preprocess.chat_format import CHAT_FORMATS, LLAMA_3
from perceptlm.preprocess.configuration import FIXED_TEXTS

SPECIAL_TOKENS = LLAMA_3.special_tokens
"""Of a tokenizer trained here, in the order of their ids in released models (facts/reference-implementation.md 2.6)."""

# Llama 3's rule. A number of up to three digits is one word, so that a frame's number can be one token.
_WORD = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_NUM_BYTES = 256


class Tokenizer:
    """A trained tokenizer: encoding and decoding gives back any text exactly. `chat` is the format that it knows."""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self._backend = backend
        self._backend.encode_special_tokens = True
        self.chat = next((chat for chat in CHAT_FORMATS if backend.token_to_id(chat.start_header) is not None), LLAMA_3)
        self._special_ids: dict[str, int] = {}
        for name in self.chat.special_tokens:
            number = backend.token_to_id(name)
            if number is None:
                raise DataError(f"the tokenizer has no special token {name}")
            self._special_ids[name] = number
        spoken = [name for name, number in self._special_ids.items() if number in self.encode(name)]
        if spoken:
            raise DataError(f"any text could speak the token {spoken[0]}", hint="mark it as special in tokenizer.json")

    @classmethod
    def from_json(cls, text: str, *, source: str) -> Tokenizer:
        """Read the text of a `tokenizer.json`; DataError naming `source` if it is not one."""
        try:
            backend = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises nothing narrower
            raise DataError(f"not a tokenizer: {error}", path=source) from error
        return cls(backend)

    def to_json(self) -> str:
        """Return the text of `tokenizer.json`."""
        return str(self._backend.to_str(pretty=True))

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    def special_id(self, name: str) -> int:
        """Return the id of one of the special tokens of `chat`."""
        return self._special_ids[name]

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text; never a special id, whatever the text says."""
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def decode(self, token_ids: Sequence[int], *, keep_special: bool = False) -> str:
        """Return the text of ids. Special tokens are left out unless `keep_special`; broken UTF-8 becomes U+FFFD."""
        return str(self._backend.decode(list(token_ids), skip_special_tokens=not keep_special))


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn at most `vocab_size` tokens (256 bytes, merges, then the special ones) from `texts`.

    FIXED_TEXTS are learnt from as well, once for each text, so that the words around every question stay few tokens.
    The same texts give the same tokenizer. Few texts may not hold enough merges; then it is smaller.
    """
    smallest = _NUM_BYTES + len(SPECIAL_TOKENS)
    if vocab_size < smallest:
        raise ConfigError(f"vocab_size {vocab_size} is less than the {smallest} tokens every tokenizer has")
    backend = tokenizers.Tokenizer(models.BPE())
    cut_into_words(backend)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(_with_fixed_texts(texts), trainer)
    # Added after training, so that no text of the corpus can be merged into one of them.
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL_TOKENS])
    return Tokenizer(backend)


def cut_into_words(backend: tokenizers.Tokenizer) -> None:
    """Let a byte-level tokenizer cut text into words by Llama 3's rule."""
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()


def _with_fixed_texts(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield text
        yield from FIXED_TEXTS
