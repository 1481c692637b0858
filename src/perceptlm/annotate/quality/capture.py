"""How many wrong labels the routing would have sent to an expert, as far as gold tells.

Gold is answered by everybody and never routed. Here it is routed after the fact as if nobody knew its answer: the first
labels, in the order in which they came, and further ones while the policy asks for them. This module knows no database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perceptlm.annotate.quality.assess import Weighed
from perceptlm.annotate.quality.dawid_skene import believe
from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, Bools, Ints, Items, Labels, People, count
from perceptlm.annotate.quality.routing import ANOTHER_LABEL, ESCALATE, Requirements, RoutingPolicy, decide


@dataclass(frozen=True)
class Captured:
    """Of `num_wrong` wrong labels `num_captured` went to an expert."""

    num_wrong: int
    num_captured: int


def captured_on_gold(found: Weighed, labels: Labels, items: Items, people: People, policy: RoutingPolicy) -> Captured:
    """Return what routing would have done about wrong labels on gold. Gold on which labels ran out before it had
    decided counts in nothing."""
    gold = np.flatnonzero(items.known >= 0)
    known = items.known[gold]
    unknown = Items(items.num_options[gold], items.domain[gold], np.full(len(gold), -1), items.num_domains)
    place = np.full(len(items), -1)
    place[gold] = np.arange(len(gold))
    rows = (place[labels.item] >= 0) & (people.role[labels.worker] != EXPERT)
    given = labels.take(rows)
    given = replace(given, item=place[given.item])
    by_crowd = people.role[given.worker] == ANNOTATOR
    rank = _ranks(given.item, by_crowd)
    num_given = count(given.item[by_crowd], len(gold))
    requirements = replace(Requirements.none(len(gold), len(people)), paused=found.paused)
    asked = np.full(len(gold), policy.first_labels)
    is_open = num_given >= asked
    num_wrong = num_captured = 0
    while is_open.any():
        seen = given.take(is_open[given.item] & (rank < asked[given.item]))
        now = believe(found.fit, seen, unknown, people)
        decisions = decide(now, seen, unknown, people, policy, requirements)
        done = is_open & (decisions.action != ANOTHER_LABEL)
        wrong = done & (now.answer != known)
        num_wrong += int(wrong.sum())
        num_captured += int((wrong & (decisions.action == ESCALATE)).sum())
        asked += np.maximum(decisions.num_labels, 1)
        is_open &= ~done & (asked <= num_given)
    return Captured(num_wrong, num_captured)


def _ranks(item: Ints, by_crowd: Bools) -> Ints:
    """Return the how-manieth label of its item each one is, from 0; -1 for those of models."""
    order = np.argsort(item[by_crowd], kind="stable")
    mine = item[by_crowd][order]
    first = np.searchsorted(mine, mine)
    ranks = np.full(len(item), -1)
    ranks[np.flatnonzero(by_crowd)[order]] = np.arange(len(mine)) - first
    return ranks
