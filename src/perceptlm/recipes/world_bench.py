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
from perceptlm.schema import REGION_TASKS, Task
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


STATED: Mapping[str, StatedDigests] = {
    "worldbench-1": StatedDigests(
        questions="ec47cc11b6ce2636210baecc85a57b6e106b2a5a5edbcc42377456363f3dc511",
        pictures="fae721059657da6e2aa0733594d415635a8af4a4ad1fbd6a9e5936600cc1e8e1",
    ),
    "worldbench-1-small": StatedDigests(
        questions="29d659d4fc5f5d9010d762a64f708a3a1c1fe28377a2fc345a2145aa45f8e738",
        pictures="4d41a89be56d22709ed5173eca1b2e725105ae5a4da630b8d2339bf432387bf3",
    ),
}
"""By name: what was made where the version was fixed. A machine that draws or rounds otherwise says so."""
COUNTS: Mapping[str, Mapping[Task, TaskCounts]] = {
    "worldbench-1": {
        "fgqa": TaskCounts(rows=2940, items=980, videos=551),
        "sgqa": TaskCounts(rows=766, items=766, videos=200),
        "rcap": TaskCounts(rows=1514, items=1514, videos=360),
        "rtloc": TaskCounts(rows=1224, items=1224, videos=360),
        "rdcap": TaskCounts(rows=396, items=396, videos=360),
    },
    "worldbench-1-small": {
        "fgqa": TaskCounts(rows=144, items=48, videos=38),
        "sgqa": TaskCounts(rows=78, items=78, videos=20),
        "rcap": TaskCounts(rows=149, items=149, videos=36),
        "rtloc": TaskCounts(rows=123, items=123, videos=36),
        "rdcap": TaskCounts(rows=40, items=40, videos=36),
    },
}
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


def largest_half_widths(
    counts: Mapping[Task, TaskCounts], score: float, *, correlation: float, confidence: float = 0.95
) -> dict[str, float]:
    """Return how wide half an interval of each task's score can be at most, and of the suite's "average".

    A task's is z * sqrt(score * (1 - score) / n * d): no score between 0 and 1 with that mean varies more than one that
    is 0 or 1 (Bhatia and Davis 2000). d is the design effect of m items of a video that agree with the given
    `correlation`: 1 + (m - 1) * correlation (Kish 1965). The region tasks share their videos and may err together.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found = {}
    for task, count in counts.items():
        design_effect = 1 + (count.items / count.videos - 1) * correlation
        found[str(task)] = z * math.sqrt(score * (1 - score) / count.items * design_effect)
    region = sum(found[task] for task in REGION_TASKS) / len(REGION_TASKS)
    return found | {"average": math.hypot(found["fgqa"], found["sgqa"], region) / 3}
