"""What came of a simulated project, whether it was run in memory or read back from the service. Knows no truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perceptlm.annotate.quality.records import Bools, Floats, Ints, Labels
from perceptlm.annotate.quality.routing import REASONS
from perceptlm.annotate.simulate.people import Crowd


@dataclass(frozen=True)
class Outcome:
    """The end of one project. Shapes: I items with the gold after them, W people."""

    crowd: Crowd
    labels: Labels
    """What people answered; a model's proposals are not among them."""
    answer: Ints
    confidence: Floats
    """(I): the posterior of `answer`."""
    reason: Ints
    """(I): why an expert was asked, a place in REASONS; 0 where none was."""
    crowd_answer: Ints
    """(I): what would have been accepted without the expert; -1 where none was asked."""
    flagged: Bools
    """(W): found copying at any time."""
    paused: Bools
    drifting: Bools
    skill: Floats
    """(W): accuracy over all domains, with its interval."""
    skill_low: Floats
    skill_high: Floats
    num_rounds: int
    num_unfinished: int
    """Items for which the policy wanted somebody who was not there."""

    def reasons(self) -> dict[str, int]:
        """Return how many items each reason sent to an expert."""
        number = np.bincount(self.reason[: self.crowd.num_items], minlength=len(REASONS))
        return {name: int(number[place]) for place, name in enumerate(REASONS) if place and number[place]}
