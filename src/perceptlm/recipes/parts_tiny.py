"""How the tiny model's parts are pretrained: `encoder_tiny` from pixels, `decoder_tiny` from written-out scenes, and
`projector_tiny` from both parts and pixels.

All see training scenes only, drawn from a seed that no world uses. What they made is shipped with the package.
"""

from __future__ import annotations

from perceptlm.train.configuration import ScheduleConfig
from perceptlm.train.parts.configuration import DecoderRecipe, EncoderRecipe, ProjectorRecipe
from perceptlm.world.settings import WorldSettings

VOCAB_SIZE = 1280


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


def decoder_tiny() -> DecoderRecipe:
    """Return the recipe of the decoder: 6,000 pictures and 7,000 clips in words, and 26,000 clips of which
    only motion is asked, about an hour on two CPU cores."""
    return DecoderRecipe(
        world=WorldSettings(),
        preset="tiny",
        num_chunks=84,
        num_picture_chunks=12,
        num_threads=2,
        learning_rate=1e-3,
        schedule=ScheduleConfig(warmup_steps=4, min_ratio=0.02),
        checkpoint_every=4,
        validate_every=12,
        vocab_size=VOCAB_SIZE,
    )
