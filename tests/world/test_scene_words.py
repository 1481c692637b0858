"""world.scene_words: what is written in a patch is what shows there."""

import numpy as np
import pytest

from perceptlm.world.direct import direct_clip
from perceptlm.world.ground_truth import MIN_BOX_PIXELS, NOTHING
from perceptlm.world.render import draw, ground_truth, render, screen_centre
from perceptlm.world.scene_words import GROUPS, NUM_PLACES, SLICES, WORDS, covered_shares, mark, words_of_things
from perceptlm.world.settings import WorldSettings
from perceptlm.world.simulate import simulate

SETTINGS = WorldSettings()


@pytest.fixture(scope="module", params=range(6))
def scene(request):
    return direct_clip(SETTINGS, "train", request.param, seed=11)


@pytest.fixture(scope="module")
def written(scene):
    where = simulate(scene)
    frames = list(range(0, scene.num_frames, 3))
    drawn = draw(scene, where, frames, with_pixels=False)
    return scene, where, frames, drawn, words_of_things(scene, where, frames)


def test_words_are_named_once_within_their_group():
    assert len(WORDS) == sum(len(words) for words in GROUPS.values())
    for words in GROUPS.values():
        assert len(set(words)) == len(words)


def test_drawing_without_pixels_shows_the_same_things(scene):
    whole = render(scene)
    where = simulate(scene)
    drawn = draw(scene, where, range(scene.num_frames), with_pixels=False)
    assert drawn.frames is None
    np.testing.assert_array_equal(drawn.thing_map, whole.ground_truth.thing_map)
    truth = ground_truth(scene, where, drawn)
    assert truth.boxes == whole.ground_truth.boxes
    np.testing.assert_array_equal(truth.visible_fraction, whole.ground_truth.visible_fraction)


def test_some_frames_are_drawn_as_they_are_in_the_whole(scene):
    whole = render(scene)
    some = draw(scene, simulate(scene), [5, 2])
    np.testing.assert_array_equal(some.frames, whole.frames[[5, 2]])


def test_shares_are_the_covered_part_of_every_patch(written):
    scene, _, _, drawn, _ = written
    shares = covered_shares(drawn.thing_map, len(scene.things), 8)
    side = scene.width // 8
    patch = drawn.thing_map[1, 2 * side : 3 * side, 5 * side : 6 * side]
    assert shares[1, 0, 8 * 2 + 5] == pytest.approx(np.mean(patch == 0))
    # Everything that is not background is covered by exactly one thing.
    np.testing.assert_allclose(
        shares.sum(axis=(1, 2)) / 64, (drawn.thing_map != NOTHING).mean(axis=(1, 2)), rtol=1e-5, atol=1e-6
    )


def test_every_thing_has_one_of_each_in_all(written):
    scene, _, _, _, words = written
    for name in ("kind", "colour", "pattern", "turn", "side", "across", "down", "something"):
        np.testing.assert_allclose(words[..., SLICES[name]].sum(-1), 1, atol=1e-5)
    for thing in scene.things:
        kind = words[:, thing.id, SLICES["kind"]].argmax(-1)
        assert {GROUPS["kind"][number] for number in kind} == {thing.kind}
    for name in ("mirrored", "faint", "marked", "state", "label"):
        assert ((words[..., SLICES[name]] >= 0) & (words[..., SLICES[name]] <= 1)).all()


def test_places_tell_where_the_centre_is(written):
    scene, where, frames, _, words = written
    scale = np.arange(NUM_PLACES) / (NUM_PLACES - 1)
    for thing in scene.things:
        for row, t in zip(words[:, thing.id], frames, strict=True):
            x, y = screen_centre(scene, where, thing.id, t)
            assert row[SLICES["across"]] @ scale == pytest.approx(np.clip(x / scene.width, 0, 1), abs=1e-5)
            assert row[SLICES["down"]] @ scale == pytest.approx(np.clip(y / scene.height, 0, 1), abs=1e-5)


def test_a_thing_is_marked_where_it_shows_and_only_it(written):
    _, _, _, drawn, plain = written
    words = mark(plain, drawn.thing_map, thing=0)
    shown = (drawn.thing_map == 0).sum(axis=(1, 2)) >= MIN_BOX_PIXELS
    np.testing.assert_array_equal(words[:, 0, SLICES["marked"]][:, 0], shown.astype(np.float32))
    words[:, 0, SLICES["marked"]] = 0
    np.testing.assert_array_equal(words, plain)


def test_a_change_of_colour_is_written_as_it_happens():
    for index in range(200):
        scene = direct_clip(SETTINGS, "train", index, seed=5)
        change = next((event for event in scene.events if event.action == "change_colour"), None)
        if change is not None and not any(e.action == "change_state" for e in scene.events_of(change.subject)):
            break
    where = simulate(scene)
    frames = [change.start_frame, scene.num_frames - 1]
    words = words_of_things(scene, where, frames)
    before, after = words[:, change.subject, SLICES["colour"]]
    assert GROUPS["colour"][before.argmax()] == scene.thing(change.subject).colour
    assert after[GROUPS["colour"].index(change.value)] == 1
