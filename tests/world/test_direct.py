from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import pytest

from perceptlm.world.direct import direct_clip, direct_image
from perceptlm.world.script import COUNTED_ACTIONS, DIRECTED_ACTIONS, TWO_THING_ACTIONS, Event, Scene
from perceptlm.world.settings import WorldSettings
from perceptlm.world.splits import HELD_OUT_PAIRS, background_names, pair_allowed
from perceptlm.world.vocabulary import ACTIONS, COLOURS, COVER_KINDS, KINDS, PATTERNS, SIZES

SETTINGS = WorldSettings()
NUM_CLIPS = 700


@cache
def scenes(split: str) -> tuple[Scene, ...]:
    return tuple(direct_clip(SETTINGS, split, index, 7) for index in range(NUM_CLIPS))


def plain(split: str) -> list[Scene]:
    return [scene for scene in scenes(split) if not scene.egocentric]


def events(split: str) -> list[tuple[Scene, Event]]:
    return [(scene, event) for scene in plain(split) for event in scene.events]


def is_even(values: Iterable[object], options: Iterable[object], slack: float = 1.0) -> bool:
    """Whether a chi-square over the options stays within about 5 deviations (times `slack`) of uniform."""
    counts, names = Counter(values), list(options)
    assert set(counts) <= set(names)
    expected = sum(counts.values()) / len(names)
    chi_square = sum((counts[name] - expected) ** 2 / expected for name in names)
    freedom = len(names) - 1
    return chi_square < slack * (freedom + 5 * (2 * freedom) ** 0.5)


@pytest.mark.parametrize("split", ["train", "benchmark"])
def test_kinds_colours_patterns_sizes_directions_and_counts_are_even(split: str) -> None:
    told = events(split)
    assert is_even((scene.things[0].kind for scene in plain(split)), KINDS)
    assert is_even((thing.colour for scene in plain(split) for thing in scene.things), COLOURS)
    assert is_even((thing.pattern for scene in plain(split) for thing in scene.things), PATTERNS)
    assert is_even((scene.things[0].size for scene in plain(split)), SIZES)
    directions = ("left", "right", "up", "down")
    for action in DIRECTED_ACTIONS:
        assert is_even((event.direction for _, event in told if event.action == action), directions)
    for action in COUNTED_ACTIONS:
        assert is_even((event.count for _, event in told if event.action == action), range(1, 5))


@pytest.mark.parametrize("split", ["train", "benchmark"])
def test_all_actions_are_about_as_frequent(split: str) -> None:
    counts = Counter(event.action for _, event in events(split))
    mean = sum(counts.values()) / len(ACTIONS)
    for action in ACTIONS:
        assert 0.4 * mean < counts[action] < 2 * mean, action


def test_colour_and_action_are_independent() -> None:
    told = [(scene.things[event.subject].colour, event.action) for scene, event in events("train")]
    colours, actions = Counter(c for c, _ in told), Counter(a for _, a in told)
    pairs = Counter(told)
    chi_square = sum(
        (pairs[c, a] - colours[c] * actions[a] / len(told)) ** 2 / (colours[c] * actions[a] / len(told))
        for c in colours
        for a in actions
    )
    freedom = (len(colours) - 1) * (len(actions) - 1)
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


def test_held_out_pairs_stay_out_of_training_and_make_half_of_the_benchmark() -> None:
    for split in ("train", "validation"):
        for scene in scenes(split):
            for event in scene.events:
                assert pair_allowed(scene.things[event.subject].kind, event.action, split)
    held = [(scene.things[0].kind, event.action) in HELD_OUT_PAIRS
            for scene in scenes("benchmark") for event in scene.events if event.subject == 0]  # fmt: skip
    assert 0.4 < sum(held) / len(held) < 0.6


def test_backgrounds_are_those_of_the_split() -> None:
    for split in ("train", "validation", "benchmark"):
        used = {scene.background for scene in scenes(split)}
        used |= {direct_image(SETTINGS, split, index, 7).background for index in range(50)}
        assert used <= set(background_names(split))


@pytest.mark.parametrize("split", ["train", "benchmark"])
def test_scripts_are_well_formed(split: str) -> None:
    for scene in scenes(split):
        assert [thing.id for thing in scene.things] == list(range(len(scene.things)))
        assert 1 <= len(scene.things) <= 4
        assert SETTINGS.min_num_frames <= scene.num_frames <= SETTINGS.max_num_frames
        taken = [(thing.kind, thing.colour) for thing in scene.things]
        taken += [(scene.things[e.subject].kind, e.value) for e in scene.events if e.action == "change_colour"]
        assert len(taken) == len(set(taken))
        for thing in scene.things:
            own = scene.events_of(thing.id)
            assert len(own) <= 3
            assert len({event.action for event in own}) == len(own)
            for before, after in pairwise(own):
                assert before.end_frame < after.start_frame
        for number, event in enumerate(scene.events):
            check_event(scene, number, event)


def check_event(scene: Scene, number: int, event: Event) -> None:
    length = event.end_frame - event.start_frame + 1
    assert event.id == number
    assert 0 <= event.start_frame < event.end_frame < scene.num_frames
    is_led = event.action == "move" and any(other.object == event.subject for other in scene.events)
    assert length >= (6 if is_led else 8)
    assert (event.object is not None) == (event.action in TWO_THING_ACTIONS)
    assert event.object != event.subject
    assert (event.direction is not None) == (event.action in DIRECTED_ACTIONS)
    assert (event.count is not None) == (event.action in COUNTED_ACTIONS)
    assert event.count is None or length >= 5 * event.count
    if event.action == "change_state":
        assert event.value in KINDS[scene.things[event.subject].kind]
    if event.action == "hide":
        assert scene.things[event.object].kind in COVER_KINDS
    if event.action == "leave":
        assert scene.events_of(event.subject)[-1] == event
    if event.action == "enter":
        assert scene.events_of(event.subject)[0] == event


def test_a_script_depends_only_on_its_arguments() -> None:
    for index in (0, 31, 399):
        again = direct_clip(SETTINGS, "train", index, 7)
        assert again == scenes("train")[index]
        assert again != direct_clip(SETTINGS, "train", index, 8)
        assert direct_image(SETTINGS, "benchmark", index, 7) == direct_image(SETTINGS, "benchmark", index, 7)


def test_egocentric_clips_have_their_share_and_a_panning_camera() -> None:
    seen = [scene for scene in scenes("train") if scene.egocentric]
    assert 0.14 < len(seen) / NUM_CLIPS < 0.26
    assert is_even((scene.camera for scene in seen), ("pan_left", "pan_right", "pan_up", "pan_down"))
    assert all(scene.events and len(scene.things) >= 3 for scene in seen)


def test_pictures_have_one_frame_and_some_have_words() -> None:
    pictures = [direct_image(SETTINGS, "train", index, 7) for index in range(200)]
    assert all(scene.num_frames == 1 and not scene.events for scene in pictures)
    with_words = [scene for scene in pictures if any(thing.label for thing in scene.things)]
    assert 40 < len(with_words) < 130
    assert is_even((len(scene.things) for scene in pictures), range(1, 5))
