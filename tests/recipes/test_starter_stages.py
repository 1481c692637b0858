"""The starter's recipes: PLM's stages, on data that there is, at a size that one small GPU holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from perceptlm.artifact import verify
from perceptlm.errors import UsageError
from perceptlm.recipes.demo import demo as demo_recipe
from perceptlm.recipes.parts import part_path
from perceptlm.recipes.stages import stage_recipe
from perceptlm.train.configuration import StageSource
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData

STAGES = ("warmup", "midtrain", "sft")


def test_stages_train_what_the_papers_do() -> None:
    trained = {name: set(stage_recipe(name, size="starter", sources={}).learning_rates) for name in STAGES}
    assert trained["warmup"] == {"projector"}
    assert trained["midtrain"] == trained["sft"] == {"vision_encoder", "projector", "decoder"}


@pytest.mark.parametrize("name", STAGES)
def test_rows_hold_the_longest_example(name: str) -> None:
    config = stage_recipe(name, size="starter", sources={})
    assert config.changes.max_tokens is not None
    assert config.packed_tokens is not None
    assert config.changes.max_tokens <= config.packed_tokens


def test_sources_take_the_place_of_a_worlds_tasks() -> None:
    assert stage_recipe("sft", size="starter", sources={}).tasks == demo_recipe().stages[-1].tasks
    config = stage_recipe("sft", size="starter", sources={"mine": StageSource(repeats=2.0)})
    assert not config.tasks
    assert config.sources["mine"].repeats == 2.0


def test_an_unknown_stage_is_named() -> None:
    with pytest.raises(UsageError, match="no stage 'pretrain' of 'starter'"):
        stage_recipe("pretrain", size="starter", sources={})


@pytest.mark.slow
def test_a_stage_trains_after_the_other(demo: Path, tmp_path: Path) -> None:
    shown = demo_recipe().processor.model_copy(
        update={"tile_size": 384, "patch_size": 16, "frame_numbers": False, "max_tokens": 1024}
    )
    start = make_processor(tmp_path / "processor", shown, decoder=part_path("decoder_tiny"))
    for name in ("warmup", "midtrain"):
        few = {"num_steps": 1, "num_groups": 2, "num_branches": 2, "rows_per_batch": 1}
        config = stage_recipe(name, size="starter", sources={}).model_copy(update=few)
        start = train_stage(tmp_path / name, config, data=StageData(demo / "world"), start=start, seed=0)
        assert verify(start) == []
