"""The settings of a processor, and the words every conversation holds. Knows no code that uses them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perceptlm.batch import VisionLayout
from perceptlm.config import Config
from perceptlm.media.sampling import FrameChoice

VisionInput = Literal["vanilla", "thumb+tile"]
ResizeBackend = Literal["pil", "tensor"]
Template = Literal["plm_sft", "warmup"]

DEFAULT_SYSTEM_TEXT = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
FIXED_TEXTS = ("system", DEFAULT_SYSTEM_TEXT, "user", "assistant", "\n\n")
"""What the layout of a conversation says besides its own turns (facts/reference-implementation.md 2.7)."""


class ProcessorConfig(Config):
    """The defaults are those of PLM's last stage (facts/reference-implementation.md section 4).

    `num_frames` of a video are shown: spread evenly, or one a second where that is no fewer, thinned evenly
    (`one_per_second`: what PLM is trained with, facts/reference-implementation.md 2.4). A single image is shown by a
    thumbnail and at most `max_tiles` tiles (`thumb+tile`) or squashed (`vanilla`); no Example or prompt is longer than
    `max_tokens`. Pictures are resized by Pillow, as by the original, or as tensors, as by `transformers`: single values
    differ by one. With `frame_numbers` every frame of a video stands after its number in text, which tells the model
    the time.
    """

    layout: VisionLayout
    num_frames: int = Field(default=32, gt=0)
    frame_choice: FrameChoice = "uniform"
    max_tiles: int = Field(default=36, gt=0)
    vision_input: VisionInput = "thumb+tile"
    resize_backend: ResizeBackend = "pil"
    template: Template = "plm_sft"
    frame_numbers: bool = False
    max_tokens: int = Field(default=11520, gt=0)
