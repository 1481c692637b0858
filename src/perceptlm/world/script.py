"""The event script of one clip: which things there are, what each does and when. Pure data, exact ground truth.

A Scene is decided before a pixel is drawn. `simulate` turns it into Poses (where every thing is in every frame),
`render` draws them, `ground_truth` reads boxes and masks off what was drawn, and the task writers turn script and
ground truth into Samples. World coordinates: the background plane, in pixels of the output picture at zoom 1;
x to the right, y down. Directions are relative to the background, and the camera of every clip but the
egocentric ones moves too little to turn them round.
"""

from __future__ import annotations

from typing import Literal

from perceptlm.config import Config
from perceptlm.schema import Split

Action = Literal[
    "enter", "leave", "move", "speed_up", "slow_down", "turn", "grow", "shrink", "change_colour", "change_state",
    "pick_up", "put_down", "hit", "follow", "stop", "hide", "jump", "shake", "spin", "blink",
]  # fmt: skip
COUNTED_ACTIONS: tuple[Action, ...] = ("jump", "shake", "spin", "blink")
"""Actions repeated a counted number of times (1 to 4)."""
TWO_THING_ACTIONS: tuple[Action, ...] = ("pick_up", "put_down", "hit", "follow", "hide")
"""Actions with an object: the thing picked up, put down, hit, followed, or hidden behind."""
DIRECTED_ACTIONS: tuple[Action, ...] = ("enter", "leave", "move", "turn")
"""Actions with a direction: enter *from* and leave *to* a side, move *towards* one, turn to *face* one."""
Direction = Literal["left", "right", "up", "down"]
SizeName = Literal["small", "medium", "large"]
CameraMotion = Literal["still", "drift", "shake", "pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out"]


class Thing(Config):
    """One drawn thing. (kind, colour, pattern, size) together tell it from every other thing of its clip."""

    id: int
    kind: str
    colour: str
    pattern: str
    size: SizeName
    label: str | None = None
    """Text written on it, for text reading."""


class Event(Config):
    """One thing does one thing, from `start_frame` up to and including `end_frame`."""

    id: int
    action: Action
    subject: int
    start_frame: int
    end_frame: int
    object: int | None = None
    direction: Direction | None = None
    count: int | None = None
    value: str | None = None
    """The new colour (change_colour) or the new state (change_state)."""


class Scene(Config):
    """The whole script of one clip. Events of one thing do not overlap and are in order of start."""

    id: str
    split: Split
    seed: int
    width: int
    height: int
    num_frames: int
    frames_per_second: int
    background: str
    camera: CameraMotion
    egocentric: bool
    """True for SGQA clips: the camera is the asker, moves strongly, and passes the things."""
    things: tuple[Thing, ...]
    events: tuple[Event, ...]

    def thing(self, number: int) -> Thing:
        """Return the thing with this id."""
        return self.things[number]

    def events_of(self, thing: int) -> tuple[Event, ...]:
        """Return what `thing` does, in order of start."""
        return tuple(event for event in self.events if event.subject == thing)
