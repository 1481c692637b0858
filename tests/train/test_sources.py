"""A stage that learns from several datasets: the same when resumed, faults named, damaged rows dropped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.config import dump_yaml
from perceptlm.data.row_index import build_index
from perceptlm.errors import ArtifactError, ConfigError, UsageError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.recipes.plm_stages import plm_stage, stage_config
from perceptlm.recipes.stages import stage_recipe
from perceptlm.train.configuration import StageConfig, StageSource, ValidationConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import DataFolder, StageData
from perceptlm.train.trainer import Trainer
from perceptlm.workflow.reproduce import reproduce


@pytest.fixture
def both(toy_world: Path, own_world: Path) -> StageData:
    for world in (toy_world, own_world):
        build_index(world, "train")
    return StageData(sources={"a": DataFolder(toy_world), "b": DataFolder(own_world)})


@pytest.fixture
def blended(stage: StageConfig) -> StageConfig:
    values = stage.to_dict() | {
        "tasks": {},
        "sources": {"a": {"repeats": 2}, "b": {"repeats": 0.5, "held_out": 0.4}},
        "validation": {"every": 3, "num_groups": 8},
    }
    return StageConfig.model_validate(values)


def test_it_learns_looks_resumes_and_is_made_again(
    tmp_path: Path, both: StageData, micro: Path, blended: StageConfig
) -> None:
    whole = train_stage(tmp_path / "whole", blended, data=both, start=micro, seed=1)
    manifest = artifact.read_manifest(whole)
    assert {"source a", "source b", "start"} == set(manifest.inputs)
    assert len(list(read_lines(whole / "validation.jsonl"))) == 2
    step = Trainer.step

    def stopping(self: Trainer, number: int, data: object) -> object:
        if number == 4:
            raise KeyboardInterrupt
        return step(self, number, data)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "resumed", blended, data=both, start=micro, seed=1)
    resumed = train_stage(tmp_path / "resumed", blended, data=both, start=micro, seed=1)
    assert artifact.read_manifest(resumed).digest == manifest.digest
    assert reproduce(whole, work=tmp_path / "again").equal


def test_a_damaged_row_is_dropped_by_name_and_the_others_are_learnt_from(
    tmp_path: Path, both: StageData, own_world: Path, micro: Path, blended: StageConfig
) -> None:
    path = own_world / "train/samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"turns"', b'"turms"')
    status = path.stat()
    path.write_bytes(b"".join(lines))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    config = StageConfig.model_validate(
        blended.to_dict() | {"sources": {"b": {}}, "validation": None, "num_groups": 8, "num_steps": 2}
    )
    data = StageData(sources={"b": both.sources["b"]})
    out = train_stage(tmp_path / "out", config, data=data, start=micro, seed=1)
    dropped = [record for _, record in read_lines(out / "dropped.jsonl")]
    assert [record["step"] for record in dropped] == [0, 1]
    assert dropped[0]["ids"] == ["b, unit 0"]
    assert "samples.jsonl:1: " in dropped[0]["reason"]


def test_folders_and_recipe_must_agree(
    tmp_path: Path, both: StageData, toy_world: Path, micro: Path, blended: StageConfig, stage: StageConfig
) -> None:
    with pytest.raises(ConfigError, match="learns from the sources a, b, and given are none"):
        train_stage(tmp_path / "x", blended, data=StageData(toy_world), start=micro, seed=1)
    with pytest.raises(ConfigError, match="learns tasks of one dataset, and none is given"):
        train_stage(tmp_path / "x", stage, data=StageData(), start=micro, seed=1)
    wrong = StageData(sources={"a": DataFolder(micro), "b": both.sources["b"]})
    with pytest.raises(ArtifactError, match="a 'world' or 'dataset' is needed here"):
        train_stage(tmp_path / "x", blended, data=wrong, start=micro, seed=1)
    nothing = StageConfig.model_validate(blended.to_dict() | {"sources": {"a": {}}})
    with pytest.raises(ConfigError, match="none of its sources has a split 'validation'"):
        train_stage(tmp_path / "x", nothing, data=StageData(sources={"a": both.sources["a"]}), start=micro, seed=1)
    unknown = StageConfig.model_validate(nothing.to_dict() | {"validation": {"sources": ["b"]}})
    with pytest.raises(ConfigError, match="there is nothing to look at in source 'b'"):
        train_stage(
            tmp_path / "x", unknown, data=StageData(sources={"a": both.sources["a"]}), start=micro, seed=1,
            overwrite=True,
        )  # fmt: skip


def test_the_command_reads_a_blend(
    tmp_path: Path, both: StageData, toy_processor: Path, tiny_stage: StageConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(dump_yaml(tiny_stage))
    sources = [f"{{name: {name}, data: {folder.data}}}" for name, folder in both.sources.items()]
    (tmp_path / "blend.yaml").write_text(f"sources: [{', '.join(sources)}]")
    arguments = ["train", "stage", "warmup", "--recipe", tmp_path / "recipe.yaml", "--blend", tmp_path / "blend.yaml"]
    arguments += ["--start", toy_processor, "--out", tmp_path / "out", "--set", "num_steps=1", "--part", toy_processor]
    assert run([str(value) for value in arguments[:-2]] + ["--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "tasks: {}" in shown
    assert "  a:\n    split: train" in shown


def test_published_recipes_train_what_was_trained() -> None:
    config = stage_config(plm_stage("plm_8b", "sft"), {"human": StageSource()})
    assert (config.num_steps, config.num_groups, config.packed_tokens) == (21000, 1024, 11520)
    assert config.learning_rates == {"decoder": 1e-5, "projector": 1e-5, "vision_encoder": 1e-5}
    assert (config.changes.max_tiles, config.changes.num_frames, config.changes.drop_path) == (36, 32, 0.1)
    assert config.optimiser.weight_decay == 0.05
    with pytest.raises(UsageError, match="plm_1b has no data of its own"):
        stage_recipe("sft", size="plm_1b", sources={})
    with pytest.raises(UsageError, match="there is no stage 'sfd'"):
        stage_recipe("sfd", sources={})


def test_tasks_and_sources_do_not_mix(stage: StageConfig) -> None:
    for update in ({"tasks": {}}, {"sources": {"a": StageSource()}}):
        with pytest.raises(ValueError, match="give weights of 'tasks' of one dataset, or 'sources'; not both"):
            StageConfig.model_validate(stage.to_dict() | update)
    assert ValidationConfig().sources == ()
