"""What a training stage needs to be told: parts and learning rates, data, batch, schedule, precision.

A StageConfig with a seed and its input artifacts fixes every byte of the checkpoint (same kind of machine). It names
no particular values; those are in `recipes`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from perceptlm.config import Config
from perceptlm.schema import Task

StageName = Literal["warmup", "midtrain", "sft"]
Part = Literal["vision_encoder", "projector", "decoder"]


class ScheduleConfig(Config):
    """Linear warm-up, then a cosine down to `min_ratio` of the peak at the last step."""

    warmup_steps: int = Field(default=20, ge=0)
    min_ratio: float = Field(default=0.01, ge=0, le=1)


class OptimiserConfig(Config):
    """AdamW as in the paper (betas 0.9, 0.95); vectors and embeddings are decayed only if `decay_all`."""

    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = Field(default=0.01, ge=0)
    decay_all: bool = False
    max_grad_norm: float = Field(default=1.0, gt=0)


class LowRankConfig(Config):
    """LoRA: matrices of `rank` beside the decoder's maps; what they add is multiplied by alpha / rank."""

    rank: int = Field(default=16, gt=0)
    alpha: float = Field(default=32.0, gt=0)
    targets: tuple[Literal["attention", "mlp"], ...] = Field(default=("attention", "mlp"), min_length=1)


class StageConfig(Config):
    """One stage of the three. Parts without a learning rate are frozen."""

    name: StageName
    num_steps: int = Field(gt=0)
    learning_rates: dict[Part, float] = Field(min_length=1)
    tasks: dict[Task, float] = Field(min_length=1, description="weight of each task in the mixture")
    template: Literal["plm_sft", "warmup"] = "plm_sft"
    num_groups: int = Field(default=8, gt=0, description="shared prefixes (clips or images) per step")
    num_branches: int = Field(default=5, gt=0, description="questions per shared prefix, at most")
    packed_tokens: int | None = Field(
        default=None, gt=0, description="row length that Examples are packed into; None: that of the step's longest"
    )
    low_rank: LowRankConfig | None = Field(
        default=None,
        description="train low-rank matrices beside the decoder's maps, at its rate; its weights are frozen",
    )
    schedule: ScheduleConfig = ScheduleConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    precision: Literal["bf16", "fp32"] = "bf16"
    blind: bool = Field(default=False, description="train without pixels: every picture is mid grey")
    preset: str | None = Field(default=None, description="model preset to start from when no checkpoint is given")
    num_threads: int = Field(default=2, gt=0, description="part of the recipe: sums depend on it in the last bit")
    checkpoint_every: int = Field(default=100, gt=0)
    snapshot_every: int | None = Field(
        default=None, gt=0, description="steps between models that are kept beside the last one; None: none are"
    )

    @field_validator("tasks")
    @classmethod
    def _positive(cls, tasks: dict[Task, float]) -> dict[Task, float]:
        for task, weight in tasks.items():
            if weight <= 0:
                raise ValueError(f"the weight of '{task}' must be positive, not {weight}")
        return tasks

    @model_validator(mode="after")
    def _low_rank_learns(self) -> StageConfig:
        if self.low_rank is not None and "decoder" not in self.learning_rates:
            raise ValueError("low_rank needs a learning rate for 'decoder'")
        return self

    @field_validator("learning_rates", "tasks")
    @classmethod
    def _in_one_order(cls, values: dict[str, float]) -> dict[str, float]:
        # A manifest keeps keys sorted: a recipe read from one must write the same recipe.yaml.
        return dict(sorted(values.items()))


class ProcessorRecipe(Config):
    """Which tokenizer it is and how pictures are shown."""

    vocab_size: int | None = Field(
        default=None, gt=300, description="of a tokenizer trained on the world; None: a pretrained decoder's own"
    )
    tile_size: int
    patch_size: int
    pooling_ratio: int
    num_frames: int = Field(gt=1)
    max_tiles: int = Field(default=1, gt=0)
    vision_input: Literal["vanilla", "thumb+tile"] = "vanilla"
    max_tokens: int = Field(gt=0, description="longest Example")
    frame_numbers: bool = Field(default=False, description="put its number in text before every frame of a video")
