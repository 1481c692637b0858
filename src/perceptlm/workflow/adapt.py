"""`plm train adapt`: counts the data, makes the recipe, says what it will take, and trains.

The recipe's values are `recipes.adapt`'s, the training is `train.stage`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perceptlm import artifact
from perceptlm.data.row_index import RowIndex, build_index
from perceptlm.errors import UsageError
from perceptlm.recipes.adapt import OWN, REPLAY, adapt
from perceptlm.schema import Split
from perceptlm.train.configuration import StageConfig
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import DataFolder, StageData
from perceptlm.train.starting_point import CHECKPOINT_KIND


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
    preference: bool = False
    """Learn from rejected answers too."""

    @property
    def data(self) -> StageData:
        """The folders by the names of the recipe's sources."""
        return StageData(sources={OWN: self.own} | ({} if self.replay is None else {REPLAY: self.replay}))


def plan_adaptation(wanted: Adaptation) -> StageConfig:
    """Return the recipe, indexing data that has no index yet; UsageError for shares that are none."""
    if not 0 <= wanted.replay_share < 1 or wanted.epochs <= 0:
        raise UsageError(f"replay share {wanted.replay_share:g} and {wanted.epochs:g} epochs: a share is below 1")
    if wanted.full and wanted.preference:
        raise UsageError(
            "preference is held against the model without low-rank matrices, and full has none", hint="leave out --full"
        )
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
        preference=wanted.preference,
    )


def run_adaptation(
    wanted: Adaptation, config: StageConfig, out: Path, *, seed: int, overwrite: bool = False, ranks: Ranks = ALONE
) -> Path:
    """Train by `config`, which `plan_adaptation` made and a person may have changed, and publish `out`."""
    return train_stage(out, config, data=wanted.data, start=wanted.start, seed=seed, overwrite=overwrite, ranks=ranks)


def _indexed(root: Path, split: Split) -> RowIndex:
    build_index(root, split)  # does nothing where there is one of these shards
    return RowIndex.open(root, split)
