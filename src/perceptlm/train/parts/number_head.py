"""First values with which a decoder tells the time: numbers on a curve, and a head that reads a frame's number.

Before every frame's vision tokens stands the frame's number in text. The embeddings of numbers start with a direction
in common and as points of a smooth curve, so that near numbers look alike. One head of the second block looks from
every vision token that shows something back to the nearest number, and writes it there. "From frame 3 to 7" then finds
what happened in frames 3 to 7 as a name finds a thing (`matching_heads`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perceptlm.errors import ConfigError
from perceptlm.model.decoder import Decoder, DecoderBlock
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.seeding import generator
from perceptlm.train.parts.scene_vectors import NUM_WAVES, curve
from perceptlm.world.scene_words import SLICES

BLOCK, HEAD = 1, 2
"""In the first block the head's place is taken by those that see motion; the ones before it compare contents."""
_COMMON, _NEAR, _OWN = 0.6, 0.7, 0.4
"""How much of an embedding is common to all numbers, like that of near numbers, and a number's own."""
_PAIRS = slice(7, 14)
"""Pairs of channels whose turns fall off slowly enough for a frame or two."""
_LOOK, _COPY = 1.0, 0.7


def set_number_head(decoder: Decoder, vectors: Tensor, tokenizer: Tokenizer, num_frames: int, seed: int) -> None:
    """Give the numbers 0 to `num_frames` embeddings that lie on a curve, and make a head read them, in place.

    Raises ConfigError for a tokenizer that takes more than one token for one of these numbers.
    """
    rng = generator(seed, "number head")
    numbers = [tokenizer.encode(str(number)) for number in range(num_frames + 1)]
    for number, tokens in enumerate(numbers):
        if len(tokens) != 1:
            raise ConfigError(
                f"num_frames: the tokenizer that was trained takes {len(tokens)} tokens for frame number {number}",
                hint="use fewer num_frames, more num_tokenizer_chunks or a larger vocab_size",
            )
    config = decoder.config
    block = decoder.blocks[BLOCK]
    assert isinstance(block, DecoderBlock)
    with torch.no_grad():
        size = float(decoder.embedding.std())
        common = _unit(rng.standard_normal(config.width))
        near = _unit(curve(num_frames + 1, rng.standard_normal((NUM_WAVES, config.width))))
        own = _unit(rng.standard_normal((num_frames + 1, config.width)))
        embeddings = torch.from_numpy(size * _unit(_COMMON * common + _NEAR * near + _OWN * own))
        decoder.embedding[torch.tensor(numbers).flatten()] = embeddings
        thing = vectors[SLICES["something"]][0]
        heads = block.attention.qkv.weight.view(3, config.num_heads, config.head_dim, config.width)
        queries, keys, values = heads[:, HEAD]
        written = block.attention.out.weight.view(config.width, config.num_heads, config.head_dim)[:, HEAD]
        for part in (queries, keys, values, written):
            part.zero_()
        looked_for = torch.from_numpy(common)
        queries[2 * _PAIRS.start : 2 * _PAIRS.stop : 2] = _LOOK * thing / thing.norm()
        keys[2 * _PAIRS.start : 2 * _PAIRS.stop : 2] = _LOOK * looked_for / looked_for.norm()
        read = _directions(embeddings)[: config.head_dim]
        values[: len(read)] = read
        written[:, : len(read)] = _COPY * read.T


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the vectors (..., D) at a size of 1 per channel."""
    return np.asarray(vectors / np.sqrt((vectors**2).mean(axis=-1, keepdims=True)), np.float32)


def _directions(vectors: Tensor) -> Tensor:
    """Return orthonormal directions (n, D) that span `vectors` (n, D)."""
    directions: Tensor = torch.linalg.svd(vectors, full_matrices=False).Vh
    return directions
