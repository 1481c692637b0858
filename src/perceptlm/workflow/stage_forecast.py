"""What a stage will take on this machine, before it is begun: from its recipe, its start and the first of its data.

No file of media is opened and no weight is read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch

from perceptlm.batch import Example
from perceptlm.errors import DataError
from perceptlm.model.device import best_device
from perceptlm.preprocess.processor import Processor
from perceptlm.train.configuration import StageConfig
from perceptlm.train.forecast import Forecast, forecast
from perceptlm.train.optimiser import freeze_and_group
from perceptlm.train.rank_memory import Workload
from perceptlm.train.stage_data import StageData
from perceptlm.train.starting_point import changed, empty_model, shape_at_start
from perceptlm.train.throughput import measured_peak

_MOST_LOOKED_AT = 64
_UTILISATION = 0.25
"""Share of the measured matrix peak that is counted on."""


def forecast_stage(start: Path, config: StageConfig, data: StageData, *, seed: int, num_ranks: int = 1) -> Forecast:
    """Return what the stage takes on `num_ranks` processes with this machine's matrix peak each.

    Raises what the stage itself would raise about its start and its data.
    """
    data.check(config)
    processor = Processor.load(start)
    shape, shown = changed(shape_at_start(start, config), processor.config, config.changes)
    examples = _first_examples(Processor(shown, processor.tokenizer), config, data, seed)
    model = empty_model(shape, config, seed)
    num_trained = sum(parameter.numel() for group in freeze_and_group(model, config) for parameter in group["params"])
    # What low-rank matrices cost beside the maps that they stand by is little.
    trained = tuple(part for part in config.learning_rates if config.low_rank is None or part != "decoder")
    found = forecast(
        shape,
        trained,
        Workload(
            fmean(len(example.pictures) for example in examples),
            fmean(example.num_tokens for example in examples),
            fmean(example.num_supervised + example.num_rejected for example in examples),
        ),
        samples_per_step=config.num_groups,
        num_steps=config.num_steps,
        num_ranks=num_ranks,
        samples_per_rank=-(-config.num_groups // num_ranks),
        flops_per_second=measured_peak(best_device(), torch.get_num_threads()) * _UTILISATION,
        reference=config.preference is not None,
    )
    pairs_per_step = config.num_groups * fmean(example.num_pairs for example in examples)
    return replace(found, num_trained=num_trained, pairs_per_step=pairs_per_step)


def describe(found: Forecast) -> dict[str, str]:
    """Return a forecast as lines for a person."""
    gib, pairs = 2.0**30, {}
    if found.pairs_per_step:
        pairs["pairs"] = (
            f"about {found.pairs_per_step:,.1f} a step, each against the model without its low-rank matrices"
        )
    return {
        "parameters": f"{sum(found.num_parameters.values()):,}, of which {found.num_trained:,} are trained",
        "a step": f"{found.tokens_per_step:,.0f} tokens, {found.flops / 1e12:,.2f} TFLOP",
        "memory": f"{found.memory.state_bytes / gib:.2f} GiB of state, {found.memory.activation_bytes / gib:.2f} of "
        "activations if these are computed again in full",
        **pairs,
        "steps": f"{found.num_steps:,} at most",
        "time": f"{found.hours:,.2f} hours at most, at a quarter of this machine's matrix peak",
    }


def _first_examples(processor: Processor, config: StageConfig, data: StageData, seed: int) -> list[Example]:
    plan, _ = data.plans(config.model_copy(update={"validation": None}), seed)
    pairs, examples = config.preference is not None, []
    for unit in plan.units(0)[:_MOST_LOOKED_AT]:
        try:
            examples.append(
                processor.example(unit.read(), unit.root, template=config.template, blank=True, pairs=pairs)
            )
        except DataError:  # the stage will drop it, and say so
            continue
    if not examples:
        raise DataError("none of the first samples can be used", hint="plm data validate DIR lists what is wrong")
    return examples
