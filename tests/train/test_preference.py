"""Learning from pairs of answers: the objective against a plain computation of it, and what a stage makes of it."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from perceptlm import artifact
from perceptlm.batch import IGNORED_TARGET, Batch
from perceptlm.cli.main import run
from perceptlm.config import parse
from perceptlm.data.row_index import build_index
from perceptlm.errors import ConfigError, DataError
from perceptlm.exchange.jsonl import read_lines, read_records
from perceptlm.model import PerceptionLM
from perceptlm.model.low_rank import adapt, adapted_maps
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import load
from perceptlm.schema import Sample
from perceptlm.train.configuration import (
    PreferenceConfig,
    StageConfig,
    StageSource,
    ValidationConfig,
)
from perceptlm.train.guards import SpikeGuard
from perceptlm.train.loader import StepData
from perceptlm.train.optimiser import freeze_and_group
from perceptlm.train.preference import StepCounts, batch_loss
from perceptlm.train.ranks import ALONE
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import DataFolder, StageData
from perceptlm.train.trainer import Trainer
from perceptlm.train.validation import best_look

PREFERENCE = PreferenceConfig(beta=0.3, answer_weight=0.7)


@pytest.fixture
def judging(stage: StageConfig) -> StageConfig:
    values = stage.to_dict() | {
        "name": "adapt", "learning_rates": {"decoder": 1e-2}, "low_rank": {"rank": 4, "alpha": 8},
        "preference": PREFERENCE, "tasks": {"image_qa": 1}, "num_branches": 4, "precision": "fp32",
    }  # fmt: skip
    return StageConfig.model_validate(values)


@pytest.fixture
def samples(judged_world: Path) -> list[Sample]:
    """Four about each of three pictures, pictures one after the other, half of them judged."""
    return list(read_records(judged_world / "train/samples.jsonl", Sample))


@pytest.fixture
def before(micro: Path) -> PerceptionLM:
    """What the reference is, in fp64."""
    return load(micro).model.double()


@pytest.fixture
def learnt(before: PerceptionLM, judging: StageConfig) -> PerceptionLM:
    """An adapted model that has moved away from it."""
    model = copy.deepcopy(before)
    adapt(model.decoder, rank=4, alpha=8, seed=1)
    freeze_and_group(model.double(), judging)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for module in adapted_maps(model).values():
            module.low_rank_up.copy_(torch.randn(module.low_rank_up.shape, generator=generator) * 0.2)
    return model


def batches_of(processor: Processor, root: Path, rows: Sequence[Sequence[Sequence[Sample]]]) -> Batch:
    """Return the batch whose rows hold Examples of these Samples."""
    return processor.collate_rows([[processor.example(unit, root, pairs=True) for unit in row] for row in rows])


def gradients(model: PerceptionLM, batches: Sequence[Batch]) -> tuple[float, dict[str, Tensor]]:
    """Return loss and gradients of a step of these batches, as the objective has them."""
    counts = StepCounts(sum(b.num_supervised for b in batches), sum(b.num_pairs for b in batches))
    model.zero_grad()
    total = 0.0
    for batch in batches:
        share = batch_loss(model, batch, PREFERENCE, ALONE).share(counts, PREFERENCE)
        share.backward()  # type: ignore[no-untyped-call]
        total += float(share.detach())
    return total, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def log_probability(model: PerceptionLM, processor: Processor, sample: Sample, root: Path) -> tuple[Tensor, int]:
    """Return that of a Sample's answer, read alone, and how many tokens it has: all logits, nothing shared."""
    batch = processor.collate([processor.example([sample], root)])
    places = batch.targets != IGNORED_TARGET
    logs = model(batch).log_softmax(dim=-1)[places]
    return logs.gather(1, batch.targets[places][:, None]).sum(), int(places.sum())


def plainly(
    model: PerceptionLM, reference: PerceptionLM, processor: Processor, samples: Sequence[Sample], root: Path
) -> tuple[float, dict[str, Tensor]]:
    """Return loss and gradients by the formulas: every answer a sequence of its own, the reference another model."""
    model.zero_grad()
    of_answers, num_targets, of_pairs = torch.zeros((), dtype=torch.float64), 0, []
    for sample in samples:
        chosen, number = log_probability(model, processor, sample, root)
        of_answers, num_targets = of_answers - chosen, num_targets + number
        if sample.rejected is None:
            continue
        worse = sample.model_copy(update={"turns": sample.rejected_turns, "rejected": None})
        rejected, _ = log_probability(model, processor, worse, root)
        with torch.no_grad():
            usual = [log_probability(reference, processor, answer, root)[0] for answer in (sample, worse)]
        odds = (chosen - usual[0]) - (rejected - usual[1])
        of_pairs.append(torch.log1p(torch.exp(-PREFERENCE.beta * odds)))
    loss = PREFERENCE.answer_weight * of_answers / num_targets + torch.stack(of_pairs).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach()), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same(found: tuple[float, dict[str, Tensor]], expected: tuple[float, dict[str, Tensor]]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-10)
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert float(value.abs().max()) > 1e-6, name
        torch.testing.assert_close(found[1][name], value, rtol=1e-8, atol=1e-12)


