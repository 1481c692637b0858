"""When somebody's next piece of work is gold, and which: drawn from names alone, so that it can be told again.

Nobody can guess it: it hangs on a digest of project, person and how often they were given work. Server and simulator
call the same functions. This module knows no queue.
"""

from __future__ import annotations

from dataclasses import dataclass

from perceptlm.seeding import derive_seed


@dataclass(frozen=True)
class GoldRule:
    """The first `first` pieces of work of everybody are gold; after that a share `rate`, up to `most` in all."""

    first: int
    rate: float
    most: int | None = None


def is_gold_turn(rule: GoldRule, project: str, person: str, num_gold: int, num_given: int) -> bool:
    """Whether the next piece of work of `person` is gold, who was given `num_given`, `num_gold` of them gold."""
    if rule.most is not None and num_gold >= rule.most:
        return False
    if num_gold < rule.first:
        return True
    return _draw("gold-turn", project, person, num_given) < rule.rate


def gold_start(project: str, person: str, num_gold: int, size: int) -> int:
    """Return the place, below `size`, from where on the first gold the person has not seen is taken, around the end."""
    return min(int(_draw("gold-start", project, person, num_gold) * size), size - 1)


def _draw(purpose: str, project: str, person: str, number: int) -> float:
    return derive_seed(0, purpose, project, person, number) / float(1 << 63)
