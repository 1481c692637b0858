"""What a scene's words stand for where a projector's output will stand: vectors of the decoder's own making.

A word that the decoder says itself ("red", "tree") is shown as its own embedding of that word, so that to look a thing
up by name and to name what was found are one skill for all words. The other words (places, sizes, turns) have vectors
that lie on a smooth curve at first: near places look alike. All of them are learned further and thrown away in the
end. It knows no lessons.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perceptlm.model.decoder import Decoder
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.seeding import generator
from perceptlm.world.scene_words import GROUPS, SLICES, WORDS

STD = 0.7
"""Size of a word's vector at first, per channel."""
_SAID = ("kind", "colour", "pattern", "state", "label")
_ALONG = ("side", "across", "down")
_AROUND = "turn"
NUM_WAVES = 6


class SceneVectors(nn.Module):
    """Maps weights of scene words (..., words) to vectors (..., D)."""

    spelling: Tensor

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, seed: int) -> None:
        super().__init__()
        # Held in a list: the decoder's embedding must not count twice among the parameters that train.
        self._decoder = [decoder]
        width = decoder.config.width
        self.register_buffer("spelling", torch.from_numpy(_spelling(tokenizer)), persistent=False)
        self.own = nn.Parameter(torch.from_numpy(_first_vectors(width, seed)))
        self.bias = nn.Parameter(torch.zeros(width))
        self._scale = STD / float(decoder.embedding.detach().std())

    def forward(self, weights: Tensor) -> Tensor:
        """Map (..., words) to (..., D)."""
        return weights @ self.vectors() + self.bias

    def vectors(self) -> Tensor:
        """Return the vector of every word, (words, D)."""
        return self._scale * (self.spelling @ self._decoder[0].embedding) + self.own


def _spelling(tokenizer: Tokenizer) -> NDArray[np.float32]:
    """Return (words, vocabulary): the tokens of every word that is said, their squares adding up to 1."""
    rows = np.zeros((len(WORDS), tokenizer.vocab_size), np.float32)
    for group in _SAID:
        for number, word in enumerate(GROUPS[group]):
            # In sentences words stand after a space, labels in quotation marks.
            tokens = tokenizer.encode(word.lower() if group == "label" else f" {word}")
            np.add.at(rows[SLICES[group].start + number], tokens, 1 / np.sqrt(len(tokens)))
    return rows


def curve(num_points: int, drawn: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return points (num_points, D) of a smooth curve: waves along `drawn` (NUM_WAVES, D), the first the largest."""
    waves = np.arange(1, len(drawn) + 1)
    places = np.arange(num_points)[:, None]
    return np.asarray((np.cos(np.pi * waves * places / (num_points - 1)) / waves) @ drawn)


def _first_vectors(width: int, seed: int) -> NDArray[np.float32]:
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
