"""SampleWriter: what all Samples of one clip have in common - ids, media, origin, attributes, wording choices.

Knows no task; the task writers give it texts and answers.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from perceptlm import __version__
from perceptlm.schema import Answer, Dimension, Origin, Sample, Task, TimeSpan, Turn
from perceptlm.seeding import generator
from perceptlm.world.clip_record import ClipView

ORIGIN = Origin(kind="program", name="perceptlm.world", revision=__version__, licence="CC0-1.0")
_SLOW, _FAST = 0.004, 0.02
"""Mean way per frame, as a share of the picture's width, from which a thing counts as slow and as fast."""
_SOME_OCCLUSION, _MUCH_OCCLUSION = 0.05, 0.35
"""Mean hidden share of the silhouette."""


class SampleWriter:
    """Makes the Samples of one clip; ids are numbered per task in the order of writing."""

    def __init__(self, view: ClipView, seed: int) -> None:
        self.view = view
        self.seed = seed
        self.rng: np.random.Generator = generator(seed, "wording", view.scene.id)
        self._numbers: Counter[str] = Counter()
        self._looks: dict[int, dict[str, str]] = {}

    def next_id(self, task: Task) -> str:
        """Return a new id (of a Sample or of a group) for this clip and task."""
        number = self._numbers[task]
        self._numbers[task] += 1
        return f"{self.view.scene.id}.{task}.{number}"

    def write(
        self,
        *,
        task: Task,
        template: str,
        dimension: Dimension,
        question: str,
        reply: str,
        answer: Answer,
        subject: int | None = None,
        boxed: bool = False,
        span: TimeSpan | None = None,
        held_out: bool = False,
        sample_id: str | None = None,
        group: str | None = None,
    ) -> Sample:
        """Return one Sample; `subject` is the thing it is about, and `boxed` says to draw its boxes."""
        view = self.view
        return Sample(
            id=sample_id or self.next_id(task),
            task=task,
            split=view.scene.split,
            media=(view.record.media,),
            turns=(Turn(role="user", text=question), Turn(role="assistant", text=reply)),
            answer=answer,
            origin=ORIGIN,
            cluster=view.scene.id,
            template=template,
            dimension=dimension,
            group=group,
            regions=(view.track(subject),) if boxed and subject is not None else (),
            span=span,
            attributes=self._attributes(subject, held_out),
        )

    def _attributes(self, subject: int | None, held_out: bool) -> dict[str, str | int | float | bool]:
        scene = self.view.scene
        found: dict[str, str | int | float | bool] = {
            "num_things": len(self.view.seen),
            "num_events": len(self.view.told_events),
            "held_out": held_out,
            "egocentric": scene.egocentric,
        }
        if subject is not None:
            if subject not in self._looks:
                self._looks[subject] = self._looks_of(subject)
            found |= self._looks[subject]
        return found

    def _looks_of(self, thing: int) -> dict[str, str]:
        looks = self.view.scene.thing(thing)
        found = {"subject_class": looks.kind, "size": looks.size, "occlusion": self._occlusion(thing)}
        return found | ({"speed": self._speed(thing)} if self.view.scene.num_frames > 1 else {})

    def _occlusion(self, thing: int) -> str:
        shown = [share for share in self.view.record.visible_fraction[thing] if share > 0]
        hidden = 1 - sum(shown) / len(shown) if shown else 1.0
        return "none" if hidden < _SOME_OCCLUSION else "some" if hidden < _MUCH_OCCLUSION else "much"

    def _speed(self, thing: int) -> str:
        points = []
        for frame in sorted(self.view.shown[thing]):
            centre, offset = self.view.centre(thing, frame), self.view.record.camera_offset[frame]
            if centre is not None:
                points.append((frame, centre[0] + offset[0] / self.view.scene.width,
                               centre[1] + offset[1] / self.view.scene.width))  # fmt: skip
        ways = [float(np.hypot(x2 - x1, y2 - y1)) for (f1, x1, y1), (f2, x2, y2) in pairwise(points) if f2 == f1 + 1]
        mean = sum(ways) / len(ways) if ways else 0.0
        return "still" if mean < _SLOW else "slow" if mean < _FAST else "fast"
