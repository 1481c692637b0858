"""The demo: a world, a processor, three stages and an evaluation that fit in a quarter of an hour on two cores.

`demo` is what `make demo` runs. `smoke` is the same chain in seconds, for tests: its scores mean nothing.
"""

from __future__ import annotations

from perceptlm.config import Config
from perceptlm.eval.settings import EvalSettings, TokenLimits
from perceptlm.train.configuration import Part, ProcessorRecipe, ScheduleConfig, StageConfig
from perceptlm.world.settings import WorldSettings


class DemoRecipe(Config):
    """Everything the demo consists of; with a seed it fixes every digested byte."""

    world: WorldSettings
    processor: ProcessorRecipe
    stages: tuple[StageConfig, ...]
    evaluation: EvalSettings


def demo() -> DemoRecipe:
    """Return the recipe of `plm demo`."""
    return DemoRecipe(
        world=WorldSettings(
            num_clips=800,
            num_validation_clips=40,
            num_benchmark_clips=200,
            num_images=8000,
            num_validation_images=40,
            num_benchmark_images=200,
        ),
        processor=_processor(vocab_size=1024),
        stages=(_warmup(num_steps=250), _midtrain(num_steps=70), _sft(num_steps=180)),
        evaluation=EvalSettings(num_frames=8, limit=400, num_samples_per_chunk=64),
    )


def smoke() -> DemoRecipe:
    """Return the chain at the size of a test: a few clips, a few steps, answers of a few tokens."""
    stages = (_warmup(num_steps=3), _midtrain(num_steps=3), _sft(num_steps=3))
    return DemoRecipe(
        world=WorldSettings(
            num_clips=16,
            num_validation_clips=2,
            # Fewer benchmark clips may hold just one for SGQA, and then there is no other clip to show blindly.
            num_benchmark_clips=24,
            num_images=24,
            num_validation_images=2,
            num_benchmark_images=4,
        ),
        processor=_processor(vocab_size=512),
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


def _processor(vocab_size: int) -> ProcessorRecipe:
    return ProcessorRecipe(
        vocab_size=vocab_size, tile_size=64, patch_size=8, pooling_ratio=2, num_frames=8, max_tokens=1024
    )


def _rates(rate: float) -> dict[Part, float]:
    # From random weights every part must learn in every stage (docs/decisions/0004).
    return {"vision_encoder": rate, "projector": rate, "decoder": rate}


def _warmup(num_steps: int) -> StageConfig:
    """Pictures before videos, in the paper's form for this stage: a picture, then its caption, and nothing else.

    Few tokens a picture leave time for many pictures: seeing starts only after some ten thousand different ones.
    """
    return StageConfig(
        name="warmup",
        preset="tiny",
        template="warmup",
        num_steps=num_steps,
        num_groups=64,
        num_branches=1,
        learning_rates=_rates(1e-3),
        tasks={"image_caption": 1},
        schedule=ScheduleConfig(warmup_steps=40, min_ratio=0.5),
    )


def _midtrain(num_steps: int) -> StageConfig:
    """What the program can write about clips and pictures without a benchmark in mind."""
    return StageConfig(
        name="midtrain",
        num_steps=num_steps,
        learning_rates=_rates(1e-3),
        tasks={
            "image_qa": 2,
            "image_caption": 1,
            "text_reading": 0.2,
            "video_caption": 1,
            "video_qa": 3,
            "mcq": 1,
            "counting": 0.5,
        },
        schedule=ScheduleConfig(warmup_steps=20, min_ratio=0.5),
    )


def _sft(num_steps: int) -> StageConfig:
    """The five benchmark tasks, with some of what came before."""
    return StageConfig(
        name="sft",
        num_steps=num_steps,
        learning_rates=_rates(8e-4),
        tasks={"fgqa": 1, "sgqa": 1, "rcap": 3, "rtloc": 1, "rdcap": 1, "image_qa": 2, "image_caption": 1},
        schedule=ScheduleConfig(warmup_steps=20, min_ratio=0.02),
    )
