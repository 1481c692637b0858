"""Who comes to work when: the one course of a simulated project, in memory and over HTTP alike.

People come in a drawn order, each takes one piece of work and comes again, until nobody gets anything; then experts;
then the quality engine runs and may ask for more. A desk hands out the work and takes the answers: it is all that
differs between the two. This module knows neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT
from perceptlm.annotate.simulate.people import Crowd
from perceptlm.seeding import generator

MOST_ROUNDS = 60


class Desk(Protocol):
    """Where people ask for work."""

    def work(self, person: int) -> bool:
        """Let `person` do the next piece of work; False if there is none for them."""
        ...

    def refit(self) -> None:
        """Run the quality engine over what was given."""
        ...


def work_off(desk: Desk, crowd: Crowd, *, uses_gold: bool = True) -> int:
    """Let the people of `crowd` work until there is nothing left, and return the number of rounds.

    First everybody does their first gold, so that the engine knows them before they are given anything else. With
    `refit_every` in the scenario the engine also runs each time so many answers were given.
    """
    annotators, experts = (np.flatnonzero(crowd.people.role == role).tolist() for role in (ANNOTATOR, EXPERT))
    counter = _Counter(desk, crowd.scenario.refit_every)
    first = crowd.scenario.gold.num_first() if uses_gold else 0
    for number in range(1, MOST_ROUNDS + 1):
        most = first if number == 1 and first else None
        before = counter.num_done
        _sweeps(counter, annotators, crowd.seed, number, most)
        if number > 1 or not first:
            for expert in experts:
                while counter.work(expert):
                    pass
        if counter.num_done == before:
            return number - 1
        desk.refit()
    return MOST_ROUNDS


class _Counter:
    """Counts answers, and runs the engine after so many."""

    def __init__(self, desk: Desk, refit_every: int | None) -> None:
        self._desk, self._refit_every = desk, refit_every
        self.num_done = 0

    def work(self, person: int) -> bool:
        done = self._desk.work(person)
        self.num_done += done
        if done and self._refit_every is not None and self.num_done % self._refit_every == 0:
            self._desk.refit()
        return done


def _sweeps(counter: _Counter, people: Sequence[int], seed: int, number: int, most: int | None) -> None:
    """Let `people` come again and again, each sweep in another order, each person `most` times or to the end."""
    random = generator(seed, "simulated-arrivals", number)
    present, times = np.array(people, dtype=np.int64), 0
    while len(present) and (most is None or times < most):
        present = random.permutation(present)
        present = present[np.array([counter.work(person) for person in present.tolist()], dtype=np.bool_)]
        times += 1
