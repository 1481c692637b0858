"""Balance: choosing questions and wrong options so that a question's text says nothing about its answer.

Options: four inquiries of one family with four different truths form a *quartet*; the wrong options of each are the
truths of the other three. So within a split either value of any pair is true exactly as often, in the same
order and wording, whatever a question names besides. Open questions: no value of a template is asked for
much more often than the rarest ones. What cannot be balanced is left out. Knows no wording.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from perceptlm.seeding import generator
from perceptlm.world.inquiries import Inquiry

T = TypeVar("T")
QUARTET = 4
_MAX_TRIES = 12
"""How many inquiries of one value are looked at for a quartet before it is given up."""
_MIN_POOL = 3
"""The share of an open template's values that sets the cap: the cap is the count of the value at 1/3 from below."""


@dataclass(frozen=True)
class Placed:
    """An inquiry and the number of the clip (in its split) that it belongs to."""

    clip: int
    inquiry: Inquiry


def quartets(candidates: Sequence[Placed], seed: int) -> list[tuple[Placed, ...]]:
    """Return disjoint fours of candidates that can lend each other their truths as wrong options."""
    cells: dict[tuple[str, str], list[Placed]] = defaultdict(list)
    for candidate in candidates:
        cells[candidate.inquiry.family, candidate.inquiry.stratum].append(candidate)
    found = []
    for family, stratum in sorted(cells):
        rng = generator(seed, "quartets", family, stratum)
        found += _quartets_of_cell(cells[family, stratum], rng)
    return found


def _quartets_of_cell(cell: Sequence[Placed], rng: np.random.Generator) -> list[tuple[Placed, ...]]:
    shuffled = [cell[int(index)] for index in rng.permutation(len(cell))]
    pools: dict[str, list[Placed]] = defaultdict(list)
    for candidate in shuffled:
        pools[candidate.inquiry.value].append(candidate)
    rank = {value: int(place) for value, place in zip(sorted(pools), rng.permutation(len(pools)), strict=True)}
    found: list[tuple[Placed, ...]] = []
    while True:
        order = sorted((value for value in pools if pools[value]), key=lambda value: (-len(pools[value]), rank[value]))
        if len(order) < QUARTET:
            return found
        # The most frequent value first: that uses up as many as possible. What fits with nothing is left out.
        seat = pools[order[0]].pop()
        chosen = [seat]
        for value in order[1:]:
            for index in range(len(pools[value]) - 1, max(-1, len(pools[value]) - 1 - _MAX_TRIES), -1):
                if all(_compatible(pools[value][index], other) for other in chosen):
                    chosen.append(pools[value].pop(index))
                    break
            if len(chosen) == QUARTET:
                found.append(tuple(chosen))
                break
        else:
            for extra in chosen[1:]:
                pools[extra.inquiry.value].append(extra)


def _compatible(first: Placed, second: Placed) -> bool:
    one, two = first.inquiry, second.inquiry
    return (
        one.value != two.value
        and first.clip != second.clip
        and one.held_out == two.held_out
        and one.value not in two.excluded
        and two.value not in one.excluded
    )


def level(
    items: Sequence[T], *, template: Callable[[T], Hashable], value: Callable[[T], str], seed: int, name: str
) -> list[T]:
    """Return `items` in order, less those whose value is asked for too often within their template."""
    order = generator(seed, "level", name).permutation(len(items))
    counts: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for item in items:
        counts[template(item)][value(item)] += 1
    caps = {key: _cap(counter) for key, counter in counts.items()}
    used: Counter[tuple[Hashable, str]] = Counter()
    kept = set()
    for index in order:
        key = (template(items[index]), value(items[index]))
        if used[key] < caps[key[0]]:
            used[key] += 1
            kept.add(int(index))
    return [item for index, item in enumerate(items) if index in kept]


def _cap(counter: Counter[str]) -> int:
    counts = sorted(counter.values())
    if len(counts) == 1:  # always the same answer: one such question does no harm, many can be learnt without looking
        return 1
    return counts[len(counts) // _MIN_POOL]
