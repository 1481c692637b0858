"""Presets have the published sizes, and a config.json that leads back to them."""

import json

import pytest

from perceptlm.model import presets
from perceptlm.model.rope import decoder_frequencies
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.layouts import state_on_meta

MILLION = 1_000_000


def num_parameters(config):
    counts = {"vision_encoder": 0, "projector": 0, "decoder": 0}
    for name, tensor in state_on_meta(config).items():
        counts[name.partition(".")[0]] += tensor.numel()
    return counts


@pytest.mark.parametrize(
    ("preset", "vision_encoder", "projector", "decoder"),
    [
        ("plm_1b", 291, 6.3, 1236),
        ("plm_3b", 291, 12.6, 3213),
        ("plm_8b", 1741, 23.1, 8030),
    ],
)
def test_published_models_are_as_large_as_published(preset, vision_encoder, projector, decoder):
    found = num_parameters(getattr(presets, preset)())
    assert found["vision_encoder"] == pytest.approx(vision_encoder * MILLION, abs=0.5 * MILLION)
    assert found["projector"] == pytest.approx(projector * MILLION, abs=0.05 * MILLION)
    assert found["decoder"] == pytest.approx(decoder * MILLION, abs=0.5 * MILLION)


def test_starter_joins_two_releases():
    config = presets.starter()
    # As told by the releases: 134.5 million of SmolLM2-135M, the vision transformer of PE-Core S without its pooling.
    assert num_parameters(config)["decoder"] == 134_515_008
    assert config.layout.tokens_per_picture == 144


def test_published_models_show_256_tokens_a_picture_and_have_room_for_36_tiles():
    for preset in (presets.plm_1b, presets.plm_3b, presets.plm_8b):
        config = preset()
        assert config.layout.tokens_per_picture == 256
        assert config.decoder.max_positions > 37 * 256


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (presets.plm_1b, {0: 1, 13: 4.839421e-3, 14: 3.211446e-3, 15: 1.290548e-3, 16: 4.295568e-4, 31: 9.418307e-8}),
        (presets.plm_3b, {28: 3.211446e-3, 30: 1.290548e-3, 32: 4.295568e-4, 63: 7.672315e-8}),
        (presets.plm_8b, {32: 1.414214e-3, 63: 2.455141e-6}),
    ],
)
def test_rotary_frequencies_are_the_published_ones(preset, expected):
    found = decoder_frequencies(preset().decoder)
    assert {place: float(found[place]) for place in expected} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_config_json_leads_back(preset):
    config = presets.PRESETS[preset](500, 7)
    assert hf_config.from_json(json.loads(json.dumps(hf_config.to_json(config)))) == config
