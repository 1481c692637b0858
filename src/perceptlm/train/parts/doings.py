"""What every thing is doing in every frame, and since when: what a decoder is asked at every vision token of a lesson.

An answer to a question says once, and late, whether motion was understood. Asked at every vision token what is being
done there ("moves", "left", "stays") and since which frame, a decoder learns to see motion and to keep a timeline
before it learns to talk about them. Knows no lessons and no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perceptlm.batch import IGNORED_TARGET
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.world.lexicon import IDLE_VERBS, VERBS, side, third_person
from perceptlm.world.script import Event, Scene

NUM_ASKED = 2
"""What is asked of a vision token: what is being done there, and since when."""
_LEAST_SHARE = 0.05
"""Of a cell, that a thing must cover for the cell to be asked about it."""
_IDLE_SHARE = 0.2
"""Of the cells where nothing happens, that are asked about: there are many, and they are all alike."""


def doings(
    scene: Scene,
    frames: Sequence[int],
    shares: NDArray[np.float32],
    tokenizer: Tokenizer,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Return tokens for every cell, (F, cells, 2), about the thing that covers most of it.

    First a word for what it is doing: the verb or, as often, the direction where there is one. Second the number of the
    frame (of those shown) since when. IGNORED_TARGET where too little is covered, where something else acts on the
    thing, and throughout a clip whose asker moves or that has one frame.
    """
    tokens = np.full((*shares.shape[::2], NUM_ASKED), IGNORED_TARGET, np.int16)
    if scene.egocentric or len(frames) < 2:
        return tokens
    main = shares.argmax(axis=1)
    for thing in scene.things:
        events = [_event_at(scene, thing.id, frame) for frame in frames]
        acted_on = {event for event in scene.events if event.object == thing.id}
        since = 0
        for number, event in enumerate(events):
            if number and event is not events[number - 1]:
                since = number
            cells = np.flatnonzero((main[number] == thing.id) & (shares[number, thing.id] >= _LEAST_SHARE))
            if event is None:
                cells = cells[rng.random(len(cells)) < _IDLE_SHARE]
            if not len(cells) or any(other.start_frame <= frames[number] <= other.end_frame for other in acted_on):
                continue
            words = [tokenizer.encode(f" {word}")[0] for word in _words(event)]
            tokens[number, cells, 0] = rng.choice(words, len(cells))
            tokens[number, cells, 1] = tokenizer.encode(str(since))[0]
    return tokens


def _event_at(scene: Scene, thing: int, frame: int) -> Event | None:
    return next((event for event in scene.events_of(thing) if event.start_frame <= frame <= event.end_frame), None)


def _words(event: Event | None) -> list[str]:
    if event is None:
        return [third_person(IDLE_VERBS[0])]
    verb = third_person(VERBS[event.action][0])
    if event.direction is None:
        return [verb]
    return [verb, side(event.direction) if event.action in ("enter", "leave") else event.direction]
