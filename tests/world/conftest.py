"""Scenes made without drawing: random scripts with boxes by arithmetic, for tests of the world's language."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from perceptlm.schema import MediaRef, Split
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.script import COUNTED_ACTIONS, DIRECTED_ACTIONS, TWO_THING_ACTIONS, Event, Scene, Thing
from perceptlm.world.splits import pair_allowed
from perceptlm.world.vocabulary import ACTIONS, COLOURS, KINDS, LABELLED_KINDS, LABELS, PATTERNS

DIRECTIONS = ("left", "right", "up", "down")
MakeRecord = Callable[..., ClipRecord]


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Return a function (split, index, kind of clip) -> ClipRecord of a random script."""
    return fake_record


def fake_record(split: Split, index: int, clip: str = "video") -> ClipRecord:
    rng = np.random.default_rng([index, len(split), len(clip)])
    num_frames = 1 if clip == "image" else 32
    things = _things(rng, int(rng.integers(2, 5)))
    events = _events(rng, split, things) if clip == "video" else ()
    scene = Scene(
        id=f"{split}-{clip}-{index:06d}", split=split, seed=index, width=96, height=96, num_frames=num_frames,
        frames_per_second=8, background="gradient_00", camera="still", egocentric=clip == "ego", things=things,
        events=events,
    )  # fmt: skip
    media = MediaRef(
        kind="image" if clip == "image" else "video",
        path=f"{split}/{index:06d}", width=96, height=96, num_frames=num_frames,
        frames_per_second=None if clip == "image" else str(Fraction(8)),
    )  # fmt: skip
    offset = _offsets(rng, num_frames) if clip == "ego" else np.zeros((num_frames, 2))
    return ClipRecord(
        scene=scene,
        media=media,
        boxes=_boxes(rng, scene, offset),
        visible_fraction=tuple((1.0,) * num_frames for _ in things),
        camera_offset=tuple((float(x), float(y)) for x, y in offset),
    )


def _things(rng: np.random.Generator, num: int) -> tuple[Thing, ...]:
    kinds, colours = rng.permutation(list(KINDS)), rng.permutation(list(COLOURS))
    return tuple(
        Thing(
            id=number, kind=str(kinds[number]), colour=str(colours[number]), pattern=str(rng.choice(PATTERNS)),
            size=("small", "medium", "large")[rng.integers(3)],
            label=str(rng.choice(LABELS)) if kinds[number] in LABELLED_KINDS else None,
        )
        for number in range(num)
    )  # fmt: skip


def _events(rng: np.random.Generator, split: Split, things: tuple[Thing, ...]) -> tuple[Event, ...]:
    found: list[Event] = []
    for thing in things[:3]:
        for part in range(int(rng.integers(1, 4))):
            able = [action for action in ACTIONS if pair_allowed(thing.kind, action, split)]
            action = able[int(rng.integers(len(able)))]
            start = part * 10 + int(rng.integers(3))
            value = None
            if action == "change_colour":
                value = str(rng.choice([colour for colour in COLOURS if colour != thing.colour]))
            if action == "change_state":
                value = str(rng.choice(KINDS[thing.kind]))
            found.append(
                Event(
                    id=len(found),
                    action=action,
                    subject=thing.id,
                    start_frame=start,
                    end_frame=start + 6,
                    object=(thing.id + 1) % len(things) if action in TWO_THING_ACTIONS else None,
                    direction=DIRECTIONS[rng.integers(4)] if action in DIRECTED_ACTIONS else None,
                    count=int(rng.integers(1, 5)) if action in COUNTED_ACTIONS else None,
                    value=value,
                )
            )
    return tuple(found)


def _offsets(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    way = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)][rng.integers(4)])
    return np.arange(num_frames)[:, None] * way * 5.0


def _boxes(rng: np.random.Generator, scene: Scene, offset: np.ndarray) -> tuple[dict[int, tuple], ...]:
    found = []
    for thing in scene.things:
        if scene.egocentric:  # the camera meets the things one after the other
            start = offset[-1] * (thing.id + 0.5) / len(scene.things) + 48
        else:
            start = rng.uniform(10, 86, 2)
        boxes = {}
        for frame in range(scene.num_frames):
            x, y = start - offset[frame]
            if 0 < x < 96 and 0 < y < 96:
                boxes[frame] = (max(x - 8.0, 0.0), max(y - 8.0, 0.0), min(x + 8.0, 96.0), min(y + 8.0, 96.0))
        found.append(boxes)
    return tuple(found)
