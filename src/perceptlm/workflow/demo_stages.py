"""The demo's stages, twice: with pixels in this process and, as a control, without pixels in one beside it.

Neither needs anything of the other, so the control costs little time of its own. Every stage publishes a directory;
finished ones are found again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perceptlm.train.configuration import StageConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.train.vision_features import release_features
from perceptlm.workers import worker_pool
from perceptlm.workflow.demo_clock import Clock

BLIND_FOLDER = "blind"
WAITING = "waiting for the stages without pixels"
BLIND_TIMINGS = "timings_without_pixels"


@dataclass(frozen=True)
class Chain:
    """Stages in a row: what they are, what they learn from, and what the first one starts from."""

    stages: tuple[StageConfig, ...]
    world: Path
    processor: Path
    parts: Mapping[str, Path]
    seed: int


def train_with_and_without_pixels(chain: Chain, folder: Path, clock: Clock) -> tuple[Path, Path]:
    """Train both chains under `folder`; return the last checkpoints with and without pixels."""
    with worker_pool(1) as pool:
        blind = pool.submit(_train_blind, chain, folder)
        last = _train(chain, folder, clock, blind=False)
        release_features()  # no more stages follow: what comes after may have their memory
        with clock.measure(WAITING):
            return last, blind.result()


def _train_blind(chain: Chain, folder: Path) -> Path:
    return _train(chain, folder / BLIND_FOLDER, Clock(folder, BLIND_TIMINGS, says_steps=False), blind=True)


def _train(chain: Chain, place: Path, clock: Clock, *, blind: bool) -> Path:
    start, given = chain.processor, chain.parts
    for stage in chain.stages:
        # A stage that trains the projector alone teaches a model that is shown nothing nothing.
        if blind and "decoder" not in stage.learning_rates:
            continue
        config = stage.model_copy(update={"blind": blind})
        with clock.measure(stage.name):
            start = train_stage(
                place / stage.name, config, data=StageData(chain.world), start=start, seed=chain.seed, parts=given
            )
        given = {}
    return start
