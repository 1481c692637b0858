from dataclasses import replace

import numpy as np
import pytest
import torch

from perceptlm.errors import LayoutError
from perceptlm.model.generation import Branch, Sampling, continue_batch, continue_branches, read_prefixes
from perceptlm.model.kv_cache import KVCache

SHAPES = [(2, 9), (0, 3), (3, 1), (1, 14), (0, 30)]


@pytest.fixture
def prompts(make_example):
    return [
        make_example(10 + k, num_pictures=n, branch_lengths=(length,), supervised=False)
        for k, (n, length) in enumerate(SHAPES)
    ]


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_batched_equals_single(small_model, collate_examples, prompts, temperature):
    samplings = [Sampling(6 + k, temperature, seed=k, stream=f"row-{k}") for k in range(len(prompts))]
    together = continue_batch(small_model, collate_examples(prompts), samplings, stop_ids=(11, 12, 13))
    alone = [
        continue_batch(small_model, collate_examples([prompt]), [sampling], stop_ids=(11, 12, 13))[0]
        for prompt, sampling in zip(prompts, samplings, strict=True)
    ]
    assert together == alone


@torch.no_grad()
def test_cached_steps_equal_reading_everything_again(small_model, collate_examples, prompts):
    for prompt in prompts[:3]:
        (found,) = continue_batch(small_model, collate_examples([prompt]), [Sampling(5)], stop_ids=())
        batch = collate_examples([prompt])
        for token in found.token_ids:
            assert int(small_model(batch)[0, -1].argmax()) == token
            for name in ("input_ids", "targets", "positions", "group", "branch", "tag"):
                last = getattr(batch, name)[:, -1:]
                added = torch.full_like(last, token) if name == "input_ids" else last + (name == "positions")
                setattr(batch, name, torch.cat([getattr(batch, name), added], dim=1))


def test_rows_stop_at_stop_tokens_and_limits(small_model, collate_examples, prompts):
    batch = collate_examples(prompts[:2])
    free = continue_batch(small_model, batch, [Sampling(4), Sampling(8)], stop_ids=())
    assert [(len(c.token_ids), c.finish_reason) for c in free] == [(4, "length"), (8, "length")]
    stop = free[1].token_ids[2]
    stopped = continue_batch(small_model, batch, [Sampling(0), Sampling(8)], stop_ids=(stop,))
    assert (stopped[0].token_ids, stopped[0].finish_reason) == ((), "length")
    first = free[1].token_ids.index(stop)
    assert (stopped[1].token_ids, stopped[1].finish_reason) == (free[1].token_ids[:first], "stop")


def test_draws_follow_the_seed_and_the_logits(small_model, collate_examples, make_example):
    prompt = make_example(30, num_pictures=0, branch_lengths=(5,), supervised=False)
    copies = collate_examples([prompt] * 600)
    drawn = continue_batch(small_model, copies, [Sampling(1, 1.0, 0, str(k)) for k in range(600)], stop_ids=())
    first = torch.tensor([c.token_ids[0] for c in drawn])
    with torch.no_grad():
        expected = small_model(collate_examples([prompt]))[0, -1].softmax(dim=-1)
    found = torch.bincount(first, minlength=50) / 600
    assert float((found - expected).abs().sum()) < 0.3
    again = continue_batch(small_model, collate_examples([prompt]), [Sampling(1, 1.0, 0, "7")], stop_ids=())
    assert again[0] == drawn[7]


def test_generation_ends_at_the_last_position(small_model, collate_examples, make_example):
    prompt = make_example(31, num_pictures=0, branch_lengths=(250,), supervised=False)
    (found,) = continue_batch(small_model, collate_examples([prompt]), [Sampling(50)], stop_ids=())
    assert (len(found.token_ids), found.finish_reason) == (3, "length")


def test_packed_rows_are_refused(small_model, collate_examples, make_example):
    examples = [make_example(k, num_pictures=0, branch_lengths=(5,)) for k in range(2)]
    with pytest.raises(LayoutError, match="one prompt per row"):
        continue_batch(small_model, collate_examples(examples, max_tokens=40), [Sampling(2)], stop_ids=())


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_branches_of_a_shared_prefix_equal_whole_prompts(small_model, collate_examples, make_example, temperature):
    """Prefixes of unlike lengths with one to four branches each, some empty, in scrambled order, in fp32."""
    shapes = {0: (2, (9, 3, 17, 1)), 1: (0, (5,)), 2: (1, (0, 8))}
    prefixes, asked, whole = [], [], []
    for number, (num_pictures, lengths) in shapes.items():
        shared = make_example(60 + number, num_pictures=num_pictures, branch_lengths=(), supervised=False)
        prefixes += read_prefixes(small_model, collate_examples([shared]))
        for length in lengths:
            own = np.random.default_rng(length).integers(10, 50, length)
            sampling = Sampling(4 + length, temperature, seed=length, stream=f"{number}-{length}")
            asked.append(Branch(number, tuple(own.tolist()), sampling))
            whole.append(joined(shared, own))
    order = np.random.default_rng(0).permutation(len(asked))
    together = continue_branches(small_model, prefixes, [asked[k] for k in order], stop_ids=(11, 12, 13))
    for k, found in zip(order, together, strict=True):
        batch = collate_examples([whole[k]])
        assert [found] == continue_batch(small_model, batch, [asked[k].sampling], stop_ids=(11, 12, 13))
    assert len({len(found.token_ids) for found in together}) > 2


@torch.no_grad()
def test_reading_in_parts_gives_the_hidden_states_of_reading_at_once(small_model, collate_examples, make_example):
    shared = make_example(70, num_pictures=3, branch_lengths=(), supervised=False)
    own = np.random.default_rng(1).integers(10, 50, (3, 6))
    (prefix,) = read_prefixes(small_model, collate_examples([shared]))
    cache = KVCache([prefix], [0, 0, 0])
    found = torch.cat([read_on(small_model, cache, own[:, :4]), read_on(small_model, cache, own[:, 4:])], dim=1)
    expected = small_model.hidden(collate_examples([joined(shared, row) for row in own]))[:, -6:]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def read_on(model, cache, token_ids):
    hidden = model.read_on(torch.from_numpy(token_ids), cache)
    cache.advance([token_ids.shape[1]] * len(token_ids))
    return hidden


def joined(shared, own):
    """One Example of a prefix and a branch."""
    arrays = {
        "input_ids": np.concatenate([shared.input_ids, own]),
        "targets": np.full(shared.num_tokens + len(own), -100),
        "positions": np.arange(shared.num_tokens + len(own)),
        "branch": np.concatenate([shared.branch, np.ones(len(own), np.int64)]),
        "tag": np.full(shared.num_tokens + len(own), -1),
    }
    return replace(shared, **arrays)
