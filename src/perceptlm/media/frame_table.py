"""FrameTable: when each decoded picture of a video is shown, as exact rational numbers.

A frame index is everywhere the 0-based ordinal of the decoded picture in presentation order. Times are the
file's own presentation timestamps; no constant rate is assumed. This module opens no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class FrameTable:
    """The pictures of one video: `times` in seconds, one per picture and ascending, as the file states them (the
    first need not be 0); `duration_seconds` from the first picture's start to the last one's end; size after rotation.
    """

    times: tuple[Fraction, ...]
    width: int
    height: int
    duration_seconds: Fraction

    @property
    def num_frames(self) -> int:
        """Number of pictures."""
        return len(self.times)

    @property
    def average_rate(self) -> Fraction:
        """Pictures per second over the whole duration (what torchcodec calls `average_fps`)."""
        return self.num_frames / self.duration_seconds
