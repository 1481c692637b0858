"""train.parts.matching_heads: some heads compare contents from the start, the others are left as they were."""

import torch

from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.train.parts.matching_heads import NUM_HEADS, set_matching_heads


def _decoder():
    model = PerceptionLM(PRESETS["tiny"](300, 1))
    model.initialise(4)
    return model.decoder


def _maps(attention):
    """Return queries, keys, values (heads, d, D) and out (D, heads, d)."""
    heads = attention.qkv.weight.detach().unflatten(0, (3, attention.num_heads, -1))
    return *heads, attention.out.weight.detach().unflatten(1, (attention.num_heads, -1))


def test_matching_heads_find_and_copy_what_is_alike():
    decoder = _decoder()
    set_matching_heads(decoder)
    tokens = torch.randn(50, decoder.config.width, generator=torch.Generator().manual_seed(0))
    for block in decoder.blocks:
        queries, keys, values, out = _maps(block.attention)
        for head in range(NUM_HEADS):
            scores = (tokens @ queries[head].T) @ (tokens @ keys[head].T).T
            assert torch.equal(scores.argmax(dim=1), torch.arange(50))
            copied = tokens @ values[head].T @ out[:, head].T
            assert torch.cosine_similarity(copied, tokens).min() > 0.3


def test_other_heads_and_maps_stay_as_they_were():
    decoder, before = _decoder(), _decoder()
    set_matching_heads(decoder)
    for block, old in zip(decoder.blocks, before.blocks, strict=True):
        for now, then in zip(_maps(block.attention)[:3], _maps(old.attention)[:3], strict=True):
            assert torch.equal(now[NUM_HEADS:], then[NUM_HEADS:])
        assert torch.equal(_maps(block.attention)[3][:, NUM_HEADS:], _maps(old.attention)[3][:, NUM_HEADS:])
        assert torch.equal(block.gate_up.weight, old.gate_up.weight)
