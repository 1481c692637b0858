"""How every action looks: each function writes one event into the tracks of its subject and its object.

Lengths are pixels of a 96-pixel picture times `unit`. Counted repeats take equal shares of the event. `reach` in
0..1 makes ways shorter when a script is hard to fit into the picture. This module places nothing in the picture
(`simulate` does) and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from perceptlm.world.script import Action, Direction, Event, Scene
from perceptlm.world.things import Look, contact_distance, sprite
from perceptlm.world.tracks import UNITS, Attachment, Floats, Group, Track

DIRECTIONS: tuple[Direction, ...] = ("left", "right", "up", "down")
FOLLOW_LAG = 2
"""Frames by which a follower starts and ends after the thing it follows."""
LEAST_COVERED = 0.97
"""Share of a hiding thing's silhouette that its cover must hide at the end."""


@dataclass
class Stage:
    """What a motion may use besides its subject: the group, its object, chance, and the size of a step."""

    scene: Scene
    group: Group
    tracks: dict[int, Track]
    rng: np.random.Generator
    unit: float
    reach: float

    def length(self, low: float, high: float) -> int:
        """Return a random way in whole pixels, shortened by `reach` but never below `low`."""
        return round(max(self.rng.uniform(low, high) * self.reach, low) * self.unit)

    def direction(self, *, level: bool = False) -> Direction:
        """Return a random direction; left or right if `level`."""
        return DIRECTIONS[self.rng.integers(2 if level else 4)]

    def carried(self, event: Event) -> Track | None:
        """Return what the subject carries above itself when `event` starts."""
        grips = [item for item in self.scene.events_of(event.subject) if item.action in ("pick_up", "put_down")]
        before = [item for item in grips if item.start_frame < event.start_frame]
        after = [item for item in grips if item.start_frame > event.start_frame]
        if before and before[-1].action == "pick_up":
            return self.tracks[before[-1].object] if before[-1].object is not None else None
        if not before and after and after[0].action == "put_down":
            return self.tracks[after[0].object] if after[0].object is not None else None
        return None


Motion = Callable[[Stage, Track, Event], None]


def _progress(event: Event) -> Floats:
    length = event.end_frame - event.start_frame + 1
    return np.arange(1, length + 1) / length


def _cycles(event: Event) -> Floats:
    """Return how far, 0 to just below 1, each frame is within its repeat."""
    return np.asarray((_progress(event) * (event.count or 1) - 1e-9) % 1.0)


def _way(profile: Floats, direction: Direction, length: float) -> Floats:
    return np.asarray(profile[:, None] * np.array(UNITS[direction]) * length)


def _require_direction(event: Event) -> Direction:
    assert event.direction is not None, event
    return event.direction


def _move(stage: Stage, track: Track, event: Event) -> None:
    way = _way(_progress(event), _require_direction(event), stage.length(24, 36))
    track.walk(event.start_frame, way)


def _speed_up(stage: Stage, track: Track, event: Event) -> None:
    progress = _progress(event)
    profile = np.where(progress < 0.5, 0.4 * progress, 0.2 + 1.6 * (progress - 0.5))
    track.walk(event.start_frame, _way(profile, stage.direction(), stage.length(30, 38)))


def _slow_down(stage: Stage, track: Track, event: Event) -> None:
    progress = _progress(event)
    profile = np.where(progress < 0.5, 1.6 * progress, 0.8 + 0.4 * (progress - 0.5))
    track.walk(event.start_frame, _way(profile, stage.direction(), stage.length(30, 38)))


def _stop(stage: Stage, track: Track, event: Event) -> None:
    """Go round in a circle from the start, then rest for the last frames of the event."""
    length = event.end_frame - event.start_frame + 1
    moving = np.minimum(np.arange(length), length - 4)
    turn = moving * (2 * np.pi / 13) * stage.rng.choice([-1, 1]) + stage.rng.uniform(0, 2 * np.pi)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * stage.length(10, 12)
    track.walk(event.start_frame, circle)


def _place_at_border(stage: Stage, track: Track, event: Event) -> None:
    """Coming and going reach out of the picture: `simulate` writes their ways once the picture is known."""
    if event.action == "enter":
        track.must_show[: event.end_frame] = False
    else:
        track.must_show[event.start_frame + 1 :] = False


_FACING: dict[Direction, tuple[float, float]] = {"right": (0, 1), "left": (0, -1), "up": (-90, 1), "down": (90, 1)}


def _turn(stage: Stage, track: Track, event: Event) -> None:
    """Turn from another side to face `event.direction`; left and right are mirror images, never upside down."""
    target = _require_direction(event)
    before = [direction for direction in DIRECTIONS if direction != target][stage.rng.integers(3)]
    start, end = np.array(_FACING[before]), np.array(_FACING[target])
    if "left" in (before, target) and "right" not in (before, target):
        start, end = (np.array([-x[0], -1.0]) if x[0] else x for x in (start, end))
    stops = start + (end - start) * _progress(event)[:, None]
    track.angle += start[0]
    track.mirror[:] = start[1]
    track.angle[event.start_frame :] += end[0] - start[0]
    track.angle[event.start_frame : event.end_frame + 1] += stops[:, 0] - end[0]
    track.mirror[event.start_frame :] = end[1]
    track.mirror[event.start_frame : event.end_frame + 1] = stops[:, 1]


