"""A training stage as an artifact: what it starts from, what it sees, and the checkpoint it publishes.

The published directory is in the layout `transformers` loads (see `pretrained`), with `recipe.yaml`, `metrics.jsonl`
(one line per step) and `loss.svg` beside the weights; rates and times are in `run/`. Where the recipe asks for
snapshots, models of earlier steps are kept in the same layout in `snapshots/STEP`. What low-rank matrices have learnt
is in the weights, and alone in `adapter/`, as PEFT reads it.
"""

from __future__ import annotations

import functools
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from perceptlm import artifact
from perceptlm.config import dump_yaml
from perceptlm.errors import ConfigError
from perceptlm.log import logger
from perceptlm.model.low_rank import adapt
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.model.weights.adapter_files import write_adapter
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import load, save_pretrained
from perceptlm.seeding import derive_seed
from perceptlm.train.configuration import StageConfig
from perceptlm.train.curves import draw_loss_curve
from perceptlm.train.loader import StepLoader
from perceptlm.train.parts.make_parts import PART_KINDS, put_in
from perceptlm.train.trainer import METRICS, Trainer
from perceptlm.train.vision_features import VisionFeatures

KIND = "checkpoint"
ADAPTER_FOLDER = "adapter"


def train_stage(
    out: Path,
    config: StageConfig,
    *,
    world: Path,
    start: Path,
    seed: int,
    parts: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Train one stage and publish its checkpoint at `out`; goes on from unfinished work.

    `start` is the checkpoint of the stage before, or a processor artifact, from which a fresh model of
    `config.preset` is initialised. `parts` (kind -> artifact) then replace what was initialised at random.
    """
    parts = parts or {}

    def make(partial: Path) -> None:
        model, processor = _starting_point(start, config, parts, seed)
        if config.low_rank is not None:
            adapt(model.decoder, **config.low_rank.to_dict(), seed=derive_seed(seed, "low rank"))
        frozen = "vision_encoder" not in config.learning_rates
        features = VisionFeatures(model, config, processor.config) if frozen and not config.blind else None
        loader = StepLoader(world, processor, config, derive_seed(seed, "batches", config.name), features)
        save_model = functools.partial(save_pretrained, model=model, processor=processor)
        Trainer(model, loader, config, partial, save_model).fit()
        save_model(partial)
        if config.low_rank is not None:
            write_adapter(partial / ADAPTER_FOLDER, model, base=start.resolve().name)
        artifact.write_atomic(partial / "recipe.yaml", dump_yaml(config).encode())
        title = f"{config.name}: loss per supervised token"
        artifact.write_atomic(partial / "loss.svg", draw_loss_curve(partial / METRICS, title))
        artifact.write_run_record(partial, "memory", {"peak_bytes": peak_memory_bytes()})
        _warn_of_what_did_not_fit(config, processor)

    artifact.require_kind(world, "world")
    artifact.require_kind(start, KIND, "processor")
    for kind, part in parts.items():
        artifact.require_kind(part, kind)
    return artifact.build(
        out,
        kind=KIND,
        recipe=config.to_dict(),
        make=make,
        inputs={"world": world, "start": start, **parts},
        seeds={"seed": seed},
        overwrite=overwrite,
    )


def _warn_of_what_did_not_fit(config: StageConfig, processor: Processor) -> None:
    for number, what in (
        (processor.num_dropped_branches, "samples did not fit and were left out of their Example"),
        (processor.num_shortened, "times a sample was shown fewer frames or tiles so that it fits"),
    ):
        if number:
            logger.warning("%s: %d %s (%d tokens)", config.name, number, what, processor.config.max_tokens)


def _starting_point(
    start: Path, config: StageConfig, parts: Mapping[str, Path], seed: int
) -> tuple[PerceptionLM, Processor]:
    if artifact.read_manifest(start).kind == KIND:
        loaded = load(start)
        return loaded.model, loaded.processor
    if config.preset is None:
        raise ConfigError(f"stage {config.name} starts from {start}, which holds no weights, and names no preset")
    if config.preset not in PRESETS:
        raise ConfigError(f"unknown preset '{config.preset}'; there are: {', '.join(sorted(PRESETS))}")
    processor = Processor.load(start)
    model = PerceptionLM(PRESETS[config.preset](processor.vocab_size, processor.image_token_id))
    model.initialise(derive_seed(seed, "weights"))
    # In the order in which they are made: what was tuned later holds.
    for kind in sorted(parts, key=PART_KINDS.index):
        put_in(model, parts[kind])
    return model, processor


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
