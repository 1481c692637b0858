"""Parts have their own rates, frozen parts no gradient, vectors and embeddings no decay."""

import pytest
import torch

from perceptlm.errors import ConfigError
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import tiny
from perceptlm.train.configuration import StageConfig
from perceptlm.train.optimiser import make_optimiser, set_learning_rates


@pytest.fixture
def model() -> PerceptionLM:
    return PerceptionLM(tiny(400, 5))


def test_a_part_without_a_rate_is_frozen(model: PerceptionLM, stage: StageConfig) -> None:
    optimiser = make_optimiser(model, stage.model_copy(update={"learning_rates": {"projector": 1e-3}}))
    trained = {name for group in optimiser.param_groups for name in group["names"]}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith("projector.")}
    assert {name for name, value in model.named_parameters() if value.requires_grad} == trained


def test_only_matrices_that_are_not_embeddings_decay(model: PerceptionLM, stage: StageConfig) -> None:
    decayed = {
        name for group in make_optimiser(model, stage).param_groups if group["weight_decay"] for name in group["names"]
    }
    assert "decoder.blocks.0.attention.qkv.weight" in decayed
    assert not any("norm" in name or "embedding" in name or "bias" in name for name in decayed)


def test_rates_follow_each_part(model: PerceptionLM, stage: StageConfig) -> None:
    rates = {"vision_encoder": 1e-4, "projector": 1e-3, "decoder": 2e-3}
    optimiser = make_optimiser(model, stage.model_copy(update={"learning_rates": rates}))
    set_learning_rates(optimiser, 0.5)
    for group in optimiser.param_groups:
        for name in group["names"]:
            assert group["lr"] == pytest.approx(0.5 * rates[name.split(".")[0]])


def test_unknown_part_is_named(stage: StageConfig) -> None:
    with pytest.raises(ConfigError, match="vision_encoder"):
        make_optimiser(torch.nn.ModuleDict({"decoder": torch.nn.Linear(2, 2)}), stage)
