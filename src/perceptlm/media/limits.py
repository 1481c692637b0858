"""How much one media file may ask of the machine, so that a hostile or broken file is refused, not decoded."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from perceptlm.config import Config
from perceptlm.errors import MediaError


class MediaLimits(Config):
    """Upper bounds checked before memory is taken. The defaults hold 8K pictures and days of video."""

    max_pixels: int = Field(default=1 << 26, gt=0, description="width x height of one picture")
    max_frames: int = Field(default=2_000_000, gt=0, description="pictures of one video")
    max_read_bytes: int = Field(default=4 << 30, gt=0, description="RGB bytes one read may return")

    def check_picture(self, path: Path, width: int, height: int) -> None:
        """Raise MediaError naming `path` unless a picture of this size may be decoded."""
        if width < 1 or height < 1:
            raise MediaError(f"holds a picture of {width}x{height} pixels", path=path)
        if width * height > self.max_pixels:
            raise MediaError(f"a picture of {width}x{height} is over the limit of {self.max_pixels} pixels", path=path)

    def check_read(self, path: Path, num_pictures: int, width: int, height: int) -> None:
        """Raise MediaError naming `path` unless so many RGB pictures may be returned at once."""
        num_bytes = num_pictures * width * height * 3
        if num_bytes > self.max_read_bytes:
            raise MediaError(
                f"{num_pictures} pictures of {width}x{height} are over the limit of {self.max_read_bytes} bytes",
                path=path,
                hint="read fewer frames at a time",
            )


DEFAULT_LIMITS = MediaLimits()
