"""Adapters alone: what PEFT's files mean, applied by hand to `transformers`' tensors, is what was learnt here."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from perceptlm.errors import ConfigError, WeightsError
from perceptlm.model.low_rank import adapt, adapted_maps, merged_state
from perceptlm.model.weights.adapter_files import read_adapter, with_adapter, write_adapter
from perceptlm.model.weights.layouts import transformers_layout
from perceptlm.model.weights.rules import write_tensors


@pytest.fixture
def learnt(small_model):
    model = copy.deepcopy(small_model)
    adapt(model.decoder, rank=3, alpha=6, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in adapted_maps(model).values():
            module.low_rank_up.copy_(torch.randn(module.low_rank_up.shape, generator=generator) * 0.3)
    return model


@pytest.fixture
def directory(learnt, tmp_path):
    write_adapter(tmp_path / "adapter", learnt, base="some/model")
    return tmp_path / "adapter"


def tensors_of(state, model):
    return write_tensors(transformers_layout(model.config), state)


def test_the_files_mean_what_was_learnt(directory, learnt, small_model):
    config = json.loads((directory / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 3, 6)
    assert config["target_modules"] == [
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj",
    ]  # fmt: skip
    held = load_file(directory / "adapter_model.safetensors")
    before, after = (tensors_of(state, small_model) for state in (small_model.state_dict(), merged_state(learnt)))
    num_changed = 0
    for name, tensor in before.items():
        place = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{place}.lora_A.weight" in held:
            num_changed += 1
            added = held[f"{place}.lora_B.weight"] @ held[f"{place}.lora_A.weight"]
            torch.testing.assert_close(after[name], tensor + 6 / 3 * added, rtol=0, atol=1e-5)
        else:
            assert torch.equal(after[name], tensor)
    assert num_changed * 2 == len(held)
    assert num_changed == 7 * len(small_model.decoder.blocks)


def test_what_is_read_back_is_added(directory, learnt, small_model):
    before, after = (tensors_of(state, small_model) for state in (small_model.state_dict(), merged_state(learnt)))
    pairs = read_adapter(directory, {name: tuple(tensor.shape) for name, tensor in before.items()})
    for name, tensor in before.items():
        torch.testing.assert_close(with_adapter(tensor, pairs.get(name)), after[name], rtol=0, atol=1e-5)


def change_config(directory, **values):
    path = directory / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_tensors(directory, change):
    path = directory / "adapter_model.safetensors"
    tensors = load_file(path)
    change(tensors, sorted(tensors))
    save_file(tensors, path)


def add_other(tensors, names):
    tensors["other"] = tensors[names[0]].clone()


def move(tensors, names):
    for name, half in zip(names[:2], ("A", "B"), strict=True):
        tensors[f"a.lora_{half}.weight"] = tensors.pop(name)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda d: change_config(d, peft_type="IA3"), ConfigError, "'peft_type' is 'IA3'"),
        (lambda d: change_config(d, use_dora=True), ConfigError, "'use_dora' is True"),
        (lambda d: change_config(d, rank_pattern={"q_proj": 2}), ConfigError, "'rank_pattern'"),
        (lambda d: change_config(d, r="three"), ConfigError, "'r' and 'lora_alpha' must be numbers"),
        (lambda d: change_config(d, r=4), WeightsError, "do not make .* of rank 4"),
        (lambda d: change_tensors(d, lambda t, names: t.pop(names[0])), WeightsError, "is not half of a pair"),
        (lambda d: change_tensors(d, lambda t, names: t.pop(names[1])), WeightsError, "lora_B.weight is missing"),
        (lambda d: change_tensors(d, add_other), WeightsError, "other is not half of a pair"),
        (lambda d: change_tensors(d, move), WeightsError, "adapts a.weight, which the model has not"),
        (lambda d: (d / "adapter_model.safetensors").write_bytes(b"no"), WeightsError, "cannot be read"),
        (lambda d: (d / "adapter_config.json").unlink(), ConfigError, r"adapter_config\.json: cannot be read"),
    ],
)
def test_what_is_no_adapter_of_this_model_is_named(directory, small_model, spoil, error, message):
    spoil(directory)
    shapes = {name: tuple(t.shape) for name, t in tensors_of(small_model.state_dict(), small_model).items()}
    with pytest.raises(error, match=message):
        read_adapter(directory, shapes)


def test_a_model_without_an_adapter_writes_none(small_model, tmp_path):
    with pytest.raises(WeightsError, match="has no adapter"):
        write_adapter(tmp_path, small_model, base="x")
