"""The demo: a world, a processor, three stages and an evaluation for about a quarter of an hour on two cores.

`demo` is what `make demo` runs. `smoke` is the same chain in seconds, for tests: its scores mean nothing.
"""

from __future__ import annotations

from pydantic import Field

from perceptlm.config import Config
from perceptlm.eval.settings import EvalSettings, TokenLimits
from perceptlm.machine import fastest_precision
from perceptlm.train.configuration import Part, ProcessorRecipe, ScheduleConfig, StageConfig
from perceptlm.world.settings import WorldSettings

_PARTS = {"vision": "sharp_vision_tiny", "decoder": "timed_decoder_tiny"}
"""Encoder and projector come tuned to each other."""


_EVALUATION_MINUTES = 5


class DemoRecipe(Config):
    """Everything the demo consists of; with a seed it fixes every digested byte.

    It is made for the machine at hand: the precision of its stages is the one in which that multiplies fastest.
    """

    parts: dict[str, str] = Field(description="kind -> name of the shipped pretrained part that training starts from")
    world: WorldSettings
    processor: ProcessorRecipe
    stages: tuple[StageConfig, ...]
    evaluation: EvalSettings


def demo(minutes: int = 15) -> DemoRecipe:
    """Return the recipe of `plm demo`, for about so many minutes on two cores: more steps, and as much more to see.

    Evaluation asks the same questions whatever the time.
    """
    times = (minutes - _EVALUATION_MINUTES) / (15 - _EVALUATION_MINUTES)
    return DemoRecipe(
        parts=_PARTS,
        world=WorldSettings(
            num_clips=round(2000 * times),
            num_validation_clips=40,
            num_benchmark_clips=380,
            num_images=round(4000 * times),
            num_validation_images=40,
            num_benchmark_images=200,
        ),
        processor=_processor(num_frames=16),
        stages=(
            _warmup(num_steps=round(40 * times)),
            _midtrain(num_steps=round(30 * times)),
            _sft(num_steps=round(212 * times)),
        ),
        evaluation=EvalSettings(num_frames=16, limit=400, num_samples_per_chunk=512, max_new_tokens=TokenLimits()),
    )


def smoke() -> DemoRecipe:
    """Return the chain at the size of a test: a few clips, a few steps, answers of a few tokens."""
    stages = (_warmup(num_steps=3), _midtrain(num_steps=3), _sft(num_steps=3))
    return DemoRecipe(
        parts=_PARTS,
        world=WorldSettings(
            num_clips=16,
            num_validation_clips=2,
            # Fewer benchmark clips may hold just one for SGQA, and then there is no other clip to show blindly.
            num_benchmark_clips=24,
            num_images=24,
            num_validation_images=2,
            num_benchmark_images=4,
        ),
        processor=_processor(num_frames=8),
        stages=tuple(stage.model_copy(update={"num_groups": 2, "checkpoint_every": 1}) for stage in stages),
        # Few answers, and short: a model that has learned nothing never stops by itself.
        evaluation=EvalSettings(
            num_frames=8,
            limit=2,
            max_new_tokens=TokenLimits(fgqa=4, sgqa=4, rcap=8, rtloc=8, rdcap=8, image=8),
            num_resamples=200,
            num_samples_per_chunk=8,
        ),
    )


def _processor(num_frames: int) -> ProcessorRecipe:
    return ProcessorRecipe(
        tile_size=96, patch_size=12, pooling_ratio=2, num_frames=num_frames, max_tokens=1024, frame_numbers=True
    )


def _warmup(num_steps: int) -> StageConfig:
    """The paper's first stage: the projector alone, on pictures with captions. It begins joined (decision 8)."""
    return StageConfig(
        name="warmup",
        preset="tiny",
        template="warmup",
        num_steps=num_steps,
        num_groups=48,
        num_branches=1,
        learning_rates={"projector": 1e-3},
        precision=fastest_precision(),
        tasks={"image_caption": 1},
        schedule=ScheduleConfig(warmup_steps=20, min_ratio=0.1),
    )


def _midtrain(num_steps: int) -> StageConfig:
    """What the program can write about clips and pictures without a benchmark in mind."""
    return StageConfig(
        name="midtrain",
        preset="tiny",
        num_steps=num_steps,
        num_branches=8,
        learning_rates=_RATES,
        precision=fastest_precision(),
        tasks={
            "image_qa": 1,
            "image_caption": 0.5,
            "text_reading": 0.1,
            "video_caption": 1,
            "video_qa": 3,
            "mcq": 1.5,
            "counting": 0.5,
        },
        schedule=ScheduleConfig(warmup_steps=20, min_ratio=0.5),
    )


def _sft(num_steps: int) -> StageConfig:
    """The five benchmark tasks, with some of what came before."""
    return StageConfig(
        name="sft",
        num_steps=num_steps,
        num_branches=8,
        learning_rates=_RATES,
        precision=fastest_precision(),
        tasks={"fgqa": 2, "sgqa": 1, "rcap": 1.5, "rtloc": 1.5, "rdcap": 1, "image_qa": 1, "image_caption": 0.5},
        schedule=ScheduleConfig(warmup_steps=20, min_ratio=0.02),
    )


_RATES: dict[Part, float] = {"projector": 1e-3, "decoder": 2e-4}
"""The encoder stays as it was pretrained: what it makes of a picture is then computed once (docs/decisions/0006)."""
