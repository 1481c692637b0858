from __future__ import annotations

import numpy as np
import pytest

from perceptlm.world.direct import direct_clip, direct_image
from perceptlm.world.ground_truth import MIN_BOX_PIXELS
from perceptlm.world.render import RenderedClip, render
from perceptlm.world.script import Scene
from perceptlm.world.settings import WorldSettings

SETTINGS = WorldSettings()
EGOCENTRIC = WorldSettings(egocentric_fraction=1.0)


@pytest.fixture(scope="module")
def clips() -> list[tuple[Scene, RenderedClip]]:
    scenes = [direct_clip(SETTINGS, "train", index, 2) for index in range(40)]
    return [(scene, render(scene)) for scene in scenes]


def test_frames_have_the_scripted_shape(clips: list[tuple[Scene, RenderedClip]]) -> None:
    for scene, clip in clips:
        assert clip.frames.shape == (scene.num_frames, scene.height, scene.width, 3)
        assert clip.frames.dtype == np.uint8
        assert len(clip.ground_truth.boxes) == len(scene.things)
        assert clip.ground_truth.camera_offset.shape == (scene.num_frames, 2)


def test_boxes_and_visibility_are_those_of_the_masks(clips: list[tuple[Scene, RenderedClip]]) -> None:
    for scene, clip in clips:
        truth = clip.ground_truth
        for thing in scene.things:
            masks = truth.masks(thing.id)
            assert masks.shape == clip.frames.shape[:3]
            for frame, mask in enumerate(masks):
                num_pixels = int(mask.sum())
                assert (frame in truth.boxes[thing.id]) == (num_pixels >= MIN_BOX_PIXELS)
                if frame in truth.boxes[thing.id]:
                    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
                    expected = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
                    assert truth.boxes[thing.id][frame] == expected
                assert (truth.visible_fraction[thing.id, frame] > 0) == (num_pixels > 0)
        assert (truth.visible_fraction >= 0).all()
        assert (truth.visible_fraction <= 1).all()


def test_masks_are_where_the_pixels_are(clips: list[tuple[Scene, RenderedClip]]) -> None:
    """Without its things a clip differs from itself inside the masks and hardly anywhere else."""
    num_told = 0
    for scene, clip in clips[:15]:
        if any(event.action == "blink" for event in scene.events):
            continue
        num_told += 1
        empty = render(scene.model_copy(update={"things": (), "events": (), "egocentric": False, "camera": "still"}))
        if scene.camera != "still" or scene.egocentric:
            continue
        changed = np.abs(clip.frames.astype(int) - empty.frames).max(axis=3) > 40
        covered = clip.ground_truth.thing_map != 255
        assert changed[covered].mean() > 0.75, scene.id
        assert changed[~covered].mean() < 0.02, scene.id
    assert num_told > 5


def test_occlusion_happens_and_the_nearer_thing_wins(clips: list[tuple[Scene, RenderedClip]]) -> None:
    inside = []
    for _, clip in clips:
        truth = clip.ground_truth
        for thing, boxes in enumerate(truth.boxes):
            for frame, (x1, y1, x2, y2) in boxes.items():
                if min(x1, y1) > 0 and max(x2, y2) < 96:
                    inside.append(truth.visible_fraction[thing, frame])
    share_occluded = np.mean(np.array(inside) < 0.95)
    assert 0.02 < share_occluded < 0.5


def test_rendering_is_repeatable(clips: list[tuple[Scene, RenderedClip]]) -> None:
    from perceptlm.world import backgrounds, things

    scene, clip = clips[3]
    backgrounds.background.cache_clear()
    things._sprite.cache_clear()
    things._coloured.cache_clear()
    again = render(scene)
    assert again.frames.tobytes() == clip.frames.tobytes()
    assert again.ground_truth.boxes == clip.ground_truth.boxes


def test_an_egocentric_camera_travels_and_passes_things_in_the_given_order() -> None:
    for index in range(12):
        scene = direct_clip(EGOCENTRIC, "benchmark", index, 2)
        truth = render(scene).ground_truth
        way = truth.camera_offset[-1] - truth.camera_offset[0]
        heading = {"pan_left": (-1, 0), "pan_right": (1, 0), "pan_up": (0, -1), "pan_down": (0, 1)}[scene.camera]
        assert way @ np.array(heading) > 90
        assert sorted(truth.passed) == [thing.id for thing in scene.things]
        axis = 0 if heading[0] else 1
        moments = []
        for thing in truth.passed:
            middles = {f: (box[axis] + box[axis + 2]) / 2 for f, box in truth.boxes[thing].items()}
            assert len(middles) >= 5
            moments.append(min(middles, key=lambda frame: abs(middles[frame] - 48)))
        assert moments == sorted(moments)
        for event in scene.events:
            shown = truth.visible_fraction[event.subject, event.start_frame : event.end_frame + 1]
            assert shown.mean() > 0.7, (scene.id, event)


def test_things_in_pictures_stand_apart_and_whole() -> None:
    shares = []
    for index in range(60):
        scene = direct_image(SETTINGS, "train", index, 2)
        clip = render(scene)
        assert clip.frames.shape == (1, 96, 96, 3)
        assert clip.ground_truth.passed == ()
        shares.extend(clip.ground_truth.visible_fraction[:, 0])
    assert np.mean(np.array(shares) > 0.9) > 0.9
    assert min(shares) > 0.2


@pytest.mark.parametrize(("width", "height"), [(128, 96), (96, 160), (192, 192)])
def test_other_picture_sizes_work(width: int, height: int) -> None:
    settings = WorldSettings(width=width, height=height)
    for index in range(4):
        scene = direct_clip(settings, "train", index, 2)
        clip = render(scene)
        assert clip.frames.shape[1:] == (height, width, 3)
        assert any(clip.ground_truth.boxes)
