"""What is known of a made clip besides its pixels: script, file, boxes, visibility, camera. One line of scenes.jsonl.

All Samples of a clip can be written from this record alone. `ClipView` answers the writers' questions about it:
which thing is meant by which words, and what can be seen. Knows no task and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from perceptlm.config import Config
from perceptlm.schema import Box, BoxTrack, MediaRef, TimeSpan
from perceptlm.world.script import Event, Scene

MIN_SPAN_FRAMES = 3
"""A span shorter than this is not asked about: it may fall between two sampled frames."""
MIN_SHOWN_SHARE = 0.1
"""Share of a thing's silhouette that must show in a frame for it to be there."""
MIN_VISIBLE_SHARE = 0.5
"""Share of an event's frames in which its subject must show, for the event to be spoken of."""
_MOVES_ITS_OBJECT = ("pick_up", "put_down", "hit")
_VANISHING = ("enter", "leave", "hide", "blink")


class ClipRecord(Config):
    """Script and ground truth of one clip or image. Per thing, in the order of `scene.things`."""

    scene: Scene
    media: MediaRef
    boxes: tuple[dict[int, Box], ...]
    """Frame -> box of the visible pixels; absent where nothing shows."""
    visible_fraction: tuple[tuple[float, ...], ...]
    """(num_things, num_frames): share of the silhouette that shows."""
    camera_offset: tuple[tuple[float, float], ...]
    """(num_frames, 2): x and y of the camera in world pixels."""


@dataclass(frozen=True)
class Noun:
    """Words for a thing, without article, and the subject facts they state."""

    text: str
    facts: tuple[tuple[str, str], ...]

    @property
    def definite(self) -> str:
        """With 'the'."""
        return f"the {self.text}"


class ClipView:
    """A ClipRecord with the questions writers ask about it."""

    def __init__(self, record: ClipRecord) -> None:
        self.record = record
        self.scene: Scene = record.scene

    @cached_property
    def shown(self) -> tuple[dict[int, Box], ...]:
        """Per thing: its boxes in the frames where enough of it shows to be spoken of."""
        return tuple(
            {frame: box for frame, box in track.items() if shares[frame] >= MIN_SHOWN_SHARE}
            for track, shares in zip(self.record.boxes, self.record.visible_fraction, strict=True)
        )

    @cached_property
    def seen(self) -> tuple[int, ...]:
        """Things that show in at least `MIN_SPAN_FRAMES` frames (in an image: at all)."""
        least = min(MIN_SPAN_FRAMES, self.scene.num_frames)
        return tuple(thing.id for thing in self.scene.things if len(self.shown[thing.id]) >= least)

    @cached_property
    def told_events(self) -> tuple[Event, ...]:
        """Events that can be seen happening, in order of start."""
        events = (event for event in self.scene.events if self.event_span(event) is not None)
        return tuple(sorted(events, key=lambda event: (event.start_frame, event.id)))

    def told_events_of(self, thing: int) -> tuple[Event, ...]:
        """Events of one subject that can be seen happening."""
        return tuple(event for event in self.told_events if event.subject == thing)

    def is_moved(self, thing: int) -> bool:
        """Return whether another thing carries it or knocks it away: then it moves without doing anything."""
        return any(event.object == thing and event.action in _MOVES_ITS_OBJECT for event in self.scene.events)

    def event_span(self, event: Event) -> TimeSpan | None:
        """Return from the first to the last frame of the event in which its subject shows; None if too little shows."""
        boxes = self.shown[event.subject]
        frames = [frame for frame in range(event.start_frame, event.end_frame + 1) if frame in boxes]
        length = event.end_frame - event.start_frame + 1
        if len(frames) < MIN_SPAN_FRAMES:
            return None
        if event.action not in _VANISHING and len(frames) < MIN_VISIBLE_SHARE * length:
            return None
        if event.object is not None and event.object not in self.seen:
            return None
        return TimeSpan(start_frame=frames[0], end_frame=frames[-1])

    def colour_at(self, thing: int, frame: int) -> str:
        """Return the colour a thing has when `frame` begins: that of its last finished change before it."""
        colour = self.scene.thing(thing).colour
        for event in self.scene.events_of(thing):
            if event.action == "change_colour" and event.end_frame < frame and event.value is not None:
                colour = event.value
        return colour

    def colours_of(self, thing: int) -> tuple[str, ...]:
        """Return every colour a thing has in the clip, first to last."""
        changes = (event.value for event in self.scene.events_of(thing) if event.action == "change_colour")
        return (self.scene.thing(thing).colour, *(colour for colour in changes if colour is not None))

    def refer(self, thing: int, *, frame: int = 0, without: Iterable[str] = ()) -> Noun | None:
        """Return the shortest words that mean this thing and no other that is seen; None if there are none.

        Kind and colour are always said, pattern and size only where needed; `without` leaves attributes out.
        """
        plain = [name for name in ("colour", "kind") if name not in without]
        extras = [[], ["pattern"], ["size"], ["size", "pattern"]]
        for extra in extras:
            names = [*extra, *plain]
            if not set(extra) & set(without) and not any(
                self._matches(other, self._looks(thing, frame), names) for other in self.seen if other != thing
            ):
                return noun(self._looks(thing, frame), names)
        return None

    def _looks(self, thing: int, frame: int) -> dict[str, str]:
        item = self.scene.thing(thing)
        colour = self.colour_at(thing, frame)
        return {"size": item.size, "pattern": item.pattern, "colour": colour, "kind": item.kind}

    def _matches(self, other: int, looks: dict[str, str], names: list[str]) -> bool:
        item = self.scene.thing(other)
        have = {"size": (item.size,), "pattern": (item.pattern,), "kind": (item.kind,)}
        return all(looks[name] in (have[name] if name != "colour" else self.colours_of(other)) for name in names)

    def centre(self, thing: int, frame: int) -> tuple[float, float] | None:
        """Return the middle of a thing's box as shares of width and height; None where it does not show."""
        box = self.shown[thing].get(frame)
        if box is None:
            return None
        return ((box[0] + box[2]) / 2 / self.scene.width, (box[1] + box[3]) / 2 / self.scene.height)

    def track(self, thing: int) -> BoxTrack:
        """Return the boxes of a thing, where enough of it shows, as a region."""
        return BoxTrack(subject=f"thing-{thing}", boxes=self.shown[thing])


def noun(looks: dict[str, str], names: list[str]) -> Noun:
    """Return the words for the named attributes in English order; without a kind it is 'thing'."""
    said = [name for name in ("size", "pattern", "colour", "kind") if name in names]
    text = " ".join(looks[name] for name in said) + ("" if "kind" in said else " thing")
    return Noun(text, tuple((name, looks[name]) for name in said))
