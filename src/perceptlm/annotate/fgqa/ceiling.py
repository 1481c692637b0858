"""The fresh-human ceiling: which accepted items new people answer, and what they score, with an interval.

An item is drawn by its key alone, so that the sample grows with the data and never changes. Each pair of a group goes
to another person, since who sees two pairs of a group knows the answer from what they share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from perceptlm.errors import DataError
from perceptlm.seeding import generator
from perceptlm.statistics import Interval, bootstrap_interval

RULE = "every pair by another person who had no part in the item; a group counts when all its pairs are right"


def in_ceiling_sample(key: str, share: float, *, seed: int = 0) -> bool:
    """Return whether the item `key` is drawn; `share` of all keys are."""
    return bool(generator(seed, "ceiling sample", key).random() < share)


@dataclass(frozen=True)
class CeilingAnswer:
    """One fresh person's answer to one pair. `cluster` is the video it is cut from: items of one video are alike."""

    group: str
    pair: str
    user: str
    is_right: bool
    cluster: str


@dataclass(frozen=True)
class CeilingScore:
    """`mbacc`: share of groups with every pair right; `pair_accuracy`: of pairs. Intervals are 95 %, by cluster.

    `num_incomplete` groups lack an answer to one of their pairs and count in neither.
    """

    mbacc: float
    mbacc_interval: Interval
    pair_accuracy: float
    pair_interval: Interval
    num_groups: int
    num_pairs: int
    num_incomplete: int
    num_people: int
    rule: str = RULE


def score_ceiling(answers: Sequence[CeilingAnswer], pairs_of: dict[str, int], *, seed: int = 0) -> CeilingScore | None:
    """Return the ceiling; None if no group is complete. `pairs_of` says how many pairs each group in the sample has.

    DataError for a pair answered twice, a group that is not in `pairs_of`, or a person who answered two pairs of one
    group.
    """
    found: dict[str, dict[str, CeilingAnswer]] = defaultdict(dict)
    for answer in answers:
        if answer.group not in pairs_of:
            raise DataError(f"group {answer.group} is not in the ceiling sample")
        group = found[answer.group]
        if answer.pair in group:
            raise DataError(f"pair {answer.pair} was answered twice")
        if any(other.user == answer.user for other in group.values()):
            raise DataError(f"one person answered two pairs of group {answer.group}")
        group[answer.pair] = answer
    complete = {name: list(group.values()) for name, group in sorted(found.items()) if len(group) == pairs_of[name]}
    if not complete:
        return None
    rights = [float(all(item.is_right for item in group)) for group in complete.values()]
    clusters = [group[0].cluster for group in complete.values()]
    singles = [item for group in complete.values() for item in group]
    values = [float(item.is_right) for item in singles]
    return CeilingScore(
        mbacc=sum(rights) / len(rights),
        mbacc_interval=bootstrap_interval(rights, clusters, seed=seed),
        pair_accuracy=sum(values) / len(values),
        pair_interval=bootstrap_interval(values, [item.cluster for item in singles], seed=seed),
        num_groups=len(complete),
        num_pairs=len(singles),
        num_incomplete=len(pairs_of) - len(complete),
        num_people=len({item.user for item in singles}),
    )
