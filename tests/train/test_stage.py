"""A stage learns, resumes to the byte, repeats to the byte, and stops at a loss that is not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from perceptlm import artifact
from perceptlm.batch import Batch
from perceptlm.data.plan import TaskPlan
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import ConfigError, TrainingError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import load
from perceptlm.train.configuration import StageConfig
from perceptlm.train.curves import mean_of_ends, read_losses
from perceptlm.train.loader import StepLoader
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import SNAPSHOT_FOLDER, Trainer


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, toy_world: Path, toy_processor: Path, tiny_stage: StageConfig
) -> Path:
    out = tmp_path_factory.mktemp("finished") / "whole"
    return train_stage(out, tiny_stage, data=StageData(toy_world), start=toy_processor, seed=1)


def test_the_checkpoint_verifies_and_loads(finished: Path, stage: StageConfig) -> None:
    assert artifact.verify(finished) == []
    assert load(finished).model.config.decoder.width > 0
    assert [record["step"] for _, record in read_lines(finished / "metrics.jsonl")] == list(range(stage.num_steps))
    assert (finished / "loss.svg").read_bytes().startswith(b"<")
    assert not (finished / "state").exists()


def test_a_killed_stage_resumes_to_the_same_bytes(
    finished: Path, tmp_path: Path, toy_world: Path, toy_processor: Path, tiny_stage: StageConfig
) -> None:
    out = tmp_path / "resumed"
    for stop in (3, 4):  # between two saved states, and right after one
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, "step", _stopping(Trainer.step, stop))
            with pytest.raises(KeyboardInterrupt):
                train_stage(out, tiny_stage, data=StageData(toy_world), start=toy_processor, seed=1)
        assert not out.exists()
    train_stage(out, tiny_stage, data=StageData(toy_world), start=toy_processor, seed=1)
    assert artifact.read_manifest(out).digest == artifact.read_manifest(finished).digest


def test_snapshots_are_the_model_on_its_way_whether_interrupted_or_not(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig
) -> None:
    kept = stage.model_copy(update={"snapshot_every": 2, "num_steps": 5})
    whole = train_stage(tmp_path / "whole", kept, data=StageData(toy_world), start=micro, seed=1)
    assert sorted(path.name for path in (whole / SNAPSHOT_FOLDER).iterdir()) == ["00000002", "00000004"]
    assert artifact.verify(whole) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", _stopping(Trainer.step, 2))
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "killed", kept, data=StageData(toy_world), start=micro, seed=1)
    # Killed right after it was kept: that is the model that two steps made.
    unfinished = load(tmp_path / "killed.partial" / SNAPSHOT_FOLDER / "00000002").model.state_dict()
    snapshot = load(whole / SNAPSHOT_FOLDER / "00000002").model.state_dict()
    assert all(torch.equal(value, snapshot[name]) for name, value in unfinished.items())
    last = load(whole).model.state_dict()
    assert any(not torch.equal(value, snapshot[name]) for name, value in last.items())
    resumed = train_stage(tmp_path / "killed", kept, data=StageData(toy_world), start=micro, seed=1)
    assert artifact.read_manifest(resumed).digest == artifact.read_manifest(whole).digest


def _stopping(step: Any, stop: int) -> Any:
    def wrapped(self: Trainer, number: int, batch: Any) -> Any:
        if number == stop:
            raise KeyboardInterrupt
        return step(self, number, batch)

    return wrapped


def test_another_seed_gives_other_weights(
    finished: Path, tmp_path: Path, toy_world: Path, toy_processor: Path, tiny_stage: StageConfig
) -> None:
    other = train_stage(tmp_path / "other", tiny_stage, data=StageData(toy_world), start=toy_processor, seed=2)
    assert artifact.read_manifest(other).digest != artifact.read_manifest(finished).digest


def test_the_next_stage_starts_from_the_weights_of_the_last(
    finished: Path, tmp_path: Path, toy_world: Path, stage: StageConfig
) -> None:
    frozen = stage.model_copy(update={"name": "midtrain", "learning_rates": {"projector": 1e-3}})
    after = load(train_stage(tmp_path / "next", frozen, data=StageData(toy_world), start=finished, seed=1)).model
    before = load(finished).model.state_dict()
    changed = {name for name, value in after.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("projector.") for name in changed)


def test_it_learns_what_is_in_the_pixels(tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig) -> None:
    fast = dict.fromkeys(stage.learning_rates, 1e-2)
    longer = stage.model_copy(update={"num_steps": 30, "learning_rates": fast, "checkpoint_every": 1000})
    losses = {}
    for blind in (False, True):
        config = longer.model_copy(update={"blind": blind})
        out = train_stage(tmp_path / f"blind-{blind}", config, data=StageData(toy_world), start=micro, seed=1)
        curves = read_losses(out / "metrics.jsonl")
        assert set(curves) == {"all", "video_qa", "image_qa"}
        losses[blind] = mean_of_ends(curves["all"][1])
    assert losses[False][1] < 0.5 * losses[False][0]
    # Without pixels the colour cannot be known: one word of four remains a guess.
    assert losses[False][1] < losses[True][1]


def test_a_loss_that_is_not_finite_stops_with_the_step(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig
) -> None:
    wild = stage.model_copy(update={"learning_rates": dict.fromkeys(stage.learning_rates, 1e30)})
    with pytest.raises(TrainingError, match="step 1"):
        train_stage(tmp_path / "wild", wild, data=StageData(toy_world), start=micro, seed=1)


def test_a_stage_without_weights_or_preset_is_refused(
    tmp_path: Path, toy_world: Path, toy_processor: Path, tiny_stage: StageConfig
) -> None:
    for update, message in (({"preset": None}, "names no preset"), ({"preset": "huge"}, "unknown preset 'huge'")):
        config = tiny_stage.model_copy(update=update)
        with pytest.raises(ConfigError, match=message):
            train_stage(tmp_path / "x", config, data=StageData(toy_world), start=toy_processor, seed=1, overwrite=True)


def loader_of(world: Path, processor: Path, config: StageConfig) -> StepLoader:
    plan = TaskPlan(
        SampleSet.open(world, "train", tuple(config.tasks)), world, config.tasks, 7, config.num_groups,
        config.num_branches,
    )  # fmt: skip
    return StepLoader(plan, Processor.load(processor), config, 7)


def batch_of(loader: StepLoader, step: int) -> Batch:
    (batch,) = loader.get(step).batches
    return batch


def test_a_batch_depends_on_seed_and_step_alone(toy_world: Path, toy_processor: Path, stage: StageConfig) -> None:
    with loader_of(toy_world, toy_processor, stage) as forward, loader_of(toy_world, toy_processor, stage) as late:
        batches = [batch_of(forward, step) for step in range(stage.num_steps)]
        again = batch_of(late, 3)
    assert torch.equal(batches[3].input_ids, again.input_ids)
    assert torch.equal(batches[3].pictures, again.pictures)
    assert batches[3].ids == again.ids


def test_rows_are_as_long_as_the_longest_example_and_shared_by_short_ones(
    toy_world: Path, toy_processor: Path, stage: StageConfig
) -> None:
    many = stage.model_copy(update={"num_groups": 12, "num_branches": 1})
    with loader_of(toy_world, toy_processor, many) as loader:
        batch = batch_of(loader, 0)
    lengths = [int((batch.group == number).sum()) for number in range(len(batch.ids))]
    assert len(batch.ids) == 12
    assert batch.input_ids.shape[1] == max(lengths)
    packed = stage.model_copy(update={"num_groups": 12, "num_branches": 1, "packed_tokens": 2 * max(lengths)})
    with loader_of(toy_world, toy_processor, packed) as loader:
        assert batch_of(loader, 0).input_ids.shape[0] <= 6


def test_batches_of_few_rows_hold_rows_of_like_lengths(
    toy_world: Path, toy_processor: Path, stage: StageConfig
) -> None:
    few = stage.model_copy(update={"num_groups": 12, "num_branches": 1, "rows_per_batch": 2})
    with loader_of(toy_world, toy_processor, few) as loader:
        batches = loader.get(0).batches
    with loader_of(toy_world, toy_processor, few.model_copy(update={"rows_per_batch": None})) as loader:
        whole = batch_of(loader, 0)
    widths = [batch.input_ids.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) > 1
    assert sorted(ids for batch in batches for ids in batch.ids) == sorted(whole.ids)


def test_blind_batches_are_mid_grey(toy_world: Path, toy_processor: Path, stage: StageConfig) -> None:
    blind = stage.model_copy(update={"blind": True})
    with loader_of(toy_world, toy_processor, blind) as loader:
        batch = batch_of(loader, 0)
    assert not batch.pictures.any()
    assert len(batch.pictures) == batch.num_pictures


def test_blind_batches_open_no_media_and_ask_the_same(
    toy_world: Path, toy_processor: Path, stage: StageConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loader_of(toy_world, toy_processor, stage) as loader:
        seeing = batch_of(loader, 0)
    monkeypatch.setattr("perceptlm.preprocess.processor.load_pictures", lambda *_, **__: pytest.fail("decoded"))
    blind = stage.model_copy(update={"blind": True})
    with loader_of(toy_world, toy_processor, blind) as loader:
        batch = batch_of(loader, 0)
    for name in ("input_ids", "targets", "positions", "group", "branch", "tag"):
        assert torch.equal(getattr(batch, name), getattr(seeing, name))
    assert (batch.ids, batch.pictures_per_group) == (seeing.ids, seeing.pictures_per_group)
    assert batch.pictures.shape == seeing.pictures.shape
