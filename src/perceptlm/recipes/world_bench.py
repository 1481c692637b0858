"""WorldBench, version by version: how many clips, and the digests that the finished set must have.

A version never changes: whoever has it has the same questions about the same pictures. What changes the world's
scripts, drawing or wording changes the digests, and then the set is another version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Literal, get_args

from pydantic import Field

from perceptlm.config import Config
from perceptlm.errors import UsageError
from perceptlm.schema import Task
from perceptlm.world.bench_pools import BenchClips

BenchSize = Literal["full", "small"]
BENCH_SIZES: tuple[BenchSize, ...] = get_args(BenchSize)
VERSION = 1
SMALL_SHARE = 10
"""Of each pool of clips, the small set has the first tenth; its questions are balanced anew."""


class WorldBenchRecipe(Config):
    """One set: its name, by which results call it, and its clips."""

    name: str = Field(min_length=1)
    clips: BenchClips = BenchClips()


class StatedDigests(Config):
    """sha256 of what a set asks (its tables, boxes and facts), and of its frames as drawn, before encoding."""

    questions: str
    pictures: str


class TaskCounts(Config):
    """What one task of a set is made of. `items` are what is scored as one: groups of FGQA, rows elsewhere."""

    rows: int
    items: int
    videos: int


STATED: Mapping[str, StatedDigests] = {}
"""By name: what was made where the version was fixed. A machine that draws or rounds otherwise says so."""
COUNTS: Mapping[str, Mapping[Task, TaskCounts]] = {}
"""By name: how many items each task has."""


def world_bench(size: BenchSize = "full", version: int = VERSION) -> WorldBenchRecipe:
    """Return the recipe of a set; UsageError for a version that this release does not make."""
    if version != VERSION:
        raise UsageError(
            f"this release makes version {VERSION} of WorldBench, not {version}",
            hint="a version is made by the releases whose docs/worldbench.md names it",
        )
    whole = BenchClips(version=version)
    if size == "full":
        return WorldBenchRecipe(name=f"worldbench-{version}", clips=whole)
    part = {f"num_{pool}": getattr(whole, f"num_{pool}") // SMALL_SHARE for pool in ("fgqa", "sgqa", "region")}
    return WorldBenchRecipe(name=f"worldbench-{version}-small", clips=whole.model_copy(update=part))


def largest_half_width(counts: TaskCounts, score: float, *, correlation: float, confidence: float = 0.95) -> float:
    """Return how wide half an interval of a mean score can be, at most: z * sqrt(score * (1 - score) / n * d).

    No score between 0 and 1 with that mean varies more than one that is 0 or 1 (Bhatia and Davis 2000). d is the
    design effect of m items of a video that agree with the given `correlation`: 1 + (m - 1) * correlation (Kish 1965).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    design_effect = 1 + (counts.items / counts.videos - 1) * correlation
    return z * math.sqrt(score * (1 - score) / counts.items * design_effect)
