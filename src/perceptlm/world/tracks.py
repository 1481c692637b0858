"""Where one thing is and how it looks in every frame, while a clip is being planned, and what holds two together.

A Track starts at rest; every action writes its frames and leaves the rest of the clip at its last value. Positions
are relative to the group's start until the group is placed. This module knows no action and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perceptlm.world.script import Direction, Scene, Thing
from perceptlm.world.things import Look, Sprite, sprite
from perceptlm.world.vocabulary import KINDS, SIZES

Floats = NDArray[np.float64]
REFERENCE_SIDE = 96
"""The shorter side of a picture for which lengths are given; other pictures scale them."""
UNITS: dict[Direction, tuple[int, int]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


class Track:
    """One thing over time. `side` is its longest side at scale 1 in pixels; angles are clockwise degrees."""

    def __init__(self, thing: Thing, state: str, side: int, num_frames: int) -> None:
        self.thing = thing
        self.side = side
        self.position: Floats = np.zeros((num_frames, 2))
        self.scale: Floats = np.ones(num_frames)
        self.angle: Floats = np.zeros(num_frames)
        self.mirror: Floats = np.ones(num_frames)
        self.opacity: Floats = np.ones(num_frames)
        self.looks = [Look(thing.kind, thing.colour, thing.pattern, state, thing.label)]
        self.look_stage: Floats = np.zeros(num_frames)
        """0 is looks[0], 1 looks[1], between them a blend."""
        self.must_show = np.ones(num_frames, np.bool_)
        """False while it enters or leaves, or is not there."""

    def sprite_at(self, frame: int) -> Sprite:
        """Return the silhouette (in its first look) as it is in `frame`."""
        look = self.looks[round(self.look_stage[frame])]
        return sprite(look, round(self.side * self.scale[frame]), self.angle[frame], self.mirror[frame])

    def half(self) -> Floats:
        """Return half the width and height in every frame, (T, 2); a safe upper bound while it is turned."""
        now = self.sprite_at(0)
        width, height = now.mask.shape[1] / 2, now.mask.shape[0] / 2
        turned = (self.angle != self.angle[0])[:, None]
        base = np.where(turned, max(width, height), np.array([[width, height]]))
        return np.asarray(base * (self.scale / self.scale[0])[:, None])

    def walk(self, start: int, steps: Floats) -> None:
        """Add `steps` (n, 2), relative to the place in frame `start`, to frames start..; then stay at the last."""
        end = start + len(steps)
        self.position[start:end] += steps
        self.position[end:] += steps[-1]

    def boxes(self) -> Floats:
        """Return (T, 4): left, top, right, bottom in every frame."""
        half = self.half()
        return np.concatenate([self.position - half, self.position + half], axis=1)


def new_track(scene: Scene, thing: Thing, rng: np.random.Generator) -> Track:
    """Return a track at rest, in the state from which the thing's changes of state lead elsewhere."""
    states = KINDS[thing.kind]
    state = states[rng.integers(len(states))] if states else ""
    for event in scene.events_of(thing.id):
        if event.action == "change_state":
            state = next(other for other in states if other != event.value)
    return Track(thing, state, round(SIZES[thing.size] * unit_of(scene)), scene.num_frames)


def unit_of(scene: Scene) -> float:
    """Return the length in pixels of one pixel of a 96-pixel picture."""
    return min(scene.width, scene.height) / REFERENCE_SIDE


@dataclass
class Attachment:
    """`held` moves with `holder` in the frames where `active`: beside it at `ground`, above it where `lift` is 1."""

    holder: Track
    held: Track
    active: NDArray[np.bool_]
    lift: Floats
    ground: Floats

    def apply(self) -> None:
        """Write the held thing's positions."""
        above = np.zeros_like(self.ground)
        above[:, 1] = 3 - self.holder.half()[:, 1] - self.held.half()[:, 1]
        lift = self.lift[:, None]
        path = self.holder.position + self.ground * (1 - lift) + above * lift
        frames = np.flatnonzero(self.active)
        first, last = frames[0], frames[-1]
        self.held.position[: first + 1] = path[first]
        self.held.position[frames] = path[frames]
        self.held.position[last:] = path[last]
        self.held.must_show[:] = True
        self.held.must_show[frames] = self.holder.must_show[frames]


@dataclass
class Group:
    """Things whose places depend on each other, placed together. The first is the one that acts."""

    tracks: list[Track]
    attachments: list[Attachment] = field(default_factory=list)

    def attach(self) -> None:
        """Bring held things to where their holders are."""
        for attachment in self.attachments:
            attachment.apply()

    def bounds(self) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom of all that must show."""
        boxes = [track.boxes()[track.must_show] for track in self.tracks if track.must_show.any()]
        boxes = boxes or [self.tracks[0].boxes()]
        every = np.concatenate(boxes)
        left, top = every[:, :2].min(axis=0)
        right, bottom = every[:, 2:].max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    def shift(self, x: float, y: float) -> None:
        """Move everything."""
        for track in self.tracks:
            track.position += (x, y)
