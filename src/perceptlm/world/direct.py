"""The director: writes the script of clip or picture number so-and-so, so that no word of it foretells another.

Actions come from shuffled decks, kinds from a table that is uniform over kinds and over actions at once, colours,
patterns, sizes, directions, counts and backgrounds independently of all else. A scene depends only on the arguments.
This module draws nothing and chooses no places; `script_timing` says when.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perceptlm.schema import Split
from perceptlm.seeding import derive_seed, generator
from perceptlm.world.egocentric import PANS, passing_frames
from perceptlm.world.motions import DIRECTIONS
from perceptlm.world.script import (
    COUNTED_ACTIONS,
    DIRECTED_ACTIONS,
    TWO_THING_ACTIONS,
    Action,
    CameraMotion,
    Event,
    Scene,
    SizeName,
    Thing,
)
from perceptlm.world.script_timing import Draft, schedule
from perceptlm.world.settings import WorldSettings
from perceptlm.world.splits import HELD_OUT_PAIRS, background_names, pair_allowed
from perceptlm.world.vocabulary import (
    ACTIONS,
    COLOURS,
    COVER_KINDS,
    KINDS,
    LABELLED_KINDS,
    LABELS,
    PATTERNS,
    SIZES,
    kind_can,
)

MAX_THINGS = 4
MAX_COUNT = 4
EGOCENTRIC_ACTIONS: tuple[Action, ...] = ("grow", "shrink", "change_colour", "change_state", "turn")
"""What things do while the asker passes them: short, in one place, and without sides or counts to mistake."""
_DECK_COPIES: dict[Action, int] = dict.fromkeys((*TWO_THING_ACTIONS, "turn", "change_state"), 3) | {"move": 1}
_DECK: tuple[Action, ...] = tuple(action for action in ACTIONS for _ in range(_DECK_COPIES.get(action, 2)))
"""What the main thing does first. Bystanders do nothing to others and only some kinds turn or change state, so these
are dealt more often; a thing that is followed moves, so moving is dealt less often: all actions come out alike."""
_BYSTANDER_ACTIONS: tuple[Action, ...] = tuple(a for a in ACTIONS if a not in (*TWO_THING_ACTIONS, "move"))
_LAST: tuple[Action, ...] = ("leave", "hide")
_FIRST: tuple[Action, ...] = ("enter", "stop")
_STEADY: tuple[CameraMotion, ...] = ("still", "drift", "shake")
_GLIDING: tuple[CameraMotion, ...] = ("pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out")
_HELD_OUT_SHARE = 0.5
_SAME_COLOUR_SHARE, _SAME_KIND_SHARE = 0.25, 0.2
_LABEL_SHARE, _LABELLED_PICTURE_SHARE = 0.7, 0.3
_BYSTANDER_ACTS_SHARE = 0.5


def direct_clip(settings: WorldSettings, split: Split, index: int, seed: int) -> Scene:
    """Return the script of clip `index` of `split`: an egocentric one or one about a main thing (thing 0)."""
    scene_seed = derive_seed(seed, "world", "clip", split, index)
    rng = generator(scene_seed, "script")
    if rng.random() < settings.egocentric_fraction:
        return _egocentric(settings, split, index, scene_seed, rng)
    block, place = divmod(index, len(_DECK))
    deck = generator(seed, "world", "actions", split, block).permutation(len(_DECK))
    action = _DECK[deck[place]]
    held_out = split == "benchmark" and rng.random() < _HELD_OUT_SHARE
    kind = _kind_for(action, split, held_out, rng)
    actions = _actions(action, kind, split, rng)
    cast = _Cast(split, rng)
    cast.add(kind)
    drafts = _main_drafts(actions, cast, rng)
    num_things = max(int(rng.integers(1, MAX_THINGS + 1)), len(cast.things))
    while len(cast.things) < num_things:
        number = cast.add()
        if rng.random() < _BYSTANDER_ACTS_SHARE:
            able = [a for a in _BYSTANDER_ACTIONS if pair_allowed(cast.things[number].kind, a, split)]
            drafts.append(_draft(number, able[rng.integers(len(able))], cast, rng))
    num_frames, events = schedule(drafts, settings.min_num_frames, settings.max_num_frames, rng)
    steady = rng.random() < 0.5
    cameras = _STEADY if steady else _GLIDING
    return _scene(
        settings, split, f"{split}-clip-{index:06d}", scene_seed, rng, cast, events,
        num_frames=num_frames, camera=cameras[rng.integers(len(cameras))],
    )  # fmt: skip


def direct_image(settings: WorldSettings, split: Split, index: int, seed: int) -> Scene:
    """Return the script of still picture `index`: 1 to 4 things, a word on some, no events."""
    scene_seed = derive_seed(seed, "world", "image", split, index)
    rng = generator(scene_seed, "script")
    cast = _Cast(split, rng)
    for number in range(int(rng.integers(1, MAX_THINGS + 1))):
        labelled = number == 0 and rng.random() < _LABELLED_PICTURE_SHARE
        cast.add(LABELLED_KINDS[rng.integers(len(LABELLED_KINDS))] if labelled else None, labelled=labelled)
    return _scene(settings, split, f"{split}-image-{index:06d}", scene_seed, rng, cast, (), num_frames=1, is_image=True)


def _egocentric(settings: WorldSettings, split: Split, index: int, seed: int, rng: np.random.Generator) -> Scene:
    """Return a clip in which the camera passes 3 or 4 things, one or two of which change as it does."""
    cast = _Cast(split, rng)
    num_things = int(rng.integers(3, MAX_THINGS + 1))
    num_frames = int(rng.integers(max(32, settings.min_num_frames), settings.max_num_frames + 1))
    moments = passing_frames(seed, num_things, num_frames)
    num_acting = int(rng.integers(1, 3))
    events: list[Event] = []
    for number in range(num_things):
        if number >= num_acting:
            cast.add()
            continue
        action = EGOCENTRIC_ACTIONS[rng.integers(len(EGOCENTRIC_ACTIONS))]
        held_out = split == "benchmark" and rng.random() < _HELD_OUT_SHARE
        cast.add(_kind_for(action, split, held_out, rng))
        draft = _draft(number, action, cast, rng)
        start = min(max(moments[number] - 4, 1), num_frames - 10)
        events.append(draft.event(number, start, start + 8))
    cameras = tuple(PANS)
    return _scene(
        settings, split, f"{split}-clip-{index:06d}", seed, rng, cast, tuple(events),
        num_frames=num_frames, camera=cameras[rng.integers(len(cameras))], egocentric=True,
    )  # fmt: skip


def _scene(
    settings: WorldSettings,
    split: Split,
    name: str,
    seed: int,
    rng: np.random.Generator,
    cast: _Cast,
    events: tuple[Event, ...],
    *,
    num_frames: int,
    camera: CameraMotion = "still",
    egocentric: bool = False,
    is_image: bool = False,
) -> Scene:
    backgrounds = background_names(split)
    return Scene(
        id=name,
        split=split,
        seed=seed,
        width=settings.image_size if is_image else settings.width,
        height=settings.image_size if is_image else settings.height,
        num_frames=num_frames,
        frames_per_second=settings.frames_per_second,
        background=backgrounds[rng.integers(len(backgrounds))],
        camera=camera,
        egocentric=egocentric,
        things=tuple(cast.things),
        events=events,
    )


class _Cast:
    """The things of one scene; no two share both kind and any colour they ever have."""

    def __init__(self, split: Split, rng: np.random.Generator) -> None:
        self.things: list[Thing] = []
        self.split = split
        self._rng = rng
        self._taken: set[tuple[str, str]] = set()

    def add(
        self,
        kind: str | None = None,
        *,
        size: SizeName | None = None,
        kinds: tuple[str, ...] = tuple(KINDS),
        labelled: bool = False,
    ) -> int:
        """Add a thing of `kind`, or of any of `kinds`; return its number."""
        rng = self._rng
        colour = str(rng.choice(list(COLOURS)))
        if kind is None:
            kind = kinds[rng.integers(len(kinds))]
            share = rng.random()
            if self.things and share < _SAME_COLOUR_SHARE:
                colour = self.things[0].colour
            elif self.things and share < _SAME_COLOUR_SHARE + _SAME_KIND_SHARE and self.things[0].kind in kinds:
                kind = self.things[0].kind
        while (kind, colour) in self._taken:
            colour = str(rng.choice(list(COLOURS)))
        self._taken.add((kind, colour))
        if size is None:
            size = tuple(SIZES)[rng.integers(len(SIZES))]
        label = None
        if labelled or (kind in LABELLED_KINDS and size == "large" and rng.random() < _LABEL_SHARE):
            size, label = "large", LABELS[rng.integers(len(LABELS))]
        pattern = PATTERNS[rng.integers(len(PATTERNS))]
        number = len(self.things)
        self.things.append(Thing(id=number, kind=kind, colour=colour, pattern=pattern, size=size, label=label))
        return number

    def other_colour(self, number: int) -> str:
        """Return a colour that thing `number` may change to, and reserve it."""
        kind = self.things[number].kind
        free = [colour for colour in COLOURS if (kind, colour) not in self._taken]
        colour = free[self._rng.integers(len(free))]
        self._taken.add((kind, colour))
        return colour


def _actions(first: Action, kind: str, split: Split, rng: np.random.Generator) -> list[Action]:
    """Return 1 to 3 different actions for the main thing, in an order in which they can happen."""
    chosen = [first]
    for _ in range(int(rng.integers(0, 3))):
        able = [action for action in ACTIONS if pair_allowed(kind, action, split) and _fits(action, chosen)]
        if split == "benchmark":
            wanted = rng.random() < _HELD_OUT_SHARE
            able = [action for action in able if ((kind, action) in HELD_OUT_PAIRS) == wanted] or able
        chosen.append(able[rng.integers(len(able))])
    order = rng.permutation(len(chosen))
    mixed = [chosen[place] for place in order]
    if "pick_up" in mixed and "put_down" in mixed:
        first_place, last_place = sorted((mixed.index("pick_up"), mixed.index("put_down")))
        mixed[first_place], mixed[last_place] = "pick_up", "put_down"
    return sorted(mixed, key=lambda action: 0 if action in _FIRST else 2 if action in _LAST else 1)


def _fits(action: Action, chosen: list[Action]) -> bool:
    """Return whether `action` can be in one script with `chosen`: one first, one last, one counted, none twice."""
    alone = (_FIRST, _LAST, COUNTED_ACTIONS)
    return action not in chosen and not any(action in group and set(group) & set(chosen) for group in alone)


def _main_drafts(actions: list[Action], cast: _Cast, rng: np.random.Generator) -> list[Draft]:
    drafts: list[Draft] = []
    for action in actions:
        target: int | None = None
        if action == "put_down":
            target = next((draft.object for draft in drafts if draft.action == "pick_up"), None)
        if action in TWO_THING_ACTIONS and target is None:
            target = _add_object(action, cast)
        drafts.append(_draft(0, action, cast, rng, target))
        if action == "follow" and target is not None:
            drafts.append(_draft(target, "move", cast, rng, led_by=len(drafts) - 1))
    return drafts


def _add_object(action: Action, cast: _Cast) -> int:
    """Add a thing that `action` can be done to: a cover is large and solid, what is followed may move."""
    if action == "hide":
        return cast.add(kinds=COVER_KINDS, size="large")
    if action == "follow":
        return cast.add(kinds=tuple(kind for kind in KINDS if pair_allowed(kind, "move", cast.split)))
    return cast.add()


def _draft(
    subject: int,
    action: Action,
    cast: _Cast,
    rng: np.random.Generator,
    target: int | None = None,
    led_by: int | None = None,
) -> Draft:
    value = None
    if action == "change_colour":
        value = cast.other_colour(subject)
    elif action == "change_state":
        states = KINDS[cast.things[subject].kind]
        value = states[rng.integers(len(states))]
    return Draft(
        subject=subject,
        action=action,
        object=target,
        direction=DIRECTIONS[rng.integers(4)] if action in DIRECTED_ACTIONS else None,
        count=int(rng.integers(1, MAX_COUNT + 1)) if action in COUNTED_ACTIONS else None,
        value=value,
        led_by=led_by,
    )


def _kind_for(action: Action, split: Split, held_out: bool, rng: np.random.Generator) -> str:
    """Return a kind for the main thing's first action, from the balanced table."""
    shares = _pair_table(split, held_out)[:, ACTIONS.index(action)]
    return str(rng.choice(list(KINDS), p=shares / shares.sum()))


@lru_cache(maxsize=8)
def _pair_table(split: Split, held_out: bool) -> NDArray[np.float64]:
    """Return (kinds, actions) shares of the pairs of a split: uniform over kinds, as in the deck over actions.

    Found by scaling rows and columns in turn (Sinkhorn).
    """
    dealt = np.array([_DECK.count(action) for action in ACTIONS]) / len(_DECK)
    table = np.array(
        [
            [kind_can(kind, action) and (((kind, action) in HELD_OUT_PAIRS) == held_out) for action in ACTIONS]
            for kind in KINDS
        ],
        np.float64,
    )
    for _ in range(200):
        table *= dealt / table.sum(axis=0, keepdims=True)
        table /= table.sum(axis=1, keepdims=True) * table.shape[0]
    return table
