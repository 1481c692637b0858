"""train.parts.number_head: near numbers look alike, and what shows something knows the number of its frame."""

import pytest
import torch

from perceptlm.errors import ConfigError
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.model.rope import decoder_turns
from perceptlm.train.parts.number_head import BLOCK, HEAD, set_number_head
from perceptlm.train.parts.scene_vectors import draw_scene_vectors
from perceptlm.world.scene_words import SLICES, WORDS

NUM_FRAMES, NUM_CELLS = 16, 16


@pytest.fixture(scope="module")
def made(tokenizer):
    model = PerceptionLM(PRESETS["tiny"](tokenizer.vocab_size, 1))
    model.initialise(4)
    words = torch.from_numpy(draw_scene_vectors(tokenizer, model.decoder.config.width, 3).words)
    set_number_head(model.decoder, words, tokenizer, NUM_FRAMES, seed=0)
    return model.decoder, words


def _numbers(decoder, tokenizer):
    ids = torch.tensor([tokenizer.encode(str(number))[0] for number in range(NUM_FRAMES + 1)])
    return decoder.embedding.detach()[ids]


def test_near_numbers_look_alike_and_none_is_like_another(made, tokenizer):
    numbers = torch.nn.functional.normalize(_numbers(made[0], tokenizer), dim=-1)
    alike = numbers @ numbers.T
    for number in range(2, NUM_FRAMES - 1):
        assert alike[number, number + 1] > alike[number, (number + 8) % (NUM_FRAMES + 1)]
    off_diagonal = alike - 2 * torch.eye(len(alike))
    assert off_diagonal.max() < 0.97


@torch.no_grad()
def test_what_shows_something_reads_the_number_of_its_frame(made, tokenizer):
    decoder, words = made
    weights = torch.zeros(NUM_FRAMES, NUM_CELLS, len(WORDS))
    for cell in (0, 7, 15):
        weights[:, cell, SLICES["something"]] = 1
        weights[:, cell, SLICES["kind"].start + cell] = 1
    numbers = _numbers(decoder, tokenizer)[:NUM_FRAMES]
    x = torch.cat([numbers[:, None], weights @ words], dim=1).flatten(0, 1)[None]
    block = decoder.blocks[BLOCK]
    attention = block.attention
    only = torch.zeros_like(attention.out.weight).view(decoder.config.width, attention.num_heads, -1)
    only[:, HEAD] = attention.out.weight.view(decoder.config.width, attention.num_heads, -1)[:, HEAD]
    before = attention.out.weight.clone()
    attention.out.weight.copy_(only.flatten(1))
    mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)[None, None]
    written = attention(
        block.attention_norm(x), decoder_turns(decoder.config, torch.arange(x.shape[1])[None]), mask, None, 0
    )
    attention.out.weight.copy_(before)
    written = written.view(NUM_FRAMES, NUM_CELLS + 1, -1)
    for cell in (0, 7, 15):
        likeness = (
            torch.nn.functional.normalize(written[:, cell + 1], dim=-1)
            @ torch.nn.functional.normalize(numbers, dim=-1).T
        )
        assert torch.equal(likeness.argmax(dim=1), torch.arange(NUM_FRAMES))


def test_numbers_of_several_tokens_are_refused(made, tokenizer):
    decoder, words = made
    with pytest.raises(ConfigError, match=r"num_frames: .* tokens for frame number"):
        set_number_head(decoder, words, tokenizer, 99, seed=0)
