"""PLM's three stages at 1B, 3B and 8B with the published values, and where paper and published configurations disagree.

Sources: facts/paper.md section 2 (arXiv 2504.13180 and its configurations) and facts/reference-implementation.md
section 4. Where both differ, the configurations hold, for they are what runs, but for the steps of the warm-up: the
paper's hours fit a million captions shown once. `disagreements` says what the other has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from perceptlm.config import Config
from perceptlm.errors import UsageError
from perceptlm.train.configuration import (
    ModelChanges,
    OptimiserConfig,
    Part,
    ScheduleConfig,
    StageConfig,
    StageSource,
)

if TYPE_CHECKING:
    from perceptlm.model.configuration import PLMConfig

PlmSize = Literal["plm_1b", "plm_3b", "plm_8b"]
PLM_SIZES: tuple[PlmSize, ...] = get_args(PlmSize)
PlmStageName = Literal["warmup", "midtrain", "sft"]
STAGES: tuple[PlmStageName, ...] = get_args(PlmStageName)
_VOCABULARY, _IMAGE_TOKEN = 128256, 128002
_ALL: tuple[Part, ...] = ("vision_encoder", "projector", "decoder")


class PlmStage(Config):
    """One stage of a Perception Language Model as it was trained.

    A step shows `global_batch` samples. The shape of the model is that of the preset `size`, but for pooling, the gains
    of the vision encoder's branches and the chance of dropping one, which change between stages.
    """

    size: PlmSize
    name: PlmStageName
    trained: tuple[Part, ...]
    num_steps: int = Field(gt=0)
    global_batch: int = Field(gt=0, description="samples per step")
    learning_rate: float = Field(gt=0)
    schedule: ScheduleConfig
    optimiser: OptimiserConfig
    max_tokens: int = Field(gt=0)
    pooling_ratio: int = Field(gt=0)
    layer_scale: float | None
    drop_path: float
    vision_input: Literal["vanilla", "thumb+tile"]
    max_tiles: int = Field(gt=0)
    num_frames: int = Field(gt=0)
    template: Literal["plm_sft", "warmup"]
    seed: int = 777
    disagreements: tuple[str, ...] = Field(default=(), description="where paper and configurations differ")


def plm_stage(size: PlmSize, name: PlmStageName) -> PlmStage:
    """Return a stage with its published values; UsageError for a size or stage that there is none of."""
    if size not in PLM_SIZES or name not in STAGES:
        raise UsageError(
            f"there is no stage '{name}' of '{size}'",
            hint=f"sizes: {', '.join(PLM_SIZES)}; stages: {', '.join(STAGES)}",
        )
    weight_decay = 0.05 if size == "plm_8b" else 0.01
    disagreements = [] if size == "plm_8b" else ["weight decay: 0.05 in the paper, 0.01 in the configurations"]
    if name == "warmup":
        disagreements.append("steps: 8,000 in the configurations, four times through the data; here once, as the paper")
    if name == "sft":
        disagreements.append("longest sequence: 11,264 in the paper, 11,520 in the configurations")
    values = _values(size, name) | {
        "size": size,
        "name": name,
        "optimiser": OptimiserConfig(weight_decay=weight_decay, decay_all=True),
        "disagreements": tuple(disagreements),
    }
    return PlmStage.model_validate(values)


def stage_config(stage: PlmStage, sources: Mapping[str, StageSource]) -> StageConfig:
    """Return the recipe that trains a stage on `sources`.

    A step shows as many groups as the published one shows samples; questions about the same pictures share them, so it
    may show more. What must be kept for the gradient of a block is computed again, as there.
    """
    return StageConfig(
        name=stage.name,
        num_steps=stage.num_steps,
        learning_rates=dict.fromkeys(stage.trained, stage.learning_rate),
        sources=dict(sources),
        template=stage.template,
        num_groups=stage.global_batch,
        num_branches=8,
        packed_tokens=stage.max_tokens,
        rows_per_batch=1,
        recompute="full",
        schedule=stage.schedule,
        optimiser=stage.optimiser,
        preset=stage.size,
        checkpoint_every=500,
        changes=ModelChanges(
            pooling_ratio=stage.pooling_ratio,
            layer_scale=stage.layer_scale,
            drop_path=stage.drop_path,
            num_frames=stage.num_frames,
            frame_choice="one_per_second",
            max_tiles=stage.max_tiles,
            vision_input=stage.vision_input,
            max_tokens=stage.max_tokens,
        ),
    )


def model_of(stage: PlmStage) -> PLMConfig:
    """Return the shape of the model as it is in this stage."""
    from perceptlm.model.presets import PRESETS  # loads torch

    config = PRESETS[stage.size](_VOCABULARY, _IMAGE_TOKEN)
    vision = config.vision.model_copy(update={"layer_scale": stage.layer_scale, "drop_path": stage.drop_path})
    return config.model_copy(update={"vision": vision, "pooling_ratio": stage.pooling_ratio})


def _values(size: PlmSize, name: PlmStageName) -> dict[str, object]:
    if name == "warmup":
        return {
            "trained": ("projector",),
            "num_steps": 1953,
            "global_batch": 512,
            "learning_rate": 1e-4,
            "schedule": ScheduleConfig(warmup_steps=20, min_ratio=0.01),
            "max_tokens": 1280,
            "pooling_ratio": 1,
            "layer_scale": None,
            "drop_path": 0.0,
            "vision_input": "vanilla",
            "max_tiles": 1,
            "num_frames": 8,
            "template": "warmup",
        }
    common = {
        "trained": _ALL,
        "schedule": ScheduleConfig(warmup_steps=120, min_ratio=0.01),
        "pooling_ratio": 2,
        "layer_scale": 0.1,
        "drop_path": 0.1,
        "vision_input": "thumb+tile",
        "template": "plm_sft",
    }
    if name == "midtrain":
        return common | {
            "num_steps": 35000,
            "global_batch": 2048,
            "learning_rate": 4e-5,
            "max_tokens": 6144,
            "max_tiles": 16,
            "num_frames": 16,
        }
    return common | {
        "num_steps": 21000,
        "global_batch": 1024,
        "learning_rate": 1e-5 if size == "plm_8b" else 4e-5,
        "max_tokens": 11520,
        "max_tiles": 36,
        "num_frames": 32,
    }
