import copy

import pytest

from perceptlm.errors import ConfigError
from perceptlm.model.presets import tiny
from perceptlm.model.weights import hf_config


def changed(values: dict, path: str, value: object) -> dict:
    values = copy.deepcopy(values)
    *parents, leaf = path.split(".")
    node = values
    for part in parents:
        node = node[part]
    node[leaf] = value
    return values


def test_recorded_config_is_read(recording):
    config = recording.config
    assert (config.vision.image_size, config.vision.patch_size, config.vision.width) == (56, 14, 64)
    assert (config.vision.num_layers, config.vision.layer_scale, config.vision.use_cls_token) == (2, 0.1, True)
    assert (config.decoder.num_heads, config.decoder.num_kv_heads, config.decoder.head_dim) == (4, 2, 16)
    assert config.decoder.rope_scaling.original_max_positions == 64
    assert config.layout.tokens_per_picture == 4


def test_round_trip(recording):
    for config in (recording.config, tiny(vocab_size=600, image_token_id=5)):
        assert hf_config.from_json(hf_config.to_json(config)) == config


def test_older_rope_keys_are_read(recording):
    values = copy.deepcopy(recording.values)
    rope = values["text_config"].pop("rope_parameters")
    values["text_config"]["rope_theta"] = rope.pop("rope_theta")
    values["text_config"]["rope_scaling"] = rope
    assert hf_config.from_json(values) == recording.config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model_type", "llama", "'model_type' is 'llama'"),
        ("projector_poling_ratio", 2, "unknown key 'projector_poling_ratio' .*'projector_pooling_ratio'"),
        ("text_config.num_hiden_layers", 2, "unknown key 'text_config.num_hiden_layers' .*num_hidden_layers"),
        ("text_config.hidden_act", "gelu", "'text_config.hidden_act' is 'gelu'"),
        ("text_config.hidden_size", "wide", "'text_config.hidden_size' must be a whole number above 0"),
        ("text_config.num_key_value_heads", 3, "num_heads 4 is not a multiple of num_kv_heads 3"),
        ("text_config.rope_parameters.rope_type", "yarn", "rope_type' is 'yarn'"),
        ("vision_config.architecture", "vit_other", "'vision_config.architecture' is 'vit_other'"),
        ("vision_config.model_args.qk_norm", True, "unknown key 'vision_config.model_args.qk_norm'"),
        ("vision_config.model_args.global_pool", "avg", "model_args.global_pool' is 'avg'"),
        ("vision_config.model_args.img_size", [56, 28], "only square pictures"),
        ("vision_config.model_args", None, "'model_args' must be a section"),
        ("vision_use_cls_token", False, "'vision_use_cls_token' is False"),
        ("image_token_id", 512, "image_token_id 512 is outside the vocabulary"),
        ("projector_pooling_ratio", 3, "pooling_ratio 3 does not divide"),
    ],
)
def test_wrong_keys_are_named(recording, path, value, message):
    with pytest.raises(ConfigError, match=message):
        hf_config.from_json(changed(recording.values, path, value), source="here/config.json")


def test_missing_key_is_named(recording):
    values = copy.deepcopy(recording.values)
    del values["text_config"]["intermediate_size"]
    with pytest.raises(ConfigError, match=r"config.json: 'text_config.intermediate_size' is missing"):
        hf_config.from_json(values)
