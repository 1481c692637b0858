"""FrameIdentity: what makes a frame number mean one picture, with a hash that annotations carry.

A frame number is the 0-based ordinal of the decoded picture. It means the same picture only as long as decoding gives
the same pictures, so every annotation names the hash of the table that it was made on. The bytes of the file have a
digest of their own and are no matter of this module, which opens files through `media` and knows no database.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

import av
from pydantic import Field, model_validator

from perceptlm.config import Config, canonical_json
from perceptlm.media.image import image_size
from perceptlm.media.limits import DEFAULT_LIMITS, MediaLimits
from perceptlm.media.open import open_media
from perceptlm.media.orientation import Orientation
from perceptlm.media.video import Video

_TURNS = {(False, False, False): 0, (True, False, True): 90, (False, True, True): 180, (True, True, False): 270}
"""(transposed, flipped up-down, flipped left-right) -> degrees clockwise."""


class FrameIdentity(Config):
    """The frame table of one video or image. `pts[n]` times `time_base` is when picture n is shown, in seconds.

    The time base is the coarsest in which all times are whole numbers, so that it does not depend on the container.
    Width and height are those after turning. `decoder` is not part of the hash: another decoder that finds other
    pictures or times gives another table by itself.
    """

    kind: Literal["image", "video"]
    time_base: tuple[int, int] = Field(description="numerator and denominator of a second")
    pts: tuple[int, ...] = Field(min_length=1)
    duration: int = Field(gt=0, description="from the first picture's start to the last one's end, in time_base")
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    rotation: Literal[0, 90, 180, 270] = Field(description="degrees clockwise by which stored pictures were turned")
    mirrored: bool = Field(description="left and right were then exchanged")
    decoder: str = Field(description="what decoded, with its version")

    @model_validator(mode="after")
    def _sane(self) -> FrameIdentity:
        if min(self.time_base) < 1:
            raise ValueError(f"time_base {self.time_base} must be positive")
        if any(later < earlier for earlier, later in zip(self.pts, self.pts[1:], strict=False)):
            raise ValueError("pts must ascend")
        return self

    @property
    def num_frames(self) -> int:
        """Number of pictures."""
        return len(self.pts)

    @property
    def average_rate(self) -> Fraction:
        """Pictures per second over the whole duration."""
        return self.num_frames / (self.duration * Fraction(*self.time_base))

    @property
    def canonical_bytes(self) -> bytes:
        """What is hashed: one JSON text without blanks, keys sorted."""
        values = self.to_dict()
        del values["decoder"]
        return canonical_json({"format": "perceptlm frame table 1", **values}).encode()

    @cached_property
    def frame_table_hash(self) -> str:
        """The sha256 (hex) of `canonical_bytes`."""
        return hashlib.sha256(self.canonical_bytes).hexdigest()

    def time(self, frame: int) -> Fraction:
        """Return when a picture is shown, in seconds as the file counts them."""
        return self.pts[frame] * Fraction(*self.time_base)


def identify(path: Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> FrameIdentity:
    """Return the identity of an image or video; MediaError naming `path` if it is neither, damaged or truncated."""
    if open_media(path) == "video":
        return identity_of(Video(path, limits=limits))
    width, height = image_size(path, limits=limits)
    return FrameIdentity(
        kind="image",
        time_base=(1, 1),
        pts=(0,),
        duration=1,
        width=width,
        height=height,
        rotation=0,  # what a camera wrote of it is undone on reading; it changes no frame number
        mirrored=False,
        decoder=decoder_version(),
    )


def identity_of(video: Video) -> FrameIdentity:
    """Return the identity of an opened video."""
    table = video.table
    base = Fraction(1, _common_denominator((*table.times, table.duration_seconds)))
    rotation, mirrored = turn_of(video.orientation)
    return FrameIdentity.model_validate(
        {
            "kind": "video",
            "time_base": (base.numerator, base.denominator),
            "pts": tuple(int(time / base) for time in table.times),
            "duration": int(table.duration_seconds / base),
            "width": table.width,
            "height": table.height,
            "rotation": rotation,
            "mirrored": mirrored,
            "decoder": decoder_version(),
        }
    )


def turn_of(orientation: Orientation) -> tuple[int, bool]:
    """Return by how many degrees clockwise pictures are turned, and whether left and right are then exchanged."""
    flips = (orientation.transposed, orientation.flipped_vertically, orientation.flipped_horizontally)
    if flips in _TURNS:
        return _TURNS[flips], False
    return _TURNS[flips[0], flips[1], not flips[2]], True


def decoder_version() -> str:
    """Return names and versions of what decodes."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"PyAV {av.__version__}, libavcodec {codec}"


def _common_denominator(times: Sequence[Fraction]) -> int:
    return math.lcm(*{time.denominator for time in times})
