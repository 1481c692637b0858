"""What a scene's words stand for where a projector's output will stand: vectors that are drawn once and stay.

A word that the decoder says itself ("red", "tree") is shown as the decoder's embedding of that word, so that to look a
thing up by name and to name what was found are one skill for all words; these embeddings are held as they are. The
other words (places, sizes, turns) have vectors that lie on a smooth curve: near places look alike. Because nothing of
it is learned, a projector can be taught to find these vectors, and its errors measured, before there is a decoder. It
knows no lessons.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from perceptlm.model.decoder import Decoder
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.seeding import generator
from perceptlm.world.scene_words import GROUPS, SLICES, WORDS

Floats = NDArray[np.float32]

STD = 0.7
"""Size of a word's vector, per channel."""
_NOTHING = 0.07
"""Size of what stands where nothing is: not zero, or normalisation would blow up the smallest error."""
_SAID = ("kind", "colour", "pattern", "state", "label")
_ALONG = ("side", "across", "down")
_AROUND = "turn"
NUM_WAVES = 6


@dataclass(frozen=True)
class SceneVectors:
    """The vectors of all scene words, `words` (words, D), and what stands where nothing is, `bias` (D).

    `tokens` (n, D) are embeddings, at a size of 1 per channel, of the tokens `token_ids` (n) that spell said words.
    """

    words: Floats
    bias: Floats
    tokens: Floats
    token_ids: NDArray[np.int64]

    def show(self, weights: Floats) -> Floats:
        """Map weights of scene words (..., words) to vectors (..., D)."""
        return np.asarray(weights @ self.words + self.bias, np.float32)

    def to_bytes(self) -> bytes:
        """Return what `read_scene_vectors` reads; half precision is exact, since that is how they were drawn."""
        named = {"words": self.words, "bias": self.bias, "tokens": self.tokens}
        halves = {name: value.astype(np.float16) for name, value in named.items()}
        return save({**halves, "token_ids": self.token_ids})


def read_scene_vectors(path: Path) -> SceneVectors:
    """Read the vectors of a words artifact."""
    known = load_file(path)
    words, bias, tokens = (known[name].astype(np.float32) for name in ("words", "bias", "tokens"))
    return SceneVectors(words, bias, tokens, known["token_ids"])


def draw_scene_vectors(tokenizer: Tokenizer, width: int, seed: int) -> SceneVectors:
    """Draw the vectors of all scene words for a decoder of `width` that speaks with `tokenizer`."""
    spelling = _spelling(tokenizer)
    token_ids = np.flatnonzero(spelling.any(axis=0))
    tokens = _halves(generator(seed, "scene vectors", "tokens").standard_normal((len(token_ids), width)))
    words = STD * spelling[:, token_ids] @ tokens + _unsaid_vectors(width, seed)
    bias = _NOTHING * generator(seed, "scene vectors", "nothing").standard_normal(width)
    return SceneVectors(_halves(words), _halves(bias), tokens, token_ids.astype(np.int64))


def hold_said_words(decoder: Decoder, vectors: SceneVectors) -> None:
    """Give the decoder the embeddings of which said words are made, in place, and let no gradient change them."""
    held = torch.from_numpy(vectors.token_ids)
    with torch.no_grad():
        decoder.embedding[held] = decoder.embedding.std() * torch.from_numpy(vectors.tokens)
    free = torch.ones(len(decoder.embedding), 1)
    free[held] = 0.0
    decoder.embedding.register_hook(free.mul)  # type: ignore[no-untyped-call]


def curve(num_points: int, drawn: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return points (num_points, D) of a smooth curve: waves along `drawn` (NUM_WAVES, D), the first the largest."""
    waves = np.arange(1, len(drawn) + 1)
    places = np.arange(num_points)[:, None]
    return np.asarray((np.cos(np.pi * waves * places / (num_points - 1)) / waves) @ drawn)


def _spelling(tokenizer: Tokenizer) -> Floats:
    """Return (words, vocabulary): the tokens of every word that is said, their squares adding up to 1."""
    rows = np.zeros((len(WORDS), tokenizer.vocab_size), np.float32)
    for group in _SAID:
        for number, word in enumerate(GROUPS[group]):
            # In sentences words stand after a space, labels in quotation marks.
            tokens = tokenizer.encode(word.lower() if group == "label" else f" {word}")
            np.add.at(rows[SLICES[group].start + number], tokens, 1 / np.sqrt(len(tokens)))
    return rows


def _unsaid_vectors(width: int, seed: int) -> Floats:
    """Return (words, D): zero for words that are said, points of a curve for places and the like, else random."""
    vectors = np.zeros((len(WORDS), width), np.float32)
    for group, words in GROUPS.items():
        if group in _SAID:
            continue
        rng = generator(seed, "scene vectors", group)
        drawn = rng.standard_normal((NUM_WAVES, width))
        if group in _ALONG:
            values = curve(len(words), drawn)
        elif group == _AROUND:
            places = np.arange(len(words))[:, None]
            waves = np.arange(1, NUM_WAVES + 1)
            angles = 2 * np.pi * ((waves + 1) // 2) * places / len(words)
            values = (np.where(waves % 2, np.cos(angles), np.sin(angles)) / waves) @ drawn
        else:
            values = drawn[: len(words)]
        vectors[SLICES[group]] = values * (STD / np.sqrt((values**2).mean()))
    return vectors


def _halves(values: NDArray[np.floating]) -> Floats:
    """Round to half precision, in which vectors are kept."""
    return values.astype(np.float16).astype(np.float32)
