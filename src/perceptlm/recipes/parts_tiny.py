"""How the tiny model's parts are made: `words_tiny` from texts, `encoder_tiny` from pixels, `projector_tiny` from both,
`vision_tiny` by tuning encoder and projector together, `decoder_tiny` from scenes in words, misread as these do,
`sharp_vision_tiny`, tuned for longer, which models look with (report 8), and `timed_decoder_tiny`, the decoder taught
on with scenes as these see them and above all when things happen, which models speak with (report 15).

All see training scenes only, drawn from a seed that no world uses. What they made is shipped with the package.
"""

from __future__ import annotations

from collections.abc import Callable

from perceptlm.config import Config
from perceptlm.train.configuration import ScheduleConfig
from perceptlm.train.parts.configuration import (
    DecoderRecipe,
    EncoderRecipe,
    ProjectorRecipe,
    VisionRecipe,
    WordsRecipe,
)
from perceptlm.world.settings import WorldSettings

VOCAB_SIZE = 1280


def words_tiny() -> WordsRecipe:
    """Return the recipe of tokenizer and scene words' vectors: the texts of 1,024 scenes, a minute or two."""
    return WordsRecipe(world=WorldSettings(), preset="tiny", vocab_size=VOCAB_SIZE, num_clips=768, num_images=256)


def encoder_tiny() -> EncoderRecipe:
    """Return the recipe of the vision encoder: 360,000 pictures, about an hour on one CPU core."""
    return EncoderRecipe(
        world=WorldSettings(),
        preset="tiny",
        num_chunks=450,
        learning_rate=1e-3,
        schedule=ScheduleConfig(warmup_steps=10, min_ratio=0.02),
        checkpoint_every=25,
        validate_every=25,
    )


def projector_tiny() -> ProjectorRecipe:
    """Return the recipe of the projector: 48,000 pictures, a few minutes on one CPU core."""
    return ProjectorRecipe(
        world=WorldSettings(),
        preset="tiny",
        num_chunks=60,
        learning_rate=3e-3,
        schedule=ScheduleConfig(warmup_steps=2, min_ratio=0.01),
        checkpoint_every=10,
        validate_every=20,
    )


def vision_tiny() -> VisionRecipe:
    """Return the recipe that tunes encoder and projector together: 56,000 pictures, five minutes on two CPU cores."""
    return VisionRecipe(
        world=WorldSettings(),
        preset="tiny",
        num_chunks=70,
        num_threads=2,
        learning_rate=1e-3,
        schedule=ScheduleConfig(warmup_steps=2, min_ratio=0.01),
        checkpoint_every=10,
        validate_every=10,
    )


def sharp_vision_tiny() -> VisionRecipe:
    """Return the recipe of `vision_tiny` for longer: 176,000 pictures, 25 minutes on two CPU cores."""
    return vision_tiny().model_copy(update={"num_chunks": 220})


def decoder_tiny() -> DecoderRecipe:
    """Return the recipe of the decoder: 4,000 pictures and 5,000 clips in words, and 24,000 clips of which only motion
    is asked, about an hour on two CPU cores."""
    return DecoderRecipe(
        world=WorldSettings(),
        preset="tiny",
        num_chunks=62,
        num_picture_chunks=8,
        num_threads=2,
        learning_rate=1e-3,
        schedule=ScheduleConfig(warmup_steps=4, min_ratio=0.02),
        checkpoint_every=4,
        validate_every=12,
    )


def timed_decoder_tiny() -> DecoderRecipe:
    """Return the recipe that goes on from `decoder_tiny`, shown scenes as `sharp_vision_tiny` sees them: clips of which
    only times are asked above all (report 15); an hour on two CPU cores."""
    return decoder_tiny().model_copy(
        update={
            "num_chunks": 40,
            "num_picture_chunks": 0,
            "motion_clips_per_chunk": 96,
            "timing_clips_per_chunk": 256,
            "learning_rate": 8e-4,
            "schedule": ScheduleConfig(warmup_steps=1, min_ratio=0.02),
            "precision": "fp32",
            "checkpoint_every": 2,
            "validate_every": 10,
        }
    )


TINY_PARTS: dict[str, Callable[[], Config]] = {
    "words": words_tiny,
    "encoder": encoder_tiny,
    "projector": projector_tiny,
    "vision": vision_tiny,
    "decoder": decoder_tiny,
}
"""Kind of part -> its recipe; shipped under the kind's name and `_tiny`. The two that were taught for longer are beside
them."""
