"""The clips of WorldBench: seeds that no world has, long enough for 32 frames, busy enough for the region tasks."""

from __future__ import annotations

import pytest

from perceptlm.schema import Split
from perceptlm.seeding import derive_seed
from perceptlm.world.bench_pools import MIN_REGION_EVENTS, POOLS, BenchClips, pool_scene, pool_seed
from perceptlm.world.direct import direct_clip
from perceptlm.world.splits import background_names

CLIPS = BenchClips()
WORLD_SPLITS: tuple[Split, ...] = ("train", "validation", "benchmark")


def test_no_two_pools_versions_or_attempts_share_a_seed_and_none_is_one_of_a_world() -> None:
    seeds = [pool_seed(version, pool, attempt) for version in (1, 2) for pool in POOLS for attempt in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 0


def test_no_scene_has_the_seed_of_a_worlds() -> None:
    bench = {pool_scene(CLIPS, pool, number).seed for pool in POOLS for number in range(20)}
    assert len(bench) == 60
    for seed in range(3):
        for split in WORLD_SPLITS:
            assert not bench & {derive_seed(seed, "world", "clip", split, index) for index in range(2000)}


@pytest.mark.parametrize("pool", POOLS)
def test_scenes_fit_their_tasks(pool) -> None:
    scenes = [pool_scene(CLIPS, pool, number) for number in range(12)]
    shown_in_training = {*background_names("train"), *background_names("validation")}
    for number, scene in enumerate(scenes):
        assert scene.id == f"wb1_{pool}_{number:05d}"
        assert 32 <= scene.num_frames <= CLIPS.max_num_frames
        assert scene.background not in shown_in_training
        assert scene.egocentric or pool != "sgqa"
        assert len(scene.events) >= MIN_REGION_EVENTS or pool != "region"
        assert pool_scene(CLIPS, pool, number) == scene


def test_the_small_sets_clips_are_the_first_of_the_full_one() -> None:
    few = CLIPS.model_copy(update={"num_fgqa": 2})
    assert pool_scene(few, "fgqa", 1) == pool_scene(CLIPS, "fgqa", 1)


def test_another_version_has_other_scenes() -> None:
    other = BenchClips(version=2)
    assert pool_scene(other, "fgqa", 0).things != pool_scene(CLIPS, "fgqa", 0).things
    assert direct_clip(CLIPS.world("fgqa"), "benchmark", 0, 0).things != pool_scene(CLIPS, "fgqa", 0).things
