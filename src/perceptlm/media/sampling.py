"""Which frames of a video a model sees: the published PLM rules, as pure functions of counts and rates.

Source: facts/reference-implementation.md section 2.4 and facts/evaluation.md section 1.1. Knows no file.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

FrameChoice = Literal["uniform", "one_per_second"]
"""Which of the rules below."""


def uniform_indices(num_total: int, num_wanted: int) -> list[int]:
    """Return `num_wanted` of `num_total` frames, both ends included; all frames when there are fewer.

    Frame i is round(i * (m - 1) / (n - 1)) with halves to even; one wanted frame is frame 0.
    """
    if num_total < 1 or num_wanted < 1:
        raise ValueError(f"need at least one frame to choose and one to choose from: {num_wanted} of {num_total}")
    if num_total <= num_wanted:
        return list(range(num_total))
    if num_wanted == 1:
        return [0]
    return [round(Fraction(i * (num_total - 1), num_wanted - 1)) for i in range(num_wanted)]


def one_per_second_indices(
    num_total: int,
    rate: Fraction | float,
    num_wanted: int,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> list[int]:
    """Return the frames that PLM's video loader takes: one per second, thinned to `num_wanted`.

    Positions go from start to end with a stride of round(rate). More than `num_wanted` are thinned uniformly;
    fewer are replaced by a uniform choice of min(num_wanted, frames of the clip) over the whole clip. A reversed
    clip is swapped, an empty one becomes one frame; `rate` is the average frames per second. The clip is kept
    inside the video, where the reference would ask for frames that are not there.
    """
    if num_total < 1 or num_wanted < 1:
        raise ValueError(f"need at least one frame to choose and one to choose from: {num_wanted} of {num_total}")
    if rate <= 0:
        raise ValueError(f"the frame rate must be positive, got {rate}")
    last = num_total - 1
    start = min(max(int(start_seconds * rate), 0), last) if start_seconds is not None else 0
    end = min(max(int(end_seconds * rate), 0), last) if end_seconds is not None else last
    start, end = min(start, end), max(start, end)
    if start == end:
        start, end = (start, start + 1) if start < last else (max(start - 1, 0), start)
    positions = list(range(start, end + 1, max(round(rate), 1)))
    if len(positions) < num_wanted:
        positions = list(range(start, end + 1))
    return [positions[i] for i in uniform_indices(len(positions), num_wanted)]
