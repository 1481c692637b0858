"""The clips of WorldBench: which there are, and the scripts of each, from seeds that no world is made with.

Three pools, as the release takes its tasks from different videos: clips for FGQA, egocentric clips for SGQA, and clips
of many events that RCap, RTLoc and RDCap share. A scene depends on the version, its pool, its number and the format of
the pictures alone. A world's seed is 0 or more (`make.make_world`), a pool's is below 0: no world draws from the same
stream, whatever its split. This module draws no pixel and asks no question.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from perceptlm.config import Config
from perceptlm.schema import Split
from perceptlm.seeding import derive_seed
from perceptlm.world.direct import direct_clip
from perceptlm.world.script import Scene
from perceptlm.world.settings import WorldSettings

PoolName = Literal["fgqa", "sgqa", "region"]
POOLS: tuple[PoolName, ...] = get_args(PoolName)
SPLIT: Split = "benchmark"
MIN_REGION_EVENTS = 4
"""In a clip of the region tasks: so many that each has about as many rows of them as a video of the release."""
_EGOCENTRIC: dict[PoolName, float] = {"fgqa": 0.2, "sgqa": 1.0, "region": 0.0}
_MAX_ATTEMPTS = 1000


class BenchClips(Config):
    """How many clips of each pool there are, and their format. Lengths in frames: the tasks need 32 at least."""

    version: int = Field(default=1, ge=1)
    num_fgqa: int = Field(default=600, ge=1)
    num_sgqa: int = Field(default=200, ge=1)
    num_region: int = Field(default=360, ge=1)
    width: int = Field(default=256, ge=64, le=512, multiple_of=2)
    height: int = Field(default=256, ge=64, le=512, multiple_of=2)
    frames_per_second: int = Field(default=6, ge=1, description="of PLM-STC's grid")
    min_num_frames: int = Field(default=36, ge=32)
    max_num_frames: int = Field(default=56, ge=40)
    quality: int = Field(default=18, ge=1, le=31, description="the encoder's own scale; see media.write_video")

    def num_of(self, pool: PoolName) -> int:
        """Return how many clips a pool has."""
        return {"fgqa": self.num_fgqa, "sgqa": self.num_sgqa, "region": self.num_region}[pool]

    @property
    def num_clips(self) -> int:
        """All clips."""
        return sum(self.num_of(pool) for pool in POOLS)

    def world(self, pool: PoolName) -> WorldSettings:
        """Return the format of a pool's clips as that of a world."""
        return WorldSettings(
            width=self.width, height=self.height, frames_per_second=self.frames_per_second,
            min_num_frames=self.min_num_frames, max_num_frames=self.max_num_frames, quality=self.quality,
            egocentric_fraction=_EGOCENTRIC[pool],
        )  # fmt: skip


def pool_seed(version: int, pool: PoolName, attempt: int = 0) -> int:
    """Return the seed of a pool's scripts: always below 0."""
    return -1 - derive_seed(version, "worldbench", pool, attempt)


def clip_name(version: int, pool: PoolName, number: int) -> str:
    """Return the name of a clip, which its file has before '.mp4'."""
    return f"wb{version}_{pool}_{number:05d}"


def pool_scene(clips: BenchClips, pool: PoolName, number: int) -> Scene:
    """Return the script of clip `number` (from 0) of a pool."""
    for attempt in range(_MAX_ATTEMPTS):
        scene = direct_clip(clips.world(pool), SPLIT, number, pool_seed(clips.version, pool, attempt))
        if pool != "region" or len(scene.events) >= MIN_REGION_EVENTS:
            return scene.model_copy(update={"id": clip_name(clips.version, pool, number)})
    raise AssertionError(f"none of {_MAX_ATTEMPTS} scripts has {MIN_REGION_EVENTS} events")
