"""train.parts.motion_heads: what leaves the first block tells how a thing has moved since the frame before."""

import numpy as np
import pytest
import torch

from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.model.rope import decoder_turns
from perceptlm.recipes.parts import part_path
from perceptlm.train.parts.make_parts import read_tokenizer
from perceptlm.train.parts.motion_heads import HEADS, hold_motion_heads, set_motion_heads
from perceptlm.train.parts.scene_vectors import draw_scene_vectors
from perceptlm.world.scene_words import NUM_PLACES, SLICES, WORDS

NUM_FRAMES, NUM_CELLS, CELL = 8, 16, 5


def _model():
    tokenizer = read_tokenizer(part_path("words_tiny"))
    model = PerceptionLM(PRESETS["tiny"](tokenizer.vocab_size, 1))
    model.initialise(4)
    return model, torch.from_numpy(draw_scene_vectors(tokenizer, model.decoder.config.width, 3).words)


def _clip(places):
    """Return the weights of words (F, cells, words) of one thing that stays in a cell while its `places` change."""
    weights = np.zeros((len(places), NUM_CELLS, len(WORDS)), np.float32)
    for frame, place in enumerate(places):
        row = weights[frame, CELL]
        for name, word in (("kind", 2), ("colour", 1), ("pattern", 0), ("down", 4), ("side", 3), ("turn", 0)):
            row[SLICES[name].start + word] = 1
        row[SLICES["something"]] = 1
        low = min(int(place), NUM_PLACES - 2)
        row[SLICES["across"].start + low] += 1 - (place - low)
        row[SLICES["across"].start + low + 1] += place - low
    return weights


@torch.no_grad()
def _first_block(model, vectors, places):
    """Return what the first block's attention writes at the thing's token in every frame, (F, D)."""
    cells = torch.from_numpy(_clip(places)) @ vectors
    numbers = torch.zeros(len(places), 1, cells.shape[-1])
    x = torch.cat([numbers, cells], dim=1).flatten(0, 1)[None]
    block = model.decoder.blocks[0]
    mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
    turns = decoder_turns(model.decoder.config, torch.arange(x.shape[1])[None])
    written = block.attention(block.attention_norm(x), turns, mask[None, None], None, 0)
    return written.view(len(places), NUM_CELLS + 1, -1)[:, CELL + 1]


def _moved_and_resting(set_heads):
    model, vectors = _model()
    if set_heads:
        set_motion_heads(model.decoder, vectors, NUM_CELLS + 1, seed=0)
    resting = _first_block(model, vectors, [6.0] * NUM_FRAMES)
    moving = _first_block(model, vectors, [4.0 + 0.5 * frame for frame in range(NUM_FRAMES)])
    back = _first_block(model, vectors, [8.0 - 0.5 * frame for frame in range(NUM_FRAMES)])
    return resting, moving, back


def test_motion_is_written_large_and_its_direction_shows():
    resting, moving, back = _moved_and_resting(True)
    # In frame 4 all three are at the same place. What is written of it alone is the same, and left out.
    motion, other = moving[4] - resting[4], back[4] - resting[4]
    assert motion.norm() > 0.5 * resting[4].norm()
    assert torch.cosine_similarity(motion, other, dim=0) < -0.4


def test_without_them_motion_hardly_shows():
    resting, moving, _ = _moved_and_resting(False)
    assert (moving[4] - resting[4]).norm() < 0.25 * resting[4].norm()


def test_held_heads_learn_nothing_and_all_others_do():
    model, vectors = _model()
    set_motion_heads(model.decoder, vectors, NUM_CELLS + 1, seed=0)
    hold_motion_heads(model.decoder)
    config, attention = model.decoder.config, model.decoder.blocks[0].attention
    x = torch.randn(1, 40, config.width, generator=torch.Generator().manual_seed(0))
    model.decoder(x, torch.arange(40)[None], torch.zeros(1, 1, 40, 40)).square().mean().backward()
    qkv = attention.qkv.weight.grad.view(3, config.num_heads, -1)
    out = attention.out.weight.grad.view(config.width, config.num_heads, -1)
    assert not qkv[:, list(HEADS)].any()
    assert not out[:, list(HEADS)].any()
    assert qkv[:, 0].any()
    assert out[:, 0].any()


def test_it_needs_heads_enough():
    model, vectors = _model()
    model.decoder.config = model.decoder.config.model_copy(update={"num_kv_heads": 1})
    with pytest.raises(ValueError, match="three heads"):
        set_motion_heads(model.decoder, vectors, NUM_CELLS + 1, seed=0)
