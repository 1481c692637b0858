"""Segments let tokens see exactly what the Batch's rule says, for a cost that does not grow with the row's square."""

import pytest
import torch

from perceptlm.errors import LayoutError
from perceptlm.model import segments as layout
from perceptlm.model.attention import attend
from perceptlm.model.segments import Segments, additive_mask, sight
from perceptlm.preprocess.packing import collate_rows


@pytest.fixture
def packed(make_example, collate_examples):
    examples = [
        make_example(0, num_pictures=2, branch_lengths=(5, 7, 3)),
        make_example(1, num_pictures=0, branch_lengths=(4,)),
        make_example(2, num_pictures=1, branch_lengths=(6, 2)),
        make_example(3, num_pictures=0, branch_lengths=(9,)),
    ]
    return collate_examples(examples, max_tokens=40)


@pytest.fixture
def free_calls(monkeypatch):
    monkeypatch.setattr(layout, "_CALL_COST", 0)


def test_looking_by_segment_is_looking_through_the_mask(packed, free_calls):
    seen = sight(packed, torch.float64)
    assert isinstance(seen, Segments)
    assert (packed.group < 0).any(), "padding is part of what is tested"
    random = torch.Generator().manual_seed(1)
    tensors = [
        torch.randn(*packed.group.shape, heads, 8, dtype=torch.float64, generator=random, requires_grad=True)
        for heads in (4, 2, 2)
    ]
    mask = additive_mask(packed.attention_mask(), torch.float64)
    outputs = [attend(*tensors, way) for way in (seen, mask)]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-12)
    grad = torch.randn(outputs[0].shape, dtype=torch.float64, generator=random)
    ours, theirs = (torch.autograd.grad(output, tensors, grad) for output in outputs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_nothing_but_padding_has_gradients_as_well(free_calls):
    nothing = collate_rows([], pad_token_id=0, image_token_id=3)
    tensors = [torch.ones(1, 1, 2, 8, requires_grad=True) for _ in range(3)]
    found = attend(*tensors, sight(nothing, torch.float32))
    assert torch.equal(found, torch.ones(1, 1, 16))
    found.sum().backward()
    assert tensors[2].grad is not None


def test_the_cost_grows_with_examples_not_with_the_row(make_example, collate_examples, free_calls):
    costs = []
    for count in (1, 2, 4):
        examples = [make_example(seed, num_pictures=0, branch_lengths=(20,)) for seed in range(count)]
        costs.append(sight(collate_examples(examples, max_tokens=1000), torch.float32).cost)
    assert costs[2] == pytest.approx(4 * costs[0], rel=0.3)
    assert costs[1] == pytest.approx(2 * costs[0], rel=0.3)


def test_many_short_rows_are_looked_at_together(make_example, collate_examples):
    short = collate_examples([make_example(seed, num_pictures=0, branch_lengths=(4,)) for seed in range(4)])
    assert isinstance(sight(short, torch.float32), torch.Tensor)
    long = collate_examples([make_example(seed, num_pictures=0, branch_lengths=(190,)) for seed in range(2)])
    assert isinstance(sight(long, torch.float32), Segments)


def test_a_group_in_two_places_is_refused(packed, free_calls):
    packed.group[0, -1] = 0
    with pytest.raises(LayoutError, match="group 0 of a batch is in two places"):
        sight(packed, torch.float32)
