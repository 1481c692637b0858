"""The model against recorded outputs of `transformers`, and proof that the comparison can fail."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from perceptlm.model import projector, rope, vision_encoder
from perceptlm.model.generation import Sampling, continue_batch
from perceptlm.model.weights import rules

TOLERANCE = 2e-5


@torch.no_grad()
def largest_difference(recording, case_numbers=range(4)) -> float:
    model = recording.model()
    return max(
        float((model(case.batch)[0] - case.outputs["logits"]).abs().max())
        for case in map(recording.cases.__getitem__, case_numbers)
    )


@pytest.mark.parametrize("number", range(4))
def test_logits_equal_the_recording(recording, number):
    assert largest_difference(recording, [number]) <= TOLERANCE


@pytest.mark.parametrize("number", range(3))
def test_vision_tokens_equal_the_recording(recording, number):
    case = recording.cases[number]
    with torch.no_grad():
        torch.testing.assert_close(
            recording.model().encode(case.batch.pictures), case.outputs["vision_tokens"], rtol=0, atol=2e-6
        )


@pytest.mark.parametrize("number", range(4))
def test_greedy_continuation_equals_the_recording(recording, number):
    case = recording.cases[number]
    greedy = case.outputs["greedy"].tolist()
    (found,) = continue_batch(recording.model(), case.batch, [Sampling(len(greedy))], stop_ids=())
    assert list(found.token_ids) == greedy
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


def test_planted_smaller_epsilon_of_the_decoder_is_noticed(recording):
    smaller = recording.config.decoder.model_copy(update={"norm_eps": 1e-6})
    recording = replace(recording, config=recording.config.model_copy(update={"decoder": smaller}))
    assert largest_difference(recording) > TOLERANCE


def test_planted_pooling_before_the_mlp_is_noticed(recording, monkeypatch):
    def pooled_first(self, patches):
        side, ratio = math.isqrt(patches.shape[1]), self.pooling_ratio
        image = functional.avg_pool2d(patches.transpose(1, 2).unflatten(2, (side, side)), ratio)
        return self.linear_2(functional.gelu(self.linear_1(image.flatten(2).transpose(1, 2))))

    monkeypatch.setattr(projector.Projector, "forward", pooled_first)
    assert largest_difference(recording) > TOLERANCE


def test_planted_missing_permutation_of_queries_and_keys_is_noticed(recording, monkeypatch):
    monkeypatch.setattr(rules, "pair_neighbours", lambda weight, head_dim: weight)
    assert largest_difference(recording) > TOLERANCE


def test_planted_thumbnail_at_the_end_is_noticed(recording):
    case = recording.cases[1]
    moved = replace(case.batch, pictures=case.batch.pictures.roll(-1, dims=0))
    recording = replace(recording, cases=[replace(case, batch=moved)])
    assert largest_difference(recording, [0]) > TOLERANCE
