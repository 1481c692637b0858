"""WorldSettings: how many clips and pictures a world has, and their format. Knows nothing of what they show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from perceptlm.config import Config


class WorldSettings(Config):
    """Sizes in pixels (even, as H.264 needs), lengths in frames. One scene depends on format fields only."""

    width: int = Field(default=96, ge=64, le=512, multiple_of=2)
    height: int = Field(default=96, ge=64, le=512, multiple_of=2)
    frames_per_second: int = Field(default=8, ge=1, le=60)
    min_num_frames: int = Field(default=24, ge=24)
    max_num_frames: int = Field(default=40, ge=40, le=400)
    codec: Literal["h264", "mpeg4"] = "h264"
    quality: int = Field(default=18, ge=1, le=31, description="the encoder's own scale; see media.write_video")
    write_masks: bool = False
    egocentric_fraction: float = Field(default=0.2, ge=0, le=1, description="share of clips seen by a moving asker")
    num_clips: int = Field(default=2000, ge=1, description="training clips")
    num_validation_clips: int = Field(default=100, ge=0)
    num_benchmark_clips: int = Field(default=200, ge=1)
    num_images: int = Field(default=2000, ge=0, description="training pictures")
    num_validation_images: int = Field(default=100, ge=0)
    num_benchmark_images: int = Field(default=200, ge=0)
    image_size: int = Field(default=96, ge=64, le=512, multiple_of=2)

    @model_validator(mode="after")
    def _ordered(self) -> WorldSettings:
        if self.max_num_frames < self.min_num_frames:
            raise ValueError(f"max_num_frames {self.max_num_frames} is below min_num_frames {self.min_num_frames}")
        return self
