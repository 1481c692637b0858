"""A model learns 32 mixed Samples of every task by heart: whatever it cannot, the training chain loses on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from perceptlm import artifact
from perceptlm.batch import IGNORED_TARGET
from perceptlm.data.sample_set import SampleSet
from perceptlm.exchange.jsonl import write_records
from perceptlm.pretrained import load
from perceptlm.recipes.demo import demo as demo_recipe
from perceptlm.recipes.parts import part_path
from perceptlm.schema import Sample
from perceptlm.train.configuration import ScheduleConfig, StageConfig
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData

NUM_SAMPLES = 32


def some_of_every_task(world: Path) -> list[Sample]:
    """Return as many Samples of each task as of any other, each about other pictures where there are enough."""
    samples = SampleSet.open(world, "train").samples
    tasks = sorted({sample.task for sample in samples})
    chosen: dict[str, Sample] = {}
    seen: set[str] = set()
    for turn in range(NUM_SAMPLES):
        of_task = [s for s in samples if s.task == tasks[turn % len(tasks)] and s.id not in chosen]
        new = [sample for sample in of_task if sample.media[0].path not in seen] or of_task
        chosen[new[0].id] = new[0]
        seen.add(new[0].media[0].path)
    return list(chosen.values())


@pytest.mark.slow
def test_it_learns_every_task_by_heart(demo: Path, tmp_path: Path) -> None:
    samples = some_of_every_task(demo / "world")
    assert len(samples) == NUM_SAMPLES
    assert len({sample.task for sample in samples}) == 12

    def make(partial: Path) -> None:
        (partial / "train").mkdir()
        for path in {sample.media[0].path for sample in samples}:
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(demo / "world" / path, partial / path)
        write_records(partial / "train/samples.jsonl", samples)

    data = artifact.build(tmp_path / "data", kind="world", recipe={"overfit": 1}, make=make)
    recipe = demo_recipe()
    shown = recipe.processor.model_copy(update={"num_frames": 8})
    processor = make_processor(tmp_path / "processor", shown, decoder=part_path(recipe.parts["decoder"]))
    config = StageConfig(
        name="sft",
        preset="tiny",
        num_steps=240,
        num_groups=8,
        num_branches=4,
        learning_rates={"vision_encoder": 3e-4, "projector": 1e-3, "decoder": 1e-3},
        tasks=dict.fromkeys((sample.task for sample in samples), 1.0),
        schedule=ScheduleConfig(warmup_steps=10, min_ratio=0.02),
    )
    parts = {kind: part_path(name) for kind, name in recipe.parts.items()}
    out = train_stage(tmp_path / "out", config, data=StageData(data), start=processor, seed=0, parts=parts)
    loaded = load(out)
    right = total = 0
    for sample in samples:
        batch = loaded.processor.collate([loaded.processor.example([sample], data)])
        with torch.no_grad():
            found = loaded.model(batch).argmax(-1)
        wanted = batch.targets != IGNORED_TARGET
        right += int((found == batch.targets)[wanted].sum())
        total += int(wanted.sum())
    assert right / total > 0.99