def _resize(track: Track, start: int, end: int, factor: float) -> None:
    share = np.arange(1, end - start + 2) / (end - start + 1)
    track.scale[start : end + 1] *= 1 + (factor - 1) * share
    track.scale[end + 1 :] *= factor


def _grow(stage: Stage, track: Track, event: Event) -> None:
    _resize(track, event.start_frame, event.end_frame, 1.45 if track.thing.size == "large" else 1.65)


def _shrink(stage: Stage, track: Track, event: Event) -> None:
    _resize(track, event.start_frame, event.end_frame, 0.55)


def _change(stage: Stage, track: Track, event: Event) -> None:
    look = track.looks[-1]
    assert event.value is not None, event
    colour, state = (event.value, look.state) if event.action == "change_colour" else (look.colour, event.value)
    track.looks.append(Look(look.kind, colour, look.pattern, state, look.label))
    track.look_stage[event.start_frame : event.end_frame + 1] += np.clip(2 * _progress(event) - 0.5, 0, 1)
    track.look_stage[event.end_frame + 1 :] += 1


def _jump(stage: Stage, track: Track, event: Event) -> None:
    cycle = _cycles(event)
    height = -4 * cycle * (1 - cycle) * 15 * stage.unit
    height[-1] = 0
    track.walk(event.start_frame, np.stack([np.zeros_like(height), height], axis=1))


def _shake(stage: Stage, track: Track, event: Event) -> None:
    sway = np.sin(2 * np.pi * _cycles(event)) * 6.5 * stage.unit
    sway[-1] = 0
    track.walk(event.start_frame, np.stack([sway, np.zeros_like(sway)], axis=1))


def _spin(stage: Stage, track: Track, event: Event) -> None:
    turns = _progress(event) * (event.count or 1)
    eased = turns - 0.6 * np.sin(2 * np.pi * turns) / (2 * np.pi)
    track.angle[event.start_frame : event.end_frame + 1] += 360 * eased
    track.angle[event.end_frame + 1 :] += 360 * (event.count or 1)


def _blink(stage: Stage, track: Track, event: Event) -> None:
    cycle = _cycles(event)
    dim = (cycle > 0.1) & (cycle < 0.65)
    track.opacity[event.start_frame : event.end_frame + 1] = np.where(dim, 0.12, 1.0)


def _object(stage: Stage, event: Event) -> Track:
    assert event.object is not None, event
    return stage.tracks[event.object]


def _way_to_object(stage: Stage, event: Event) -> Direction:
    """Return where the object lies: anywhere, but beside a thing that carries something on top."""
    return stage.direction(level=stage.carried(event) is not None)


def _ahead(track: Track, other: Track, frame: int, direction: Direction, gap: float) -> None:
    """Put `other` at rest ahead of where `track` is in `frame`, `gap` pixels beyond touching."""
    distance = contact_distance(track.sprite_at(frame), other.sprite_at(frame), direction) + gap
    other.position[:] = track.position[frame] + np.array(UNITS[direction]) * distance


def _hit(stage: Stage, track: Track, event: Event) -> None:
    """Run against the object, touch it half-way through, bounce back a little and knock it away."""
    other, direction, gap = _object(stage, event), _way_to_object(stage, event), stage.length(18, 26)
    _ahead(track, other, event.start_frame, direction, gap)
    length = event.end_frame - event.start_frame + 1
    contact = length // 2
    forth = np.arange(1, contact + 1) / contact * gap
    back = gap - np.minimum(np.arange(1, length - contact + 1) * 2.0, 6.0) * stage.unit
    track.walk(event.start_frame, np.concatenate([forth, back])[:, None] * np.array(UNITS[direction]))
    knock = np.minimum(np.arange(1, length - contact + 1) * 3.0, 10.0) * stage.unit
    other.walk(event.start_frame + contact, knock[:, None] * np.array(UNITS[direction]))


def _follow(stage: Stage, track: Track, event: Event) -> None:
    """Go behind the object the way it moves, starting and ending a little later; writes the object's own move too."""
    other, length = _object(stage, event), event.end_frame - event.start_frame + 1
    led = next(item for item in stage.scene.events_of(other.thing.id) if item.action == "move")
    direction, way = _require_direction(led), stage.length(24, 32)
    load = stage.carried(event) if direction == "up" else None
    gap = round(4 * stage.unit) + (0 if load is None else load.sprite_at(event.start_frame).mask.shape[0])
    _ahead(track, other, event.start_frame, direction, gap)
    profile = np.arange(1, length - FOLLOW_LAG + 1) / (length - FOLLOW_LAG)
    steps = profile[:, None] * np.array(UNITS[direction]) * way
    other.walk(event.start_frame, steps)
    track.walk(event.start_frame + FOLLOW_LAG, steps)


