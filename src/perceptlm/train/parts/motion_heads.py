"""First values with which attention compares a thing with itself one frame earlier: a decoder then sees motion.

Two heads of the first block read where a thing is, how large and how turned: one from the token itself, the other from
the token of the same thing one frame before. They write with opposite signs, much enlarged, so what arrives is how the
thing has changed since then. A thing moves by a few percent of its token from frame to frame; from random values, or
where frames are found but not compared, no motion was learned in hundreds of updates (docs/reports/0004).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from perceptlm.model.decoder import Decoder, DecoderAttention, DecoderBlock
from perceptlm.model.rope import decoder_frequencies
from perceptlm.seeding import generator
from perceptlm.world.scene_words import SLICES

HEADS = (1, 2)
"""Of the first block: the one that reads the token itself, the one that reads one frame back."""
_CHANGING = ("across", "down", "side", "turn", "mirrored", "faint")
_LASTING = ("kind", "colour", "pattern", "state", "label", "something", "marked")
_NUM_READ, _LEAST_KNOWN = 24, 0.05
_NEAR = slice(3, 9)
"""Pairs of channels whose turns tell how far back a token is, within a frame or two; they know no contents."""
_ALIKE = slice(12, 32)
"""Pairs of channels that hardly turn within a clip; they compare contents."""
_LOOK_HERE, _LOOK_BACK, _MATCH, _GAIN = 1.2, 0.78, 5.0, 8.0


def set_motion_heads(decoder: Decoder, vectors: Tensor, tokens_per_frame: int, seed: int) -> None:
    """Make two heads of the first block compare frames, in place; needs three heads of 64 channels or more."""
    config = decoder.config
    if config.num_kv_heads != config.num_heads or config.num_heads <= max(HEADS) or config.head_dim < 64:
        raise ValueError("motion heads need three heads of 64 channels with a key-value head for each")
    block = decoder.blocks[0]
    assert isinstance(block, DecoderBlock)
    with torch.no_grad():
        thing = vectors[SLICES["something"]][0]
        thing = thing / thing.norm()
        read = _changing_directions(vectors)
        drawn = generator(seed, "motion heads")
        written = _drawn_directions(config.width, len(read), drawn)
        heads = block.attention.qkv.weight.view(3, config.num_heads, config.head_dim, config.width)
        out = block.attention.out.weight.view(config.width, config.num_heads, config.head_dim)
        for head, back, look, sign in zip(HEADS, (0, tokens_per_frame), (_LOOK_HERE, _LOOK_BACK), (1, -1), strict=True):
            queries, keys, values = heads[:, head]
            for part in (queries, keys, values, out[:, head]):
                part.zero_()
            for pair, frequency in enumerate(decoder_frequencies(config)[_NEAR], _NEAR.start):
                turn = -back * frequency
                queries[2 * pair], queries[2 * pair + 1] = (
                    look * torch.cos(turn) * thing,
                    look * torch.sin(turn) * thing,
                )
                keys[2 * pair] = look * thing
            alike = slice(2 * _ALIKE.start, 2 * _ALIKE.stop)
            maps = drawn.standard_normal((alike.stop - alike.start, config.width), np.float32)
            contents = torch.from_numpy(maps) * (_MATCH / config.width) ** 0.5
            queries[alike] = keys[alike] = contents - torch.outer(contents @ thing, thing)
            values[: len(read)] = read
            out[:, head, : len(read)] = sign * _GAIN * written


def hold_motion_heads(decoder: Decoder) -> None:
    """Let no gradient change these heads: they see motion as they are, and lessons would spoil them."""
    attention = decoder.blocks[0].attention
    assert isinstance(attention, DecoderAttention)
    held = list(HEADS)
    for weight, shape, axis in (
        (attention.qkv.weight, (3, attention.num_heads, -1, decoder.config.width), 1),
        (attention.out.weight, (decoder.config.width, attention.num_heads, -1), 1),
    ):
        free = torch.ones_like(weight).view(shape)
        free.index_fill_(axis, torch.tensor(held), 0.0)
        weight.register_hook(partial(torch.mul, free.view_as(weight)))  # type: ignore[no-untyped-call]


def _changing_directions(vectors: Tensor) -> Tensor:
    """Return orthonormal directions (n, D) along which words of place, size and turn differ and no other words lie."""
    changing = [vectors[SLICES[name]] for name in _CHANGING]
    means = [words.mean(dim=0, keepdim=True) if len(words) > 1 else torch.zeros_like(words) for words in changing]
    differences = torch.cat([words - mean for words, mean in zip(changing, means, strict=True)])
    lasting = torch.cat([*(vectors[SLICES[name]] for name in _LASTING), *means])
    _, sizes, known = torch.linalg.svd(lasting, full_matrices=False)
    known = known[sizes / sizes[0] > _LEAST_KNOWN]
    directions: Tensor = torch.linalg.svd(differences - differences @ known.T @ known, full_matrices=False).Vh
    return directions[:_NUM_READ]


def _drawn_directions(width: int, count: int, rng: np.random.Generator) -> Tensor:
    """Return `count` orthonormal directions drawn at random, as columns (D, count)."""
    directions: Tensor = torch.linalg.qr(torch.from_numpy(rng.standard_normal((width, count), np.float32))).Q
    return directions
