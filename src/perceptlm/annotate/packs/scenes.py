"""Clips that are drawn instead of shipped: one line of `scenes.jsonl` says what is in it and what happens when.

A recipe names things by words of its own and events by half-open frames, as everything in a pack does; the world draws
it, the same bytes from the same recipe. Knows no questions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from pydantic import Field, model_validator

from perceptlm.annotate.packs.pack import Drawing, Name
from perceptlm.config import Config
from perceptlm.errors import DataError
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.make_clip import film, record_of
from perceptlm.world.render import draw, ground_truth
from perceptlm.world.script import (
    COUNTED_ACTIONS,
    DIRECTED_ACTIONS,
    TWO_THING_ACTIONS,
    Action,
    CameraMotion,
    Direction,
    Event,
    Scene,
    SizeName,
    Thing,
)
from perceptlm.world.script_timing import FRAMES_PER_REPEAT, LEAST_FRAMES
from perceptlm.world.settings import WorldSettings
from perceptlm.world.simulate import simulate
from perceptlm.world.vocabulary import BACKGROUNDS, COLOURS, KINDS, LABELLED_KINDS, LABELS, PATTERNS, kind_can

MAX_FRAMES = 400
_OF_THE_PAIR = "a thing that something is done to does nothing itself, and only one other thing acts on it"


class SceneThing(Config):
    """One thing. Words are those of the world (`world/vocabulary.py`)."""

    name: Name
    kind: str
    colour: str
    pattern: str = "plain"
    size: SizeName = "medium"
    label: str | None = None

    @model_validator(mode="after")
    def _can_be_drawn(self) -> SceneThing:
        known: dict[str, Collection[str]] = {"kind": KINDS, "colour": COLOURS, "pattern": PATTERNS}
        for field, words in known.items():
            if getattr(self, field) not in words:
                raise ValueError(f"there is no {field} '{getattr(self, field)}'; there are {', '.join(words)}")
        if self.label is not None and (self.kind not in LABELLED_KINDS or self.label not in LABELS):
            raise ValueError(f"labels are on {', '.join(LABELLED_KINDS)}, and one of {', '.join(LABELS)}")
        return self


class SceneEvent(Config):
    """`thing` does `action` in the frames [start, end), perhaps to `object`, a number of times, or some way."""

    thing: Name
    action: Action
    start: int = Field(ge=1)
    end: int
    object: Name | None = None
    direction: Direction | None = None
    count: int | None = Field(default=None, ge=1, le=9)
    value: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> SceneEvent:
        if self.action == "follow":
            raise ValueError("'follow' cannot be drawn from a recipe")
        wanted = {
            "object": self.action in TWO_THING_ACTIONS,
            "direction": self.action in DIRECTED_ACTIONS,
            "count": self.action in COUNTED_ACTIONS,
            "value": self.action in ("change_colour", "change_state"),
        }
        for field, needed in wanted.items():
            if (getattr(self, field) is not None) != needed:
                raise ValueError(f"'{self.action}' {'needs' if needed else 'has no'} '{field}'")
        least = max(LEAST_FRAMES + (self.action == "pick_up"), (self.count or 0) * FRAMES_PER_REPEAT)
        if self.end - self.start < least:
            raise ValueError(f"'{self.action}' needs at least {least} frames, not {self.end - self.start}")
        return self


class SceneRecipe(Config):
    """One clip, drawn to media/ID.mp4."""

    id: Name
    seed: int = Field(ge=0)
    num_frames: int = Field(ge=24, le=MAX_FRAMES)
    background: str
    camera: CameraMotion = "still"
    things: tuple[SceneThing, ...] = Field(min_length=1, max_length=8)
    events: tuple[SceneEvent, ...] = ()

    @property
    def media_path(self) -> str:
        """The file it is drawn to."""
        return f"media/{self.id}.mp4"

    @model_validator(mode="after")
    def _fits_together(self) -> SceneRecipe:
        if self.background not in BACKGROUNDS:
            raise ValueError(f"there is no background '{self.background}'; they are {BACKGROUNDS[0]} and so on")
        names = [thing.name for thing in self.things]
        if len(set(names)) != len(names):
            raise ValueError("two things have the same name")
        kinds = {thing.name: thing.kind for thing in self.things}
        acting = {event.thing for event in self.events}
        actors: dict[str, set[str]] = {}
        for event in self.events:
            for name in (event.thing, event.object):
                if name is not None and name not in kinds:
                    raise ValueError(f"an event names '{name}', but the things are {', '.join(names)}")
            if event.end > self.num_frames:
                raise ValueError(f"'{event.action}' ends at frame {event.end}, after the last of {self.num_frames}")
            if not kind_can(kinds[event.thing], event.action):
                raise ValueError(f"a {kinds[event.thing]} cannot {event.action.replace('_', ' ')}")
            if event.action == "change_colour" and event.value not in COLOURS:
                raise ValueError(f"there is no colour '{event.value}'")
            if event.action == "change_state" and event.value not in KINDS[kinds[event.thing]]:
                raise ValueError(f"a {kinds[event.thing]} is one of {', '.join(KINDS[kinds[event.thing]])}")
            if event.object is not None:
                actors.setdefault(event.object, set()).add(event.thing)
        if any(name in acting or len(users) > 1 for name, users in actors.items()):
            raise ValueError(_OF_THE_PAIR)
        _check_order(self.events)
        return self

    def scene(self, drawing: Drawing) -> Scene:
        """Return the world's script."""
        number = {thing.name: index for index, thing in enumerate(self.things)}
        return Scene(
            id=self.id, split="train", seed=self.seed, width=drawing.width, height=drawing.height,
            num_frames=self.num_frames, frames_per_second=drawing.frames_per_second, background=self.background,
            camera=self.camera, egocentric=False,
            things=tuple(
                Thing(id=index, **thing.model_dump(exclude={"name"})) for index, thing in enumerate(self.things)
            ),
            events=tuple(
                Event(
                    id=index, action=event.action, subject=number[event.thing], start_frame=event.start,
                    end_frame=event.end - 1, object=None if event.object is None else number[event.object],
                    direction=event.direction, count=event.count, value=event.value,
                )
                for index, event in enumerate(self.events)
            ),
        )  # fmt: skip


def _check_order(events: Iterable[SceneEvent]) -> None:
    last: dict[str, int] = {}
    for event in events:
        if event.start < last.get(event.thing, 0):
            raise ValueError(f"the events of '{event.thing}' overlap or are not in order of start")
        last[event.thing] = event.end


def truth_of(recipe: SceneRecipe, drawing: Drawing) -> ClipRecord:
    """Return what is true of a recipe's clip without drawing its pixels: boxes, visibility, camera."""
    scene = recipe.scene(drawing)
    where = simulate(scene)
    drawn = draw(scene, where, range(scene.num_frames), with_pixels=False)
    return record_of(scene, ground_truth(scene, where, drawn), recipe.media_path, "video")


def draw_scene(recipe: SceneRecipe, drawing: Drawing, root: Path) -> ClipRecord:
    """Draw a recipe to `root`/media/ID.mp4 and return what is true of it; DataError if it does not come out.

    The folder media/ must be there.
    """
    settings = WorldSettings(
        width=drawing.width, height=drawing.height, frames_per_second=drawing.frames_per_second,
        min_num_frames=24, max_num_frames=MAX_FRAMES,
    )  # fmt: skip
    made = film(root, settings, recipe.scene(drawing), "video", recipe.media_path)
    if made.record is None:
        raise DataError(f"scene '{recipe.id}' cannot be drawn: {made.reason}", path="scenes.jsonl")
    return made.record
