"""Layouts: every tensor of a file leads to one in memory and back, to the same bytes; what does not fit is named."""

import pytest
import torch
from tensors import state_of

from perceptlm.errors import WeightsError
from perceptlm.model import PerceptionLM
from perceptlm.model.weights.layouts import LAYOUTS, original_layout, state_on_meta, transformers_layout
from perceptlm.model.weights.rules import file_shapes, write_tensors


def test_round_trip_of_a_recorded_file_is_exact(recording):
    again = write_tensors(transformers_layout(recording.config), recording.model().state_dict())
    assert again.keys() == recording.tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in recording.tensors.items())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("use_cls_token", [True, False])
@pytest.mark.parametrize("layer_scale", [0.1, None])
def test_round_trip_of_every_variant(small_config, layout, tied, use_cls_token, layer_scale):
    vision = small_config.vision.model_copy(update={"use_cls_token": use_cls_token, "layer_scale": layer_scale})
    decoder = small_config.decoder.model_copy(update={"tie_embeddings": tied})
    config = small_config.model_copy(update={"vision": vision, "decoder": decoder})
    model = PerceptionLM(config)
    model.initialise(0)
    rules = LAYOUTS[layout](config)
    tensors = write_tensors(rules, model.state_dict())
    assert ("lm_head.weight" in tensors) is (not tied and layout == "transformers")
    state = state_of(rules, tensors, state_on_meta(config))
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_around_all_layouts_and_back_to_the_same_bytes(recording):
    tensors, like = recording.tensors, state_on_meta(recording.config)
    rules = {name: layout(recording.config) for name, layout in LAYOUTS.items()}
    there = write_tensors(rules["original"], state_of(rules["transformers"], tensors, like))
    back = write_tensors(rules["transformers"], state_of(rules["original"], there, like))
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())
    # Half of a head's channels are elsewhere: rotary positions pair others.
    name = "layers.0.attention.wq.weight"
    assert not torch.equal(there[name], tensors["model.language_model.layers.0.self_attn.q_proj.weight"])
    assert there["vision_model.class_embedding"].ndim == 1


def test_names_of_the_original(small_config):
    shapes = file_shapes(original_layout(small_config), state_on_meta(small_config))
    assert shapes["vision_model.transformer.resblocks.1.attn.in_proj_weight"] == (96, 32)
    assert shapes["vision_model.transformer.resblocks.0.ls_2.gamma"] == (32,)
    assert shapes["vision_model.positional_embedding"] == (17, 32)
    assert shapes["vision_projector.projector.2.bias"] == (32,)
    assert shapes["layers.1.feed_forward.w2.weight"] == (32, 48)
    assert shapes["output.tied_module.weight"] == shapes["tok_embeddings.weight"] == (50, 32)


def test_a_tied_output_must_be_the_embeddings(small_config, small_model):
    rules = original_layout(small_config)
    tensors = write_tensors(rules, small_model.state_dict())
    tensors["output.tied_module.weight"] = tensors["output.tied_module.weight"] + 1
    with pytest.raises(WeightsError, match=r"output\.tied_module\.weight must equal tok_embeddings\.weight"):
        state_of(rules, tensors, state_on_meta(small_config))


def test_every_disagreement_is_named(recording):
    tensors = dict(recording.tensors)
    tensors["model.extra.weight"] = torch.zeros(1)
    del tensors["model.language_model.norm.weight"]
    name = "model.multi_modal_projector.linear_1.bias"
    tensors[name] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        state_of(transformers_layout(recording.config), tensors, state_on_meta(recording.config))
    assert "model.language_model.norm.weight is missing" in caught.value.message
    assert "model.extra.weight is not part of this model" in caught.value.message
    assert f"{name} has shape (3,), expected (64,)" in caught.value.message
