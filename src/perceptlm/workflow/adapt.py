"""`plm train adapt`: counts the data, makes the recipe, says what it will take, and trains.

The recipe's values are `recipes.adapt`'s, the training is `train.stage`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from perceptlm import artifact
from perceptlm.data.row_index import RowIndex, build_index
from perceptlm.errors import UsageError
from perceptlm.model.device import best_device
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import read_config
from perceptlm.recipes.adapt import OWN, REPLAY, adapt
from perceptlm.schema import Split
from perceptlm.train.configuration import StageConfig
from perceptlm.train.forecast import Forecast, Workload, forecast
from perceptlm.train.optimiser import freeze_and_group
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import DataFolder, StageData
from perceptlm.train.starting_point import CHECKPOINT_KIND, empty_model
from perceptlm.train.throughput import measured_peak

_LOOKED_AT = 64
"""Units that the forecast's mean sample is of."""
_UTILISATION = 0.25
"""Share of the measured matrix peak that a forecast counts on."""


@dataclass(frozen=True)
class Adaptation:
    """What an adaptation starts from, learns from and is asked to do."""

    start: Path
    own: DataFolder
    replay: DataFolder | None = None
    replay_share: float = 0.3
    epochs: float = 3.0
    full: bool = False
    held_out: float | None = None
    """None: a tenth, or nothing where `own` has a validation split."""

    @property
    def data(self) -> StageData:
        """The folders by the names of the recipe's sources."""
        return StageData(sources={OWN: self.own} | ({} if self.replay is None else {REPLAY: self.replay}))


def plan_adaptation(wanted: Adaptation) -> StageConfig:
    """Return the recipe, indexing data that has no index yet; UsageError for shares that are none."""
    if not 0 <= wanted.replay_share < 1 or wanted.epochs <= 0:
        raise UsageError(f"replay share {wanted.replay_share:g} and {wanted.epochs:g} epochs: a share is below 1")
    artifact.require_kind(wanted.start, CHECKPOINT_KIND)
    for folder in wanted.data.sources.values():
        artifact.require_kind(folder.data, "world", "dataset")
    held_out = wanted.held_out
    if held_out is None:
        held_out = 0.0 if (wanted.own.data / "validation").is_dir() else 0.1
    if not held_out:
        _indexed(wanted.own.data, "validation")
    return adapt(
        num_own=_indexed(wanted.own.data, "train").num_units,
        num_replay=0 if wanted.replay is None else _indexed(wanted.replay.data, "train").num_units,
        replay_share=wanted.replay_share,
        epochs=wanted.epochs,
        full=wanted.full,
        held_out=held_out,
    )


def run_adaptation(
    wanted: Adaptation, config: StageConfig, out: Path, *, seed: int, overwrite: bool = False, ranks: Ranks = ALONE
) -> Path:
    """Train by `config`, which `plan_adaptation` made and a person may have changed, and publish `out`."""
    return train_stage(out, config, data=wanted.data, start=wanted.start, seed=seed, overwrite=overwrite, ranks=ranks)


def forecast_adaptation(wanted: Adaptation, config: StageConfig) -> Forecast:
    """Return what it will take on this machine, from the first Samples' lengths and the measured matrix peak."""
    processor = Processor.load(wanted.start)
    index = RowIndex.open(wanted.own.data, "train")
    media = wanted.own.data if wanted.own.media is None else wanted.own.media
    examples = [
        processor.example(index.unit_samples(unit), media, blank=True)
        for unit in range(min(_LOOKED_AT, index.num_units))
    ]

    def mean(of: Callable[[int], int]) -> float:
        return sum(of(number) for number in range(len(examples))) / len(examples)

    workload = Workload(
        mean(lambda number: len(examples[number].pictures)),
        mean(lambda number: examples[number].num_tokens),
        mean(lambda number: examples[number].num_supervised),
    )
    shape = read_config(wanted.start)
    model = empty_model(shape, config, seed=0)
    num_trained = sum(parameter.numel() for group in freeze_and_group(model, config) for parameter in group["params"])
    # What low-rank matrices cost beside the maps that they stand by is little.
    trained = tuple(part for part in config.learning_rates if config.low_rank is None or part != "decoder")
    found = forecast(
        shape,
        trained,
        workload,
        samples_per_step=config.num_groups,
        num_steps=config.num_steps,
        num_ranks=1,
        samples_per_rank=min(config.num_groups, config.rows_per_batch or config.num_groups),
        flops_per_second=measured_peak(best_device(), torch.get_num_threads()) * _UTILISATION,
    )
    return replace(found, num_trained=num_trained)


def describe(found: Forecast) -> dict[str, str]:
    """Return a forecast as lines for a person."""
    gib = 2.0**30
    return {
        "parameters": f"{sum(found.num_parameters.values()):,}, of which {found.num_trained:,} are trained",
        "a step": f"{found.tokens_per_step:,.0f} tokens, {found.flops / 1e12:,.2f} TFLOP",
        "memory": f"{found.state_bytes / gib:.2f} GiB of state, {found.activation_bytes / gib:.2f} of activations",
        "steps": f"{found.num_steps:,} at most",
        "time": f"{found.hours:,.2f} hours at most, at a quarter of this machine's matrix peak",
    }


def _indexed(root: Path, split: Split) -> RowIndex:
    build_index(root, split)  # does nothing where there is one of these shards
    return RowIndex.open(root, split)
