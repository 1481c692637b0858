"""The model against recorded outputs of `transformers`, and proof that the comparison can fail."""

import pytest
import torch
from torch.nn import functional

from perceptlm.model import rope, vision_encoder
from perceptlm.model.generation import Sampling, continue_batch

TOLERANCE = 2e-5


@torch.no_grad()
def largest_difference(recording, case_numbers=range(4)) -> float:
    model = recording.model()
    return max(
        float((model(case.batch)[0] - case.logits).abs().max())
        for case in map(recording.cases.__getitem__, case_numbers)
    )


@pytest.mark.parametrize("number", range(4))
def test_logits_equal_the_recording(recording, number):
    assert largest_difference(recording, [number]) <= TOLERANCE


@pytest.mark.parametrize("number", range(3))
def test_vision_tokens_equal_the_recording(recording, number):
    case = recording.cases[number]
    with torch.no_grad():
        torch.testing.assert_close(recording.model().encode(case.batch.pictures), case.vision_tokens, rtol=0, atol=2e-6)


@pytest.mark.parametrize("number", range(4))
def test_greedy_continuation_equals_the_recording(recording, number):
    case = recording.cases[number]
    (found,) = continue_batch(recording.model(), case.batch, [Sampling(len(case.greedy))], stop_ids=())
    assert list(found.token_ids) == case.greedy
    assert found.finish_reason == "length"


def test_planted_tanh_gelu_is_noticed(recording, monkeypatch):
    exact = functional.gelu
    monkeypatch.setattr(functional, "gelu", lambda x: exact(x, approximate="tanh"))
    assert largest_difference(recording) > TOLERANCE


def test_planted_swap_of_rope_axes_is_noticed(recording, monkeypatch):
    def swapped(*arguments):
        return torch.cat(rope.vision_turns(*arguments).chunk(2, dim=-1)[::-1], dim=-1)

    monkeypatch.setattr(vision_encoder, "vision_turns", swapped)
    assert largest_difference(recording) > TOLERANCE


def test_planted_loss_of_the_cls_offset_is_noticed(recording, monkeypatch):
    def without_offset(head_dim, num_rows, num_columns, use_cls_token, device):
        patches = rope.vision_turns(head_dim, num_rows, num_columns, False, device)
        return torch.cat([torch.ones_like(patches[:1]), patches])

    monkeypatch.setattr(vision_encoder, "vision_turns", without_offset)
    assert largest_difference(recording) > TOLERANCE


def test_planted_cls_token_at_the_end_is_noticed(recording, monkeypatch):
    def cls_last(*arguments):
        return rope.vision_turns(*arguments).roll(-1, dims=0)

    monkeypatch.setattr(vision_encoder, "vision_turns", cls_last)
    assert largest_difference(recording) > TOLERANCE


def test_planted_loss_of_rope_stretching_is_noticed(recording, monkeypatch):
    monkeypatch.setattr(rope, "_stretched", lambda frequencies, scaling: frequencies)
    rope._decoder_frequencies_on.cache_clear()
    try:
        assert largest_difference(recording) > TOLERANCE
    finally:
        rope._decoder_frequencies_on.cache_clear()
