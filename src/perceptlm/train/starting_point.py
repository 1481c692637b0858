"""The model and the processor that a stage starts with, in a single process or shared out over several.

The model is built without memory, shared out, and then filled tensor by tensor: no process ever holds all of one that
is shared out. What a checkpoint does not have, because the stage changes the model's shape, gets its first values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptlm import artifact
from perceptlm.config import parse
from perceptlm.errors import ConfigError
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.device import best_device
from perceptlm.model.initialise import first_values
from perceptlm.model.low_rank import adapt, first_low_rank_values
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.preprocess.configuration import ProcessorConfig
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import check_fit, read_config, read_weights
from perceptlm.seeding import derive_seed
from perceptlm.train.configuration import ModelChanges, StageConfig
from perceptlm.train.optimiser import freeze_and_group
from perceptlm.train.parts.make_parts import PART_KINDS, put_in
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.recompute import recompute
from perceptlm.train.sharding import set_values, shard

CHECKPOINT_KIND = "checkpoint"


def starting_point(
    start: Path, config: StageConfig, parts: Mapping[str, Path], seed: int, ranks: Ranks = ALONE
) -> tuple[PerceptionLM, Processor]:
    """Return model and processor: those of the checkpoint `start`, or fresh ones where it is a processor.

    `parts` (kind -> artifact) then replace values. Raises ConfigError for a preset that there is not, or changes that a
    checkpoint does not allow.
    """
    before = shape_at_start(start, config)
    processor = Processor.load(start)
    shape, shown = changed(before, processor.config, config.changes)
    processor = Processor(shown, processor.tokenizer)
    check_fit(shape, processor)
    model = empty_model(shape, config, seed)
    freeze_and_group(model, config)
    shard(model, ranks, bf16=config.precision == "bf16")
    model.to_empty(device=best_device())
    recompute(model, config.recompute)
    fresh = artifact.read_manifest(start).kind != CHECKPOINT_KIND
    known = iter(()) if fresh else read_weights(start, before)
    _fill(model, known, shape, seed)
    # In the order in which they are made: what was tuned later holds.
    for kind in sorted(parts, key=PART_KINDS.index):
        put_in(model, parts[kind])
    return model, processor


def empty_model(shape: PLMConfig, config: StageConfig, seed: int) -> PerceptionLM:
    """Return the model that a stage trains, without values (on `meta`)."""
    with torch.device("meta"):
        model = PerceptionLM(shape)
        if config.precision == "fp64":
            model.double()
        if config.low_rank is not None:
            adapt(model.decoder, **config.low_rank.to_dict(), seed=derive_seed(seed, "low rank"))
    return model


def changed(shape: PLMConfig, shown: ProcessorConfig, changes: ModelChanges) -> tuple[PLMConfig, ProcessorConfig]:
    """Return a model's shape and a processor's settings with `changes` made."""
    wanted: dict[str, Any] = {name: value for name, value in changes.to_dict().items() if value is not None}
    for_vision = {name: wanted.pop(name) for name in ("layer_scale", "drop_path") if name in wanted}
    if shape.vision.layer_scale is not None:
        for_vision.pop("layer_scale", None)  # the gains are there, and have learnt
    ratio = wanted.pop("pooling_ratio", shape.pooling_ratio)
    layout = shown.layout.to_dict() | {"pooling_ratio": ratio}
    vision = shape.vision.to_dict() | for_vision
    return (
        parse(PLMConfig, shape.to_dict() | {"pooling_ratio": ratio, "vision": vision}, source="changes"),
        parse(ProcessorConfig, shown.to_dict() | wanted | {"layout": layout}, source="changes"),
    )


def shape_at_start(start: Path, config: StageConfig) -> PLMConfig:
    """Return the shape of the checkpoint `start`, or of the recipe's preset where that is a processor."""
    if artifact.read_manifest(start).kind == CHECKPOINT_KIND:
        return read_config(start)
    if config.preset is None:
        raise ConfigError(f"stage {config.name} starts from {start}, which holds no weights, and names no preset")
    if config.preset not in PRESETS:
        raise ConfigError(f"unknown preset '{config.preset}'; there are: {', '.join(sorted(PRESETS))}")
    processor = Processor.load(start)
    return PRESETS[config.preset](processor.vocab_size, processor.image_token_id)


def _fill(model: PerceptionLM, known: Iterator[tuple[str, Tensor]], shape: PLMConfig, seed: int) -> None:
    """Give every parameter its values: what is known of it, what low-rank matrices start with, or first values."""
    left = dict(model.named_parameters())
    for name, values in known:
        set_values(left.pop(name), values)
    for name, values in first_low_rank_values(model, derive_seed(seed, "low rank")):
        set_values(left.pop(name), values)
    for name, parameter in left.items():
        first = first_values(name, tuple(parameter.shape), shape, derive_seed(seed, "weights"))
        set_values(parameter, torch.from_numpy(first))
