"""From script to places: where every thing is in every frame, how large, turned and coloured, and what the camera does.

Things that act on each other form a group; a group is laid out relative to the one that acts, then put where it fits
into the picture, the main group first and the others where they are least in the way. Everything depends on the
scene alone (its seed chooses among the layouts). This module draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perceptlm.seeding import generator
from perceptlm.world.egocentric import egocentric_tracks
from perceptlm.world.motions import MOTIONS, Stage
from perceptlm.world.script import CameraMotion, Event, Scene
from perceptlm.world.things import Look
from perceptlm.world.tracks import UNITS, Floats, Group, Track, new_track, unit_of

CAMERA_REACH = 3.0
"""Most pixels (of 96) by which the camera of a clip that is not egocentric leaves the middle."""
_ZOOM = 1.1
_MARGIN = 3.0
_NUM_LAYOUTS = 12
_NUM_PLACES, _NUM_PLACES_IN_STILL = 10, 60


@dataclass(frozen=True)
class Trajectories:
    """Things are in the order of `scene.things`. Positions are of centres, in world pixels."""

    position: Floats
    """(N, T, 2)."""
    side: Floats
    """(N, T): longest side in world pixels."""
    angle: Floats
    """(N, T): clockwise degrees."""
    mirror: Floats
    """(N, T): 1 as drawn, -1 mirrored left to right."""
    opacity: Floats
    """(N, T), 0..1."""
    looks: tuple[tuple[Look, ...], ...]
    """Per thing: its looks in order."""
    look_stage: Floats
    """(N, T): k shows looks[k], fractions a blend."""
    depth: tuple[float, ...]
    """Per thing: greater is nearer, drawn later."""
    camera: Floats
    """(T, 2): world place of the picture's middle, less its place in a centred picture."""
    zoom: Floats
    """(T,)."""


def simulate(scene: Scene) -> Trajectories:
    """Return where everything is; the same scene gives the same trajectories."""
    if scene.egocentric:
        tracks, camera = egocentric_tracks(scene)
        return _trajectories(scene, tracks, camera, np.ones(scene.num_frames))
    rng = generator(scene.seed, "layout")
    groups = [_best_layout(scene, members, rng) for members in _groups(scene)]
    placed: list[Track] = []
    for group in groups:
        _place(scene, group, placed, rng)
        placed.extend(group.tracks)
    camera, zoom = _camera(scene, rng)
    return _trajectories(scene, sorted(placed, key=lambda track: track.thing.id), camera, zoom)


def _groups(scene: Scene) -> list[list[int]]:
    """Return the ids of things that act on each other, the acting one first; the largest groups first."""
    objects = {event.object for event in scene.events if event.object is not None}
    groups = []
    for thing in scene.things:
        if thing.id not in objects:
            used = [event.object for event in scene.events_of(thing.id) if event.object is not None]
            groups.append([thing.id, *dict.fromkeys(used)])
    return sorted(groups, key=lambda group: (-len(group), -len(scene.events_of(group[0])), group[0]))


def _best_layout(scene: Scene, members: list[int], rng: np.random.Generator) -> Group:
    """Return the first layout that fits into the picture, or the one that sticks out least."""
    best: tuple[float, Group] | None = None
    for attempt in range(_NUM_LAYOUTS):
        group = _layout(scene, members, rng, 1 - 0.03 * attempt)
        left, top, right, bottom = group.bounds()
        room = 2 * (_MARGIN + 1) * unit_of(scene)
        excess = max(right - left + room - scene.width, 0) + max(bottom - top + room - scene.height, 0)
        excess += _crowding(group)
        if best is None or excess < best[0]:
            best = (excess, group)
        if excess == 0:
            break
    assert best is not None
    return best[1]


def _crowding(group: Group) -> float:
    """Return by how many pixels things of the group lie over each other in the first frame, what is carried aside."""
    held = {id(item.held) for item in group.attachments if item.active[0]}
    boxes = np.array([track.boxes()[:1] for track in group.tracks if id(track) not in held])
    return float(np.sqrt(sum(_overlap(boxes[k : k + 1], boxes[:k]) for k in range(1, len(boxes)))))


def _layout(scene: Scene, members: list[int], rng: np.random.Generator, reach: float) -> Group:
    tracks = {number: new_track(scene, scene.thing(number), rng) for number in members}
    group = Group(list(tracks.values()))
    stage = Stage(scene, group, tracks, rng, unit_of(scene), reach)
    for event in scene.events_of(members[0]):
        MOTIONS[event.action](stage, tracks[members[0]], event)
    group.attach()
    return group