def _pick_up(stage: Stage, track: Track, event: Event) -> None:
    """Go up to the object, lift it overhead, and carry it some way back."""
    other, length = _object(stage, event), event.end_frame - event.start_frame + 1
    direction = stage.direction(level=True)
    gap = stage.length(14, 22)
    touch, lifted = event.start_frame + round(length * 0.35), event.start_frame + round(length * 0.75)
    distance = contact_distance(track.sprite_at(event.start_frame), other.sprite_at(event.start_frame), direction)
    forth = np.arange(1, touch - event.start_frame + 1) / (touch - event.start_frame) * gap
    rest = np.full(lifted - touch, float(gap))
    away = gap - np.arange(1, event.end_frame - lifted + 2) / (event.end_frame - lifted + 1) * 10 * stage.unit
    track.walk(event.start_frame, np.concatenate([forth, rest, away])[:, None] * np.array(UNITS[direction]))
    frames = np.arange(len(track.scale))
    lift = np.clip((frames - touch + 1) / (lifted - touch), 0, 1)
    ground = np.tile(np.array(UNITS[direction]) * float(distance), (len(frames), 1))
    stage.group.attachments.append(Attachment(track, other, frames >= touch - 1, lift, ground))


def _put_down(stage: Stage, track: Track, event: Event) -> None:
    """Lower what is carried to the ground, then go away from it. Without a pick_up it is carried from the start."""
    other, length = _object(stage, event), event.end_frame - event.start_frame + 1
    direction = stage.direction(level=True)
    down = event.start_frame + round(length * 0.45)
    frames = np.arange(len(track.scale))
    held = next((item for item in stage.group.attachments if item.held is other), None)
    if held is None:
        held = Attachment(track, other, frames >= 0, np.ones(len(frames)), np.zeros((len(frames), 2)))
        stage.group.attachments.append(held)
    distance = contact_distance(track.sprite_at(event.start_frame), other.sprite_at(event.start_frame), direction)
    held.ground[event.start_frame :] = np.array(UNITS[direction]) * float(distance + 1)
    held.lift[event.start_frame :] = np.clip((down - frames[event.start_frame :]) / (down - event.start_frame), 0, 1)
    held.active[down + 1 :] = False
    steps = np.clip((frames[event.start_frame : event.end_frame + 1] - down) / (event.end_frame - down), 0, 1)
    track.walk(event.start_frame, -steps[:, None] * np.array(UNITS[direction]) * stage.length(14, 18))


def _hide(stage: Stage, track: Track, event: Event) -> None:
    """Go behind the object, becoming as small as it takes to be covered (as things farther away are)."""
    other, direction, gap = _object(stage, event), _way_to_object(stage, event), stage.length(12, 20)
    frame = event.start_frame
    _ahead(track, other, frame, direction, gap)
    look, side = track.looks[round(track.look_stage[frame])], round(track.side * track.scale[frame])
    x, y, scale = _cover_spot(other.looks[0], other.side, look, side, track.angle[frame], track.mirror[frame])
    target = other.position[frame] + (x, y) - track.position[frame]
    track.walk(frame, np.minimum(_progress(event) * 1.25, 1.0)[:, None] * target)
    _resize(track, frame, event.end_frame, scale)


@lru_cache(maxsize=4096)
def _cover_spot(
    cover_look: Look, cover_side: int, look: Look, side: int, angle: float, mirror: float
) -> tuple[float, float, float]:
    """Return x, y (relative to the cover's centre) and the scale at which the cover hides the thing."""
    cover = sprite(cover_look, cover_side)
    middle = 2 * max(cover_side, side)
    grid = np.zeros((2 * middle, 2 * middle), np.bool_)
    height, width = cover.mask.shape
    grid[middle + cover.y : middle + cover.y + height, middle + cover.x : middle + cover.x + width] = cover.mask
    best_share, best = -1.0, (0.0, 0.0, 1.0)
    for scale in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
        hidden = sprite(look, round(side * scale), angle, mirror)
        height, width = hidden.mask.shape
        for y in range(-6, 9, 3):
            for x in range(-6, 9, 3):
                top, left = middle + y + hidden.y, middle + x + hidden.x
                share = float(grid[top : top + height, left : left + width][hidden.mask].mean())
                if share > best_share:
                    best_share, best = share, (float(x), float(y), scale)
        if best_share >= LEAST_COVERED:
            break
    return best


MOTIONS: dict[Action, Motion] = {
    "enter": _place_at_border, "leave": _place_at_border, "move": _move, "speed_up": _speed_up,
    "slow_down": _slow_down, "turn": _turn, "grow": _grow, "shrink": _shrink, "change_colour": _change,
    "change_state": _change, "pick_up": _pick_up, "put_down": _put_down, "hit": _hit, "follow": _follow, "stop": _stop,
    "hide": _hide, "jump": _jump, "shake": _shake, "spin": _spin, "blink": _blink,
}  # fmt: skip
