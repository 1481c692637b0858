"""When things happen: lengths and starts of events, and the length of the clip, so that all of it can be seen.

Every event takes at least its least length, counted ones that much per repeat; what time is left goes to longer
events and to pauses by chance. This module chooses no things and no actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perceptlm.world.motions import FOLLOW_LAG
from perceptlm.world.script import Action, Direction, Event

LEAST_FRAMES = 8
LEAST_FRAMES_OF: dict[Action, int] = {"pick_up": 9}
FRAMES_PER_REPEAT = 5
"""Least frames of one repeat: 2 of 16 sampled frames even in a clip of 40."""
_LONGEST = 1.7
"""No event is stretched beyond this multiple of its least length."""


@dataclass(frozen=True)
class Draft:
    """An event without its time. `led_by` is the number of the draft whose time it shares (a thing being followed)."""

    subject: int
    action: Action
    object: int | None
    direction: Direction | None
    count: int | None
    value: str | None
    led_by: int | None = None

    @property
    def least_frames(self) -> int:
        """Fewest frames in which it can be seen (and counted)."""
        if self.count is not None:
            return max(self.count * FRAMES_PER_REPEAT, LEAST_FRAMES)
        return LEAST_FRAMES_OF.get(self.action, LEAST_FRAMES)

    def event(self, number: int, start_frame: int, end_frame: int) -> Event:
        """Return the event at a time."""
        return Event(
            id=number, action=self.action, subject=self.subject, start_frame=start_frame, end_frame=end_frame,
            object=self.object, direction=self.direction, count=self.count, value=self.value,
        )  # fmt: skip


def schedule(
    drafts: list[Draft], min_frames: int, max_frames: int, rng: np.random.Generator
) -> tuple[int, tuple[Event, ...]]:
    """Return the number of frames and the events, in the order of `drafts`; each subject's follow one another."""
    subjects = list(dict.fromkeys(draft.subject for draft in drafts if draft.led_by is None))
    needs = [sum(d.least_frames + 1 for d in drafts if d.subject == s and d.led_by is None) for s in subjects]
    num_frames = int(rng.integers(max(min_frames, *needs) if needs else min_frames, max_frames + 1))
    times: dict[int, tuple[int, int]] = {}
    for subject in subjects:
        own = [number for number, d in enumerate(drafts) if d.subject == subject and d.led_by is None]
        times.update(zip(own, _times([drafts[number] for number in own], num_frames, rng), strict=True))
    for number, draft in enumerate(drafts):
        if draft.led_by is not None:
            start, end = times[draft.led_by]
            times[number] = (start, end - FOLLOW_LAG)
    return num_frames, tuple(draft.event(number, *times[number]) for number, draft in enumerate(drafts))


def _times(drafts: list[Draft], num_frames: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return (start, end) of one subject's events; spare frames are shared out among events and pauses by chance."""
    lengths = [draft.least_frames for draft in drafts]
    spare = num_frames - sum(lengths) - len(drafts)
    shares = rng.dirichlet(np.ones(2 * len(drafts) + 1)) * spare
    times, clock = [], 0
    for place, draft in enumerate(drafts):
        starts_moving = draft.action == "stop"  # in motion from the first frame
        clock += 0 if starts_moving else 1 + int(shares[2 * place])
        extra = min(int(shares[2 * place + 1]), int(lengths[place] * (_LONGEST - 1)))
        length = lengths[place] + extra
        times.append((clock, clock + length - 1))
        clock += length
    return times
