"""Sharing out the rows of a step over processes, so that none waits long for the others. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence


def share_out(costs: Sequence[float], num_shares: int) -> list[list[int]]:
    """Return for each share the numbers of its items, ascending: the dearest first, each to the cheapest share so far.

    Every item is in one share. Ties go to the first share, so the result depends on nothing but `costs`.
    """
    totals = [0.0] * num_shares
    shares: list[list[int]] = [[] for _ in range(num_shares)]
    for item in sorted(range(len(costs)), key=lambda number: -costs[number]):
        cheapest = min(range(num_shares), key=totals.__getitem__)
        totals[cheapest] += costs[item]
        shares[cheapest].append(item)
    return [sorted(share) for share in shares]
