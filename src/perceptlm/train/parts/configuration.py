"""What pretraining a part needs to be told: shape, length, batch, rates. Values are in `recipes`.

With a seed a recipe fixes every byte of the weights (same kind of machine): every batch is drawn anew by the world's
program from the seed and its number, so there is no data set to name.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perceptlm.config import Config
from perceptlm.train.configuration import OptimiserConfig, ScheduleConfig
from perceptlm.world.settings import WorldSettings


class PartRecipe(Config):
    """What all parts have in common. A chunk is what the worker makes at once: some batches."""

    world: WorldSettings = Field(description="how scenes are drawn; its counts are not used")
    preset: str = Field(description="model preset whose part is trained")
    num_chunks: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    schedule: ScheduleConfig = Field(description="its steps are chunks")
    optimiser: OptimiserConfig = OptimiserConfig()
    precision: Literal["bf16", "fp32"] = Field(
        default="bf16",
        exclude_if=lambda precision: precision == "bf16",
        description="of products; recipes of bf16 are older than this field and are written without it",
    )
    num_threads: int = Field(default=1, gt=0, description="part of the recipe: sums depend on it in the last bit")
    checkpoint_every: int = Field(default=5, gt=0, description="chunks")
    validate_every: int = Field(default=10, gt=0, description="chunks")
    num_validation_chunks: int = Field(default=1, gt=0)


class PictureRecipe(PartRecipe):
    """A part that is taught with pictures."""

    batches_per_chunk: int = Field(default=20, gt=0)
    num_scenes: int = Field(default=10, gt=0, description="scenes per batch")
    num_frames: int = Field(default=4, gt=0, description="pictures of each scene, at random times")
    image_share: float = Field(default=0.25, ge=0, le=1, description="share of scenes that are still pictures")
    marked_share: float = Field(default=0.4, ge=0, le=1, description="share of pictures with a red rectangle")


class EncoderRecipe(PictureRecipe):
    """Vision encoder: what, where, colour, state of every patch, and which description belongs to which picture."""

    contrastive_weight: float = Field(default=0.1, ge=0)


class WordsRecipe(Config):
    """The tokenizer, and the vectors of scene words: what projector and decoder agree on."""

    world: WorldSettings = Field(description="how scenes are drawn; its counts are not used")
    preset: str = Field(description="model preset whose decoder is to speak")
    vocab_size: int = Field(gt=300)
    num_clips: int = Field(gt=0, description="clips whose texts the tokenizer is trained on")
    num_images: int = Field(gt=0)
    num_frames: int = Field(default=16, gt=1)


class ProjectorRecipe(PictureRecipe):
    """Projector: what a pretrained encoder sees, as vectors of scene words."""


class VisionRecipe(PictureRecipe):
    """Encoder and projector, tuned together to find the vectors of scene words, and how they err then."""

    num_measured_chunks: int = Field(default=5, gt=0, description="chunks of clips on which its errors are measured")
    frames_per_measured_clip: int = Field(default=8, gt=1)


class DecoderRecipe(PartRecipe):
    """Decoder: the world's questions and captions about scenes written out in words, misread as in pictures.

    Pictures come first, alone; then clips with some pictures. Given a decoder, it goes on from that one's weights.
    """

    num_frames: int = Field(default=16, gt=1)
    max_tokens: int = Field(default=1024, gt=0)
    num_branches: int = Field(default=12, gt=0, description="questions about one scene, at most")
    num_moments: int = Field(default=4, ge=0, description="questions about single frames per dense caption")
    tokens_per_batch: int = Field(default=2500, gt=0, description="padding included")
    num_picture_chunks: int = Field(default=24, ge=0, description="chunks at the start that hold pictures alone")
    pictures_per_picture_chunk: int = Field(default=300, gt=0)
    clips_per_chunk: int = Field(default=96, gt=0)
    images_per_chunk: int = Field(default=32, ge=0)
    motion_clips_per_chunk: int = Field(
        default=384, ge=0, description="clips of which no question is asked but those at every vision token"
    )
    timing_clips_per_chunk: int = Field(
        default=0,
        ge=0,
        exclude_if=lambda count: count == 0,
        description="clips of which only times are asked; recipes without are older than this field",
    )
    caption_share: float = Field(default=0.3, ge=0, le=1, description="share of pictures in the warm-up's form")
    doing_weight: float = Field(default=0.5, ge=0, description="of what is asked at every vision token")