def test_loss_and_gradients_are_those_of_the_formulas_however_it_is_laid_out(
    before: PerceptionLM, learnt: PerceptionLM, micro: Path, judged_world: Path, samples: list[Sample]
) -> None:
    processor = Processor.load(micro)
    expected = plainly(learnt, before, processor, samples, judged_world)
    first, second, third = (samples[place : place + 4] for place in (0, 4, 8))
    packed = batches_of(processor, judged_world, [[first, second], [third]])
    assert packed.num_pairs == 6
    assert_same(gradients(learnt, [packed]), expected)
    alone = batches_of(processor, judged_world, [[[sample]] for sample in samples])
    assert_same(gradients(learnt, [alone]), expected)
    # In several batches, of which one has no pair and one has nothing.
    plain = [sample for sample in samples if sample.rejected is None]
    judged = [sample for sample in samples if sample.rejected is not None]
    parts = [
        batches_of(processor, judged_world, [[[sample]] for sample in judged[:2]]),
        batches_of(processor, judged_world, [[[sample] for sample in plain]]),
        processor.collate_rows([]),
        batches_of(processor, judged_world, [[[sample] for sample in judged[2:]]]),
    ]
    assert [part.num_pairs for part in parts] == [2, 0, 0, 4]
    assert_same(gradients(learnt, parts), expected)


def test_what_the_model_says_of_pairs(
    before: PerceptionLM, micro: Path, judged_world: Path, samples: list[Sample]
) -> None:
    processor = Processor.load(micro)
    batch = batches_of(processor, judged_world, [[samples[:4], samples[4:8]]])
    with torch.no_grad():
        found, usual = before.pairwise_loss(batch), before.loss(batch)
    assert float(found.loss.total) == pytest.approx(float(usual.total), rel=1e-12)
    assert found.loss.num_targets == usual.num_targets
    torch.testing.assert_close(found.loss.per_tag, usual.per_tag)
    judged = [sample for sample in samples[:8] if sample.rejected is not None]
    for place, sample in enumerate(judged):
        worse = sample.model_copy(update={"turns": sample.rejected_turns, "rejected": None})
        for answer, value in ((sample, found.chosen[place]), (worse, found.rejected[place])):
            expected, _ = log_probability(before, processor, answer, judged_world)
            assert float(value) == pytest.approx(float(expected.detach()), rel=1e-10)


def margins(checkpoint: Path, world: Path) -> list[float]:
    """Return by how much each pair, held out or not, is ranked right: log p(chosen) - log p(rejected)."""
    loaded = load(checkpoint)
    found = []
    for split in ("train", "validation"):
        for sample in read_records(world / split / "samples.jsonl", Sample):
            if sample.rejected is not None:
                with torch.no_grad():
                    batch = loaded.processor.collate([loaded.processor.example([sample], world, pairs=True)])
                    said = loaded.model.pairwise_loss(batch)
                found.append(float(said.chosen - said.rejected))
    return found


