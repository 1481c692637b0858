"""TensorBoard is shown what metrics.jsonl says, step by step, and after an interruption no step twice."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perceptlm.cli.main import run
from perceptlm.config import dump_yaml
from perceptlm.exchange.jsonl import read_lines
from perceptlm.train.configuration import StageConfig, ValidationConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.trainer import Trainer

Scalars = dict[str, dict[int, float]]


def shown(folder: Path) -> Scalars:
    """Return every scalar by name and step as TensorBoard itself reads them; a step that comes twice is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    found: Scalars = {}
    for name in reader.Tags()["scalars"]:
        events = reader.Scalars(name)
        found[name] = {event.step: event.value for event in events}
        assert len(found[name]) == len(events), f"{name}: a step comes twice"
    return found


def logged(out: Path) -> Scalars:
    """Return what the logs say, under the names that TensorBoard is given."""
    found: Scalars = {}

    def add(group: str, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            found.setdefault(f"{group}/{name}", {})[step] = value

    for _, record in read_lines(out / "metrics.jsonl"):
        add("train", record["step"], {"loss": record["loss"], **record["per_task"]})
        norms = {"gradient_norm": record["gradient_norm"], **record["gradient_norm_per_part"]}
        add("gradient", record["step"], norms)
    for _, record in read_lines(out / "validation.jsonl"):
        add("validation", record["step"], {"loss": record["loss"], **record["per_task"]})
    for _, record in read_lines(out / "run/throughput.jsonl"):
        add("rate", record["step"], {name: value for name, value in record.items() if name != "step"})
    return found


def assert_same(out: Path) -> None:
    found, expected = shown(out / "run/tensorboard"), logged(out)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-6), name


@pytest.fixture
def looking(stage: StageConfig) -> StageConfig:
    validation = ValidationConfig(every=2, num_groups=2, split="train")
    return stage.model_copy(update={"num_steps": 4, "num_groups": 1, "checkpoint_every": 2, "validation": validation})


def stopping(at: int) -> Callable[..., Any]:
    step = Trainer.step

    def stopped(self: Trainer, number: int, data: Any) -> Any:
        if number == at:
            raise KeyboardInterrupt
        return step(self, number, data)

    return stopped


def test_scalars_are_those_of_the_logs_and_none_comes_twice(
    tmp_path: Path, toy_world: Path, micro: Path, looking: StageConfig
) -> None:
    def train() -> Path:
        data = StageData(toy_world)
        return train_stage(tmp_path / "out", looking, data=data, start=micro, seed=1, tensorboard=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stopping(3))
        with pytest.raises(KeyboardInterrupt):
            train()
    assert set(shown(tmp_path / "out.partial/run/tensorboard")["train/loss"]) == {0, 1, 2}
    # It goes on from the state before step 2, which it does again; what it saw before that stays.
    out = train()
    assert set(shown(out / "run/tensorboard")["train/loss"]) == set(range(4))
    assert set(shown(out / "run/tensorboard")["validation/loss"]) == {2, 4}
    assert_same(out)


def test_what_is_learnt_of_pairs_is_shown(
    tmp_path: Path, judged_world: Path, micro: Path, looking: StageConfig
) -> None:
    values = looking.to_dict() | {
        "name": "adapt", "learning_rates": {"decoder": 1e-3}, "low_rank": {"rank": 2}, "num_steps": 2,
        "tasks": {"image_qa": 1}, "preference": {},
    }  # fmt: skip
    config = StageConfig.model_validate(values)
    out = train_stage(tmp_path / "out", config, data=StageData(judged_world), start=micro, seed=1, tensorboard=True)
    found, (_, look) = shown(out / "run/tensorboard"), next(iter(read_lines(out / "validation.jsonl")))
    for name in ("total_loss", "preference_loss", "preference_accuracy", "preference_margin", "num_pairs"):
        assert found[f"validation/{name}"] == {2: pytest.approx(look[name], rel=1e-6)}
    assert set(found["train/total_loss"]) == {0, 1}


def test_the_command_writes_them(tmp_path: Path, toy_world: Path, micro: Path, looking: StageConfig) -> None:
    brief = looking.model_copy(update={"num_steps": 1})
    start = train_stage(tmp_path / "start", brief, data=StageData(toy_world), start=micro, seed=1)
    again = brief.model_copy(update={"num_steps": 2})
    (tmp_path / "recipe.yaml").write_text(dump_yaml(again))
    options = {"--recipe": tmp_path / "recipe.yaml", "--data": toy_world, "--start": start, "--out": tmp_path / "out"}
    words = [str(word) for option in options.items() for word in option]
    assert run(["train", "stage", again.name, *words, "--tensorboard"]) == 0
    assert_same(tmp_path / "out")
