"""The order of work: which requests are answered together. Plain numbers in, plain numbers out; no torch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What is known of an answer before it is written: the most tokens it may take, and what its prompt consists of."""

    max_new_tokens: int
    prefix: Hashable
    num_shared: int
    num_own: int


def batches_of_like(work: Sequence[Work], batch_size: int) -> list[list[int]]:
    """Return the numbers of `work` in batches of at most `batch_size`.

    Answers of like limits stand together, so that a batch ends at about the same time; among these prompts of like
    lengths, so that little is padded; among these those of one prefix, in order of its first mention.
    """
    first: dict[Hashable, int] = {}
    for number, item in enumerate(work):
        first.setdefault(item.prefix, number)

    def place(number: int) -> tuple[int, int, int, int, int]:
        item = work[number]
        return (item.max_new_tokens, item.num_shared, _size_class(item), first[item.prefix], number)

    batches: list[list[int]] = []
    for number in sorted(range(len(work)), key=place):
        if not batches or len(batches[-1]) == batch_size or not _are_alike(work[batches[-1][0]], work[number]):
            batches.append([])
        batches[-1].append(number)
    return batches


def _size_class(item: Work) -> int:
    return item.num_own // 16


def _are_alike(one: Work, other: Work) -> bool:
    """Whether neither waits long for the other's answer, nor is padded much to its length; `one` comes before."""
    like_limits = other.max_new_tokens <= 2 * one.max_new_tokens
    like_prefixes = other.num_shared <= 2 * one.num_shared
    return like_limits and like_prefixes and abs(_size_class(other) - _size_class(one)) <= 1
