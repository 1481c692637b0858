"""train.parts.written_scenes: fresh training scenes in words, without held-out pairs."""

import numpy as np
import pytest

from perceptlm.train.parts.written_scenes import write_clip, write_scenes
from perceptlm.world.scene_words import SLICES
from perceptlm.world.settings import WorldSettings
from perceptlm.world.splits import HELD_OUT_PAIRS


@pytest.fixture(scope="module")
def written():
    return [scene for scene, _ in write_scenes(WorldSettings(), {"video": 12, "image": 4}, 16, 4, "train", 2)]


def test_every_kind_is_written(written):
    assert [len(scene.frames) for scene in written] == [16] * 12 + [1] * 4
    assert all(scene.shares.shape[2] == 16 for scene in written)


def test_no_scene_shows_a_held_out_pair(written):
    scenes = [each.scene for each in written]
    shown = {(scene.thing(event.subject).kind, event.action) for scene in scenes for event in scene.events}
    assert shown
    assert not shown & HELD_OUT_PAIRS


def test_only_the_marked_thing_is_marked(written):
    plain, marked = written[0].cells(None), written[0].cells(0)
    assert not plain[..., SLICES["marked"]].any()
    np.testing.assert_allclose(marked[..., SLICES["marked"]][..., 0], written[0].shares[:, 0], atol=1e-6)


def test_a_clip_alone_is_the_one_among_others(written):
    clip = write_clip(WorldSettings(), 16, 4, "train", 3, 2)
    np.testing.assert_array_equal(clip.cells(None), written[3].cells(None))


def test_other_seeds_write_other_scenes(written):
    others = {scene.scene.seed for scene, _ in write_scenes(WorldSettings(), {"video": 3}, 16, 4, "train", 3)}
    assert not others & {each.scene.seed for each in written}
