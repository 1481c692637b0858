import pytest
import torch

from perceptlm.errors import LayoutError
from perceptlm.model.generation import Sampling, continue_batch

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