def steps_of(out: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [record for _, record in read_lines(out / name)]


def test_it_learns_what_answers_alone_do_not_say(
    tmp_path: Path, judged_world: Path, micro: Path, judging: StageConfig, stage: StageConfig
) -> None:
    data = StageData(judged_world)
    changes = {"tasks": {"image_qa": 1}, "num_branches": 4, "checkpoint_every": 1000}
    rates = dict.fromkeys(("projector", "decoder"), 5e-3)
    general = stage.model_copy(update=changes | {"num_steps": 80, "learning_rates": rates})
    base = train_stage(tmp_path / "base", general, data=data, start=micro, seed=1)
    changes |= {
        "num_steps": 16, "learning_rates": {"decoder": 2e-2}, "preference": PreferenceConfig(),
        "validation": ValidationConfig(every=8),
    }  # fmt: skip
    config = judging.model_copy(update=changes)
    judged = train_stage(tmp_path / "judged", config, data=data, start=base, seed=1)
    told = config.model_copy(update={"preference": None})
    answers = train_stage(tmp_path / "answers", told, data=data, start=base, seed=1)
    shares = [sum(margin > 0 for margin in margins(out, judged_world)) / 8 for out in (base, answers, judged)]
    assert shares == [0.5, 0.5, 1.0]
    first, *_, last = steps_of(judged)
    # The model starts as its reference.
    assert (first["num_pairs"], first["preference_margin"], first["preference_accuracy"]) == (4, 0, 0)
    assert first["preference_loss"] == pytest.approx(0.693147, abs=1e-6)
    assert first["total_loss"] == pytest.approx(first["loss"] + first["preference_loss"], abs=2e-6)
    assert last["preference_accuracy"] == 1
    assert last["preference_loss"] < 0.6
    looks = steps_of(judged, "validation.jsonl")
    assert [(look["step"], look["num_pairs"], look["preference_accuracy"]) for look in looks] == [
        (8, 2, 1),
        (16, 2, 1),
    ]
    assert not any("total_loss" in record for record in [*steps_of(answers), *steps_of(answers, "validation.jsonl")])


def test_rows_at_a_time_make_no_difference_and_a_killed_run_resumes_to_the_same_bytes(
    tmp_path: Path, judged_world: Path, micro: Path, judging: StageConfig
) -> None:
    data = StageData(judged_world)
    # Nine Examples a step, of one Sample each: some without a pair.
    config = judging.model_copy(update={"num_groups": 9, "num_branches": 1, "num_steps": 4, "checkpoint_every": 2})
    whole = train_stage(tmp_path / "whole", config, data=data, start=micro, seed=1)
    rows = config.model_copy(update={"rows_per_batch": 2})
    parts = train_stage(tmp_path / "parts", rows, data=data, start=micro, seed=1)
    assert {step["num_pairs"] for step in steps_of(whole)} - {0, 9}
    for ours, theirs in zip(steps_of(parts), steps_of(whole), strict=True):
        assert ours["num_pairs"] == theirs["num_pairs"]
        for name in ("total_loss", "preference_loss", "preference_margin", "gradient_norm"):
            assert ours[name] == pytest.approx(theirs[name], abs=3e-5)
    step = Trainer.step
    with pytest.MonkeyPatch.context() as patch:

        def stopping(self: Trainer, number: int, data: StepData) -> dict[str, Any]:
            if number == 3:
                raise KeyboardInterrupt
            return step(self, number, data)

        patch.setattr(Trainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_stage(tmp_path / "resumed", config, data=data, start=micro, seed=1)
    train_stage(tmp_path / "resumed", config, data=data, start=micro, seed=1)
    assert artifact.read_manifest(tmp_path / "resumed").digest == artifact.read_manifest(whole).digest


def test_the_guard_watches_all_that_is_minimised_and_status_tells(
    tmp_path: Path, judged_world: Path, micro: Path, judging: StageConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        watch = SpikeGuard.watch
        patch.setattr(SpikeGuard, "watch", lambda self, step, loss: (seen.append(loss), watch(self, step, loss)))
        config = judging.model_copy(update={"num_steps": 2, "validation": ValidationConfig(every=2, patience=1)})
        out = train_stage(tmp_path / "out", config, data=StageData(judged_world), start=micro, seed=1)
    assert seen == [step["total_loss"] for step in steps_of(out)]
    assert run(["train", "status", str(out)]) == 0
    lines = capsys.readouterr().out
    assert "held-out pairs" in lines
    assert "ranked right, margin" in lines
    assert run(["train", "status", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["held_out_preference"]["num_pairs"] == 2
    assert shown["preference"]["total_loss"] == pytest.approx(sum(seen) / 2)


def test_early_stopping_goes_by_all_that_is_minimised() -> None:
    looks = [{"step": 1, "loss": 1.0, "total_loss": 3.0}, {"step": 2, "loss": 2.0, "total_loss": 2.5}]
    assert best_look(looks)["step"] == 2
    assert best_look([{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}])["step"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"low_rank": None}, "preference needs low_rank"),
        ({"learning_rates": {"decoder": 1e-3, "projector": 1e-3}}, "only 'decoder' may have a learning rate"),
        ({"template": "warmup"}, "needs the template plm_sft"),
        ({"preference": {"beta": 0}}, "preference.beta"),
        ({"preference": {"answer_weight": -1}}, "preference.answer_weight"),
    ],
)
def test_what_cannot_be_held_against_a_reference_is_refused(
    judging: StageConfig, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse(StageConfig, judging.to_dict() | changes)


def test_data_without_a_pair_is_refused(
    tmp_path: Path, toy_world: Path, judged_world: Path, micro: Path, judging: StageConfig
) -> None:
    with pytest.raises(DataError, match=r"learns from pairs of answers, but no sample of .*train has the field 'rej"):
        train_stage(tmp_path / "out", judging, data=StageData(toy_world), start=micro, seed=1)
    both = judging.model_copy(
        update={"tasks": {}, "sources": {"own": StageSource(), "replay": StageSource()}, "num_steps": 1}
    )
    own, replay = (Path(shutil.copytree(world, tmp_path / world.parent.name)) for world in (judged_world, toy_world))
    for root, split in ((own, "train"), (own, "validation"), (replay, "train")):
        build_index(root, split)
    sources = {"own": DataFolder(own), "replay": DataFolder(replay)}
    StageData(sources=sources).check(both)
    looking = both.model_copy(update={"validation": ValidationConfig(split="train", sources=("replay",))})
    with pytest.raises(ConfigError, match="none of the 8 held-out groups has one"):
        StageData(sources=sources).plans(looking, 1)
