"""The order of work: which requests are answered together. Plain numbers in, plain numbers out; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def windows(num_requests: int, window: int) -> Iterator[range]:
    """Yield consecutive ranges of at most `window` requests: what is prepared, and held in memory, at once."""
    for start in range(0, num_requests, window):
        yield range(start, min(start + window, num_requests))


def batches_by_length(lengths: Mapping[int, int], batch_size: int) -> list[list[int]]:
    """Return the keys of `lengths` in batches of at most `batch_size`: like lengths together, ties by key."""
    order = sorted(lengths, key=lambda key: (lengths[key], key))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
