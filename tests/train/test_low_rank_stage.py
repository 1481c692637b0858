"""A stage that trains low-rank matrices: the weights it publishes hold them, and so does an adapter of its own."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from oracle import peft, transformers
from pydantic import ValidationError

from perceptlm import artifact
from perceptlm.pretrained import load
from perceptlm.train.configuration import LowRankConfig, StageConfig
from perceptlm.train.curves import mean_of_ends, read_losses
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import Trainer


@pytest.fixture
def base(tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig) -> Path:
    return train_stage(tmp_path / "base", stage, data=StageData(toy_world), start=micro, seed=1)


@pytest.fixture
def adapting(stage: StageConfig) -> StageConfig:
    changes = {
        "name": "sft", "learning_rates": {"decoder": 5e-3}, "num_steps": 12,
        "low_rank": LowRankConfig(rank=4, alpha=8),
    }  # fmt: skip
    return stage.model_copy(update=changes)


@pytest.fixture
def adapted(tmp_path: Path, toy_world: Path, base: Path, adapting: StageConfig) -> Path:
    return train_stage(tmp_path / "adapted", adapting, data=StageData(toy_world), start=base, seed=1)


def test_it_learns_and_only_the_decoder_s_maps_change(base: Path, adapted: Path) -> None:
    before, after = load(base).model.state_dict(), load(adapted).model.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    maps = ("attention.qkv.weight", "attention.out.weight", "gate_up.weight", "down.weight")
    assert changed == {name for name in before if name.startswith("decoder.") and name.endswith(maps)}
    first, last = mean_of_ends(read_losses(adapted / "metrics.jsonl")["all"][1])
    assert last < 0.8 * first
    assert artifact.verify(adapted) == []


def test_the_adapter_added_to_its_base_is_the_model(base: Path, adapted: Path) -> None:
    config = json.loads((adapted / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["base_model_name_or_path"]) == (4, "base")
    whole, put_together = load(adapted), load(base, adapter=adapted / "adapter")
    torch.testing.assert_close(put_together.logits("Which colour?"), whole.logits("Which colour?"), rtol=0, atol=2e-5)
    assert not torch.allclose(load(base).logits("Which colour?"), whole.logits("Which colour?"), atol=1e-2)
    merged = transformers.PerceptionLMForConditionalGeneration.from_pretrained(adapted).eval()
    apart = transformers.PerceptionLMForConditionalGeneration.from_pretrained(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT asks for what its own `transformers` no longer has
        apart = peft.PeftModel.from_pretrained(apart, adapted / "adapter").eval()
    ids = torch.from_numpy(whole.processor.prompt(whole.request("Which colour?")).input_ids)[None]
    with torch.no_grad():
        for theirs in (merged, apart):
            found = theirs(input_ids=ids).logits[0]
            torch.testing.assert_close(found, whole.logits("Which colour?"), rtol=0, atol=2e-5)


def test_a_killed_run_resumes_to_the_same_bytes(
    tmp_path: Path, toy_world: Path, base: Path, adapted: Path, adapting: StageConfig
) -> None:
    step = Trainer.step
    with pytest.MonkeyPatch.context() as patch:

        def stopping(self: Trainer, number: int, batch: object) -> object:
            if number == 5:
                raise KeyboardInterrupt
            return step(self, number, batch)  # type: ignore[arg-type]

        patch.setattr(Trainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "resumed", adapting, data=StageData(toy_world), start=base, seed=1)
    train_stage(tmp_path / "resumed", adapting, data=StageData(toy_world), start=base, seed=1)
    assert artifact.read_manifest(tmp_path / "resumed").digest == artifact.read_manifest(adapted).digest


@pytest.mark.parametrize("values", [{"rank": 0}, {"alpha": 0}, {"targets": ()}, {"targets": ("all",)}])
def test_impossible_settings(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LowRankConfig.model_validate(values)


def test_low_rank_matrices_need_a_rate(stage: StageConfig) -> None:
    values = stage.to_dict() | {"learning_rates": {"projector": 1e-3}, "low_rank": {"rank": 4}}
    with pytest.raises(ValidationError, match="low_rank needs a learning rate for 'decoder'"):
        StageConfig.model_validate(values)
