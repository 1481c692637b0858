import pytest
import torch

from perceptlm.errors import WeightsError
from perceptlm.model import PerceptionLM
from perceptlm.model.weights import hf


def test_round_trip_of_a_recorded_file_is_exact(recording):
    again = hf.to_file(recording.model().state_dict(), recording.config)
    assert again.keys() == recording.tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in recording.tensors.items())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("use_cls_token", [True, False])
@pytest.mark.parametrize("layer_scale", [0.1, None])
def test_round_trip_of_every_variant(small_config, tied, use_cls_token, layer_scale):
    vision = small_config.vision.model_copy(update={"use_cls_token": use_cls_token, "layer_scale": layer_scale})
    decoder = small_config.decoder.model_copy(update={"tie_embeddings": tied})
    config = small_config.model_copy(update={"vision": vision, "decoder": decoder})
    model = PerceptionLM(config)
    model.initialise(0)
    tensors = hf.to_file(model.state_dict(), config)
    assert ("lm_head.weight" in tensors) is not tied
    state = hf.from_file(tensors, config)
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_every_disagreement_is_named(recording):
    tensors = dict(recording.tensors)
    tensors["model.extra.weight"] = torch.zeros(1)
    del tensors["model.language_model.norm.weight"]
    name = "model.multi_modal_projector.linear_1.bias"
    tensors[name] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        hf.from_file(tensors, recording.config)
    assert "model.language_model.norm.weight is missing" in caught.value.message
    assert "model.extra.weight is not part of this model" in caught.value.message
    assert f"{name} has shape (3,), expected (64,)" in caught.value.message
