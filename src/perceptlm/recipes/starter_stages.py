"""The three stages at the size `starter`: PE-Core-S before SmolLM2-135M, for one small GPU, or a CPU with patience.

The values are ours, not published: PLM's order of stages, which parts train in each, its schedule and its optimiser,
with batches that one GPU of 16 GiB holds and rates for a decoder an eighth of the smallest published one's size.
`plm weights assemble` joins the released parts to what the first stage starts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perceptlm.errors import UsageError
from perceptlm.recipes.demo import demo
from perceptlm.train.configuration import ModelChanges, Part, ScheduleConfig, StageConfig, StageSource

STARTER = "starter"
_ALL_RATES: dict[Part, float] = {"vision_encoder": 2e-5, "projector": 1e-4, "decoder": 1e-4}


def starter_stage(name: str, sources: Mapping[str, StageSource]) -> StageConfig:
    """Return stage `name`, which learns from `sources`, or without any from the tasks of a world, as the demo weighs
    them. UsageError for a stage that there is not.
    """
    values = _values()
    if name not in values:
        raise UsageError(f"there is no stage '{name}' of '{STARTER}'", hint=f"stages: {', '.join(values)}")
    data: dict[str, Any] = {"sources": dict(sources)}
    if not sources:
        data = {"tasks": next(stage.tasks for stage in demo().stages if stage.name == name)}
    return StageConfig.model_validate({"name": name, "preset": STARTER, **values[name], **data})


def _values() -> dict[str, dict[str, Any]]:
    joint = {
        "learning_rates": _ALL_RATES,
        "num_branches": 8,
        "rows_per_batch": 2,
        "recompute": "selective",
        "schedule": ScheduleConfig(warmup_steps=100, min_ratio=0.01),
        "checkpoint_every": 250,
    }
    return {
        "warmup": {
            "template": "warmup",
            "num_steps": 2000,
            "num_groups": 64,
            "num_branches": 1,
            "rows_per_batch": 8,
            "packed_tokens": 1024,
            "learning_rates": {"projector": 1e-3},
            "schedule": ScheduleConfig(warmup_steps=20, min_ratio=0.01),
            "checkpoint_every": 250,
            "changes": _shown(num_frames=4, max_tiles=1, max_tokens=1024),
        },
        "midtrain": joint
        | {
            "num_steps": 10000,
            "num_groups": 64,
            "packed_tokens": 4096,
            "changes": _shown(num_frames=8, max_tiles=4, max_tokens=4096),
        },
        "sft": joint
        | {
            "num_steps": 5000,
            "num_groups": 32,
            "packed_tokens": 6144,
            "changes": _shown(num_frames=16, max_tiles=9, max_tokens=6144),
        },
    }


def _shown(*, num_frames: int, max_tiles: int, max_tokens: int) -> ModelChanges:
    return ModelChanges(
        num_frames=num_frames,
        max_tiles=max_tiles,
        max_tokens=max_tokens,
        vision_input="vanilla" if max_tiles == 1 else "thumb+tile",
    )
