"""What a training stage needs to be told: parts and learning rates, data, batch, schedule, precision.

A StageConfig with a seed and its input artifacts fixes every byte of the checkpoint (same kind of machine). It names
no particular values; those are in `recipes`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from perceptlm.config import Config
from perceptlm.media.sampling import FrameChoice
from perceptlm.schema import Split, Task

StageName = Literal["warmup", "midtrain", "sft", "adapt"]
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


class PreferenceConfig(Config):
    """Learn from pairs of answers, one judged better, beside the answers themselves (`train.preference`)."""

    beta: float = Field(default=0.1, gt=0, description="the smaller, the further the model may go from its start")
    answer_weight: float = Field(default=1.0, ge=0, description="of the loss per supervised token")


class ModelChanges(Config):
    """What a stage changes of the model and of how pictures are shown to it. None: as the stage before left it.

    A gain that the model did not have starts as `layer_scale`.
    """

    pooling_ratio: int | None = Field(default=None, gt=0)
    layer_scale: float | None = None
    drop_path: float | None = Field(default=None, ge=0, lt=1)
    num_frames: int | None = Field(default=None, gt=0)
    frame_choice: FrameChoice | None = None
    max_tiles: int | None = Field(default=None, gt=0)
    vision_input: Literal["vanilla", "thumb+tile"] | None = None
    max_tokens: int | None = Field(default=None, gt=0, description="longest Example")


class StageSource(Config):
    """A dataset among those that a stage learns from. It must have an index (`plm data index`)."""

    split: Split = "train"
    repeats: float = Field(default=1.0, gt=0, description="how often each of its units comes per epoch")
    held_out: float = Field(
        default=0.0, ge=0, lt=1, description="share of its recordings kept back, to be looked at by `validation`"
    )


class ValidationConfig(Config):
    """The loss on what is not trained on, every so many steps, always on the same Samples.

    With `patience`, training ends after so many looks without a better one, and the best model is what is published.
    """

    every: int = Field(default=50, gt=0, description="steps between two looks; there is one after the last step too")
    num_groups: int = Field(default=64, gt=0, description="shared prefixes looked at, the first of the split")
    split: Split = "validation"
    sources: tuple[str, ...] = Field(default=(), description="looked at, of a stage's `sources`; (): all that can be")
    patience: int | None = Field(default=None, gt=0)


class GuardConfig(Config):
    """When to stop by itself. A loss or gradient that is not finite always stops.

    A spike is a loss of over `spike_factor` times the median of the `window` steps before, in `spike_steps` steps one
    after the other.
    """

    spike_factor: float | None = Field(default=5.0, gt=1, description="None: spikes do not stop")
    spike_steps: int = Field(default=8, gt=0)
    window: int = Field(default=64, gt=1)
    max_dropped: float = Field(
        default=0.01, ge=0, le=1, description="share of groups that may be unusable; the first ten always may"
    )


class StageConfig(Config):
    """One stage of the three. Parts without a learning rate are frozen."""

    name: StageName
    num_steps: int = Field(gt=0)
    learning_rates: dict[Part, float] = Field(min_length=1)
    tasks: dict[Task, float] = Field(
        default_factory=dict, description="weight of each task, where one dataset (--data) is learnt from"
    )
    sources: dict[str, StageSource] = Field(
        default_factory=dict, description="datasets that are learnt from together, by name (--blend)"
    )
    template: Literal["plm_sft", "warmup"] = "plm_sft"
    num_groups: int = Field(default=8, gt=0, description="shared prefixes (clips or images) per step")
    num_branches: int = Field(default=5, gt=0, description="questions per shared prefix, at most")
    packed_tokens: int | None = Field(
        default=None, gt=0, description="row length that Examples are packed into; None: that of the step's longest"
    )
    rows_per_batch: int | None = Field(
        default=None,
        gt=0,
        description="rows that a process works on at a time, adding up gradients; None: all that it has of a step",
    )
    recompute: Literal["none", "selective", "full"] = Field(
        default="none",
        description="computed again for the gradient instead of kept: nothing, all but products of matrices, or blocks",
    )
    changes: ModelChanges = ModelChanges()
    low_rank: LowRankConfig | None = Field(
        default=None,
        description="train low-rank matrices beside the decoder's maps, at its rate; its weights are frozen",
    )
    preference: PreferenceConfig | None = Field(
        default=None, description="also learn from pairs of answers, against the model without low-rank matrices"
    )
    schedule: ScheduleConfig = ScheduleConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    precision: Literal["bf16", "fp32", "fp64"] = Field(
        default="bf16", description="of products; parameters and sums over processes are fp32 (fp64: all is)"
    )
    ema_decay: float | None = Field(
        default=None, gt=0, lt=1, description="publish a running mean of the weights that forgets at this rate"
    )
    validation: ValidationConfig | None = None
    guard: GuardConfig = GuardConfig()
    blind: bool = Field(default=False, description="train without pixels: every picture is mid grey")
    preset: str | None = Field(default=None, description="model preset to start from when no checkpoint is given")
    num_threads: int = Field(default=2, gt=0, description="part of the recipe: sums depend on it in the last bit")
    checkpoint_every: int = Field(default=100, gt=0)
    keep_states: int = Field(default=1, gt=0, description="saved states that are kept while training; the newest ones")
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
    def _one_kind_of_data(self) -> StageConfig:
        if bool(self.tasks) == bool(self.sources):
            raise ValueError("give weights of 'tasks' of one dataset, or 'sources'; not both")
        return self

    @model_validator(mode="after")
    def _low_rank_learns(self) -> StageConfig:
        if self.low_rank is not None and "decoder" not in self.learning_rates:
            raise ValueError("low_rank needs a learning rate for 'decoder'")
        return self

    @model_validator(mode="after")
    def _reference_stays(self) -> StageConfig:
        if self.preference is None:
            return self
        if self.low_rank is None:
            raise ValueError("preference needs low_rank: the model without these matrices is what it is held against")
        if set(self.learning_rates) != {"decoder"}:
            raise ValueError("with preference only 'decoder' may have a learning rate: all else is the reference's too")
        if self.template != "plm_sft":
            raise ValueError("preference needs the template plm_sft: in another there are no questions")
        return self

    @field_validator("learning_rates", "tasks", "sources")
    @classmethod
    def _in_one_order(cls, values: dict[str, Any]) -> dict[str, Any]:
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
