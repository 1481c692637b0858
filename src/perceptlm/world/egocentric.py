"""Clips seen by a moving asker: the camera goes straight over a wide world and passes the things one after another.

When a thing is passed follows from the scene's seed alone, so that the director can let it act just then. This
module draws nothing.
"""

from __future__ import annotations

import numpy as np

from perceptlm.seeding import generator
from perceptlm.world.motions import MOTIONS, Stage
from perceptlm.world.script import CameraMotion, Direction, Scene
from perceptlm.world.tracks import UNITS, Floats, Group, Track, new_track, unit_of

PANS: dict[CameraMotion, Direction] = {
    "pan_left": "left", "pan_right": "right", "pan_up": "up", "pan_down": "down",
}  # fmt: skip
"""Camera motions of egocentric clips, and where the asker is heading."""
MIN_SPACING, MAX_SPACING = 44.0, 58.0
"""Way between two things along the path, pixels of 96."""


def passing_frames(seed: int, num_things: int, num_frames: int) -> tuple[int, ...]:
    """Return for each thing the frame in which the camera is level with it; all differ, in an order by chance."""
    rng = generator(seed, "passing")
    first, last = 0.12 * num_frames, 0.88 * num_frames
    slots = np.linspace(first, last, num_things)
    return tuple(round(float(slots[place])) for place in rng.permutation(num_things))


def egocentric_tracks(scene: Scene) -> tuple[list[Track], Floats]:
    """Return the things' tracks and the camera's way (T, 2)."""
    rng = generator(scene.seed, "layout")
    unit, frames = unit_of(scene), passing_frames(scene.seed, len(scene.things), scene.num_frames)
    heading = np.array(UNITS[PANS[scene.camera]])
    gap = 0.76 * scene.num_frames / max(len(scene.things) - 1, 1)
    speed = rng.uniform(MIN_SPACING, MAX_SPACING) * unit / gap
    along = (np.arange(scene.num_frames) * speed).round()
    camera = along[:, None] * heading
    middle = np.array([scene.width, scene.height]) / 2
    sideways = np.array([heading[1], heading[0]])
    tracks = []
    for thing, frame in zip(scene.things, frames, strict=True):
        track = new_track(scene, thing, rng)
        stage = Stage(scene, Group([track]), {thing.id: track}, rng, unit, 1.0)
        track.position[:] = (middle + camera[frame] + sideways * rng.uniform(-22, 22) * unit).round()
        for event in scene.events_of(thing.id):
            MOTIONS[event.action](stage, track, event)
        tracks.append(track)
    return tracks, camera
