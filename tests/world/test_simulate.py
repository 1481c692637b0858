"""Every action does what its name says, measured on the trajectories and the drawn silhouettes of directed clips."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from perceptlm.world.direct import direct_clip
from perceptlm.world.ground_truth import GroundTruth
from perceptlm.world.render import render
from perceptlm.world.script import Action, Event, Scene
from perceptlm.world.settings import WorldSettings
from perceptlm.world.simulate import Trajectories, simulate
from perceptlm.world.vocabulary import ACTIONS

SETTINGS = WorldSettings(egocentric_fraction=0.0)
UNITS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
Acted = tuple[Scene, Trajectories, Event]


@cache
def acted() -> dict[Action, list[Acted]]:
    found: dict[Action, list[Acted]] = {action: [] for action in ACTIONS}
    for index in range(300):
        scene = direct_clip(SETTINGS, "benchmark", index, 3)
        where = simulate(scene)
        for event in scene.events:
            found[event.action].append((scene, where, event))
    assert all(len(cases) >= 8 for cases in found.values())
    return found


def path(where: Trajectories, event: Event) -> np.ndarray:
    """Positions from the frame before the event to its end, (n + 1, 2)."""
    return where.position[event.subject, max(event.start_frame - 1, 0) : event.end_frame + 1]


def values(series: np.ndarray, event: Event) -> np.ndarray:
    return series[event.subject, max(event.start_frame - 1, 0) : event.end_frame + 1]


def is_carried(scene: Scene, event: Event) -> bool:
    return any(event.subject == other.object for other in scene.events)


def num_dips(series: np.ndarray, level: float) -> int:
    below = np.concatenate([[False], series < level, [False]])
    return int(np.count_nonzero(below[1:] & ~below[:-1]))


def test_a_move_goes_far_and_straight() -> None:
    for _, where, event in acted()["move"]:
        way = path(where, event)[-1] - path(where, event)[0]
        unit = np.array(UNITS[event.direction])
        assert way @ unit >= 20
        assert abs(way @ unit[::-1]) < 1


def test_entering_and_leaving_cross_the_named_side() -> None:
    for action in ("enter", "leave"):
        for scene, where, event in acted()[action]:
            outer = event.start_frame - 1 if action == "enter" else event.end_frame
            inner = event.end_frame if action == "enter" else event.start_frame - 1
            half = where.side[event.subject, 0] / 2
            away = where.position[event.subject, outer] - (48, 48)
            assert away @ np.array(UNITS[event.direction]) > 48 + half * 0.5
            assert np.abs(where.position[event.subject, inner] - 48).max() < 48
            assert scene.width == 96


def test_speeding_up_and_slowing_down() -> None:
    for action in ("speed_up", "slow_down"):
        for _, where, event in acted()[action]:
            steps = np.linalg.norm(np.diff(path(where, event), axis=0), axis=1)
            first, second = np.array_split(steps, 2)
            ratio = second.mean() / first.mean()
            assert ratio > 2.5 if action == "speed_up" else ratio < 1 / 2.5
            assert steps.sum() >= 28


def test_stopping_moves_first_and_then_rests() -> None:
    for _, where, event in acted()["stop"]:
        steps = np.linalg.norm(np.diff(path(where, event), axis=0), axis=1)
        assert event.start_frame == 0
        assert steps[:4].min() > 2
        assert steps[-3:].max() < 0.01


def test_growing_and_shrinking() -> None:
    for action, low, high in (("grow", 1.4, 1.7), ("shrink", 0.5, 0.65)):
        for _, where, event in acted()[action]:
            side = values(where.side, event)
            assert low < side[-1] / side[0] < high


def test_turning_ends_facing_the_named_side() -> None:
    for _, where, event in acted()["turn"]:
        angle = np.radians(where.angle[event.subject, event.end_frame])
        front = np.array([np.cos(angle), np.sin(angle)]) * np.sign(where.mirror[event.subject, event.end_frame])
        assert front @ np.array(UNITS[event.direction]) > 0.99
        before = np.radians(where.angle[event.subject, event.start_frame - 1])
        was = np.array([np.cos(before), np.sin(before)]) * np.sign(where.mirror[event.subject, event.start_frame - 1])
        assert was @ np.array(UNITS[event.direction]) < 0.01


def test_changes_lead_from_another_look_to_the_named_one() -> None:
    for action in ("change_colour", "change_state"):
        for _, where, event in acted()[action]:
            stage = values(where.look_stage, event)
            looks = where.looks[event.subject]
            before, after = looks[round(stage[0])], looks[round(stage[-1])]
            seen = [look.colour if action == "change_colour" else look.state for look in (before, after)]
            assert seen[1] == event.value != seen[0]
            assert stage[-1] - stage[0] == pytest.approx(1)


def test_repeats_can_be_counted() -> None:
    for _, where, event in acted()["jump"]:
        height = path(where, event)[0, 1] - path(where, event)[:, 1]
        assert num_dips(-height, -8.0) == event.count
    for _, where, event in acted()["shake"]:
        sway = path(where, event)[:, 0] - path(where, event)[0, 0]
        assert num_dips(-sway, -3.0) == num_dips(sway, -3.0) == event.count
    for _, where, event in acted()["spin"]:
        angle = values(where.angle, event)
        assert angle[-1] - angle[0] == pytest.approx(360 * event.count)
        assert (np.diff(angle) > 0).all()
    for _, where, event in acted()["blink"]:
        assert num_dips(values(where.opacity, event), 0.5) == event.count
        assert where.opacity[event.subject, event.end_frame] == 1


def test_repeats_can_be_counted_in_16_sampled_frames() -> None:
    for _, where, event in acted()["jump"]:
        num_frames = where.position.shape[1]
        sampled = np.linspace(0, num_frames - 1, 16).round().astype(int)
        sampled = sampled[(sampled >= event.start_frame - 1) & (sampled <= event.end_frame)]
        assert len(sampled) >= 1.8 * event.count


def test_a_follower_keeps_its_distance_behind() -> None:
    for scene, where, event in acted()["follow"]:
        led = next(other for other in scene.events if other.subject == event.object)
        apart = where.position[event.object] - where.position[event.subject]
        unit = np.array(UNITS[led.direction])
        during = apart[event.start_frame : event.end_frame + 1] @ unit
        assert during.min() > 8
        assert np.ptp(during) <= 12
        assert np.linalg.norm(path(where, event)[-1] - path(where, event)[0]) >= 20


def test_what_is_picked_up_stays_with_its_carrier_until_put_down() -> None:
    for scene, where, event in acted()["pick_up"]:
        later = [other for other in scene.events_of(event.subject) if other.start_frame > event.end_frame]
        end = next((other.start_frame for other in later if other.action == "put_down"), scene.num_frames)
        end = min([end, *(other.start_frame for other in later if other.action in ("grow", "shrink", "turn", "hide"))])
        offset = where.position[event.object] - where.position[event.subject]
        held = offset[event.end_frame : end]
        assert np.ptp(held[:, 0]) < 0.01
        assert held[:, 1].max() < -5
        assert abs(offset[event.start_frame - 1, 0]) > 10


def test_what_is_put_down_stays_where_it_is() -> None:
    for scene, where, event in acted()["put_down"]:
        offset = where.position[event.object] - where.position[event.subject]
        assert offset[event.start_frame - 1, 1] < -5
        assert abs(offset[event.end_frame, 0]) > 15
        assert np.ptp(where.position[event.object, event.end_frame :], axis=0).max() < 0.01
        assert scene.things[event.object].id == event.object


def drawn(action: Action, num: int) -> list[tuple[Scene, Event, GroundTruth]]:
    return [(scene, event, render(scene).ground_truth) for scene, _, event in acted()[action][:num]]


def test_a_hit_touches_and_knocks_away() -> None:
    for scene, event, truth in drawn("hit", 12):
        one, other = truth.masks(event.subject), truth.masks(event.object)
        gaps = []
        for frame in range(event.start_frame, event.end_frame + 1):
            here, there = np.argwhere(one[frame]), np.argwhere(other[frame])
            if len(here) and len(there):
                gaps.append(np.abs(here[:, None] - there[None]).max(axis=2).min())
        assert min(gaps) <= (3 if scene.camera.startswith("zoom") else 2), scene.id  # zooming rounds both places
        assert gaps[0] > min(gaps)
    for _, where, event in acted()["hit"]:
        knocked = where.position[event.object, event.end_frame] - where.position[event.object, event.start_frame]
        assert np.linalg.norm(knocked) >= 6


def test_hiding_ends_covered_by_the_object() -> None:
    for scene, event, truth in drawn("hide", 15):
        assert truth.visible_fraction[event.subject, event.start_frame - 1] > 0.6, scene.id
        assert truth.visible_fraction[event.subject, event.end_frame] <= 0.2, scene.id
        assert truth.visible_fraction[event.object, event.end_frame] > 0.6, scene.id


@pytest.mark.parametrize("action", ACTIONS)
def test_subjects_show_while_they_act(action: Action) -> None:
    expected = {"enter": 0.3, "leave": 0.3, "hide": 0.25}.get(action, 0.6)
    shares = [
        truth.visible_fraction[event.subject, event.start_frame : event.end_frame + 1].mean()
        for _, event, truth in drawn(action, 6)
    ]
    assert np.median(shares) > expected


def test_a_camera_that_is_not_egocentric_hardly_moves() -> None:
    for cases in acted().values():
        for _, where, _ in cases[:10]:
            assert np.ptp(where.camera, axis=0).max() <= 6
            assert np.ptp(where.zoom) <= 0.11


@pytest.mark.parametrize("check", [lambda w: w.position, lambda w: w.side, lambda w: w.angle, lambda w: w.camera])
def test_the_same_scene_gives_the_same_trajectories(check: Callable[[Trajectories], np.ndarray]) -> None:
    scene = direct_clip(SETTINGS, "train", 5, 3)
    assert np.array_equal(check(simulate(scene)), check(simulate(scene)))
