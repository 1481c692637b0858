"""Low-rank matrices beside frozen maps: they begin as nothing, learn alone, and vanish into the weights."""

import copy

import pytest
import torch

from perceptlm.model.low_rank import DOWN, UP, adapt, adapted_maps, merged_state, without_low_rank


@pytest.fixture
def adapted(small_model):
    model = copy.deepcopy(small_model)
    adapt(model.decoder, rank=3, alpha=6, seed=1)
    return model


def learn(model, seed=0):
    """Fill what begins at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in adapted_maps(model).values():
            module.low_rank_up.copy_(torch.randn(module.low_rank_up.shape, generator=generator) * 0.3)


def test_an_adapted_model_begins_as_what_it_was(adapted, small_model, make_example, collate_examples):
    batch = collate_examples([make_example(s, num_pictures=s, branch_lengths=(4, 6)) for s in (1, 2)])
    assert torch.equal(adapted(batch), small_model(batch))
    names = {name for name, _ in adapted.named_parameters() if not name.endswith((DOWN, UP))}
    assert names == {name for name, _ in small_model.named_parameters()}
    assert len(adapted_maps(adapted)) == 4 * len(small_model.decoder.blocks)


def test_what_was_learnt_can_be_merged(adapted, small_model, make_example, collate_examples):
    learn(adapted)
    batch = collate_examples([make_example(s, num_pictures=s, branch_lengths=(4, 6)) for s in (1, 2)])
    merged = copy.deepcopy(small_model)
    merged.load_state_dict(merged_state(adapted), strict=True)
    assert not torch.allclose(adapted(batch), small_model(batch), atol=1e-2)
    torch.testing.assert_close(merged(batch), adapted(batch), rtol=0, atol=2e-5)
    assert merged_state(small_model).keys() == small_model.state_dict().keys()


def test_what_was_learnt_can_be_left_out_for_a_while(adapted, small_model, make_example, collate_examples):
    learn(adapted)
    batch = collate_examples([make_example(3, num_pictures=1, branch_lengths=(4, 6))])
    learnt = adapted(batch)
    with without_low_rank(adapted):
        assert torch.equal(adapted(batch), small_model(batch))
    assert torch.equal(adapted(batch), learnt)
    assert not torch.equal(learnt, small_model(batch))


@pytest.mark.parametrize(("targets", "number"), [(("attention",), 2), (("mlp",), 2), (("attention", "mlp"), 4)])
def test_only_the_targets_are_adapted(small_model, targets, number):
    model = copy.deepcopy(small_model)
    adapt(model.decoder, rank=2, alpha=4, targets=targets, seed=1)
    assert len(adapted_maps(model)) == number * len(model.decoder.blocks)


def test_first_values_follow_the_seed(small_model):
    found = []
    for seed in (1, 1, 2):
        model = copy.deepcopy(small_model)
        adapt(model.decoder, rank=2, alpha=4, seed=seed)
        found.append(next(iter(adapted_maps(model).values())).low_rank_down)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