def _place(scene: Scene, group: Group, placed: list[Track], rng: np.random.Generator) -> None:
    """Move the group to where it fits and is least in the way of what is placed already."""
    left, top, right, bottom = group.bounds()
    margin = _MARGIN * unit_of(scene)
    ranges = [_range(margin - left, scene.width - margin - right), _range(margin - top, scene.height - margin - bottom)]
    frames = np.unique(np.linspace(0, scene.num_frames - 1, 9).round().astype(int))
    boxes = np.array([track.boxes()[frames] for track in group.tracks])
    others = np.array([track.boxes()[frames] for track in placed]).reshape(-1, len(frames), 4)
    best: tuple[float, tuple[int, int]] | None = None
    tries = _NUM_PLACES if scene.num_frames > 1 else _NUM_PLACES_IN_STILL
    for _ in range(tries if placed else 1):
        shift = (round(rng.uniform(*ranges[0])), round(rng.uniform(*ranges[1])))
        overlap = _overlap(boxes + np.array(shift * 2), others)
        if best is None or overlap < best[0]:
            best = (overlap, shift)
        if overlap == 0:
            break
    assert best is not None
    group.shift(*best[1])
    for track in group.tracks:
        for event in scene.events_of(track.thing.id):
            if event.action in ("enter", "leave"):
                _cross_border(scene, track, event)
    group.attach()


def _range(low: float, high: float) -> tuple[float, float]:
    """Return the interval, or its middle twice where there is no room."""
    return (low, high) if low <= high else ((low + high) / 2, (low + high) / 2)


def _overlap(boxes: Floats, others: Floats) -> float:
    """Return the summed area shared by any of `boxes` (n, f, 4) and any of `others` (m, f, 4) in the same frame."""
    low = np.maximum(boxes[:, None, :, :2], others[None, :, :, :2] - 2)
    high = np.minimum(boxes[:, None, :, 2:], others[None, :, :, 2:] + 2)
    return float(np.maximum(high - low, 0).prod(axis=-1).sum())


def _cross_border(scene: Scene, track: Track, event: Event) -> None:
    """Write the way from outside to where it stands when it has entered, or from where it stands to outside."""
    assert event.direction is not None, event
    axis = 0 if event.direction in ("left", "right") else 1
    half = float(track.half()[:, axis].max()) + (CAMERA_REACH + 2) * unit_of(scene)
    low_side = event.direction in ("left", "up")
    outside = -half if low_side else (scene.width, scene.height)[axis] + half
    start, end = event.start_frame, event.end_frame
    share = np.arange(1, end - start + 2) / (end - start + 1)
    if event.action == "enter":
        inside = track.position[end, axis]
        track.position[start : end + 1, axis] = outside + (inside - outside) * share
        track.position[:start, axis] = outside
    else:
        inside = track.position[start, axis]
        track.position[start : end + 1, axis] = inside + (outside - inside) * share
        track.position[end + 1 :, axis] = outside


def _camera(scene: Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    num_frames, reach = scene.num_frames, CAMERA_REACH * unit_of(scene)
    progress = np.linspace(0, 1, num_frames)
    camera, zoom = np.zeros((num_frames, 2)), np.ones(num_frames)
    motion: CameraMotion = scene.camera
    if motion == "drift":
        turn = rng.uniform(0, 2 * np.pi)
        camera = (progress - 0.5)[:, None] * np.array([np.cos(turn), np.sin(turn)]) * reach
    elif motion == "shake":
        camera = rng.integers(-1, 2, size=(num_frames, 2)) * reach / 2
    elif motion.startswith("pan_"):
        camera = (2 * progress - 1)[:, None] * np.array(_PANS[motion]) * reach
    elif motion in ("zoom_in", "zoom_out"):
        zoom = 1 + (_ZOOM - 1) * (progress if motion == "zoom_in" else 1 - progress)
    return np.round(camera), zoom


_PANS: dict[CameraMotion, tuple[int, int]] = {
    "pan_left": UNITS["left"], "pan_right": UNITS["right"], "pan_up": UNITS["up"], "pan_down": UNITS["down"],
}  # fmt: skip


def _depth(scene: Scene) -> tuple[float, ...]:
    """Return nearness: chance, but what is carried is before its carrier, and a cover before everything else."""
    depth = [float(rank) for rank in generator(scene.seed, "depth").permutation(len(scene.things))]
    for event in scene.events:
        if event.object is not None and event.action in ("pick_up", "put_down"):
            depth[event.object] = depth[event.subject] + 0.5
    for event in scene.events:
        if event.object is not None and event.action == "hide":
            depth[event.object] += 100.0
    return tuple(depth)


def _trajectories(scene: Scene, tracks: list[Track], camera: Floats, zoom: Floats) -> Trajectories:
    return Trajectories(
        position=np.array([track.position for track in tracks]),
        side=np.array([track.side * track.scale for track in tracks]),
        angle=np.array([track.angle for track in tracks]),
        mirror=np.array([track.mirror for track in tracks]),
        opacity=np.array([track.opacity for track in tracks]),
        looks=tuple(tuple(track.looks) for track in tracks),
        look_stage=np.array([track.look_stage for track in tracks]),
        depth=_depth(scene),
        camera=camera,
        zoom=zoom,
    )
