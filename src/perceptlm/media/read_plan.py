"""In which order to decode so that wanted pictures come out at least cost: read on, or jump to a keyframe.

Pure functions of ordinals. Reading on costs one decoded picture per ordinal passed; a jump costs a fixed number of
pictures' time and then starts at a keyframe.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["cheapest", "linear", "seek"]

SEEK_COST_PICTURES = 8
"""What a jump costs, in decoded pictures: measured from 5 (vtest.avi, bikes.mp4) to 34 (small H.264 with B-frames)."""


@dataclass(frozen=True)
class Run:
    """Decode from the keyframe `start` on until the last of `wanted` (ordinals, ascending) is out."""

    start: int
    wanted: tuple[int, ...]


def plan_runs(wanted: Sequence[int], keyframes: Sequence[int], strategy: Strategy = "cheapest") -> list[Run]:
    """Split `wanted` (ascending, no repeats) into runs. `keyframes` are ascending ordinals and hold 0.

    "linear" never jumps; "seek" jumps whenever a later keyframe stands before the wanted picture.
    """
    cost = {"cheapest": SEEK_COST_PICTURES, "seek": 0, "linear": None}[strategy]
    starts: list[int] = []
    groups: list[list[int]] = []
    position = 0
    for index in wanted:
        keyframe = keyframes[bisect_right(keyframes, index) - 1]
        if not groups or (cost is not None and keyframe - position > cost):
            jumps = cost is not None and keyframe - position > cost
            starts.append(keyframe if jumps else 0)
            groups.append([])
        groups[-1].append(index)
        position = index + 1
    return [Run(start, tuple(group)) for start, group in zip(starts, groups, strict=True)]
