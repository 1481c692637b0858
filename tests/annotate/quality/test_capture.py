"""What routing would have done about wrong labels on gold, beside what it does about the same labels unknown."""

from dataclasses import replace

import numpy as np
import pytest
from labelled_world import draw

from perceptlm.annotate.quality import ESCALATE, Requirements, RoutingPolicy, decide
from perceptlm.annotate.quality.assess import weigh
from perceptlm.annotate.quality.capture import captured_on_gold
from perceptlm.annotate.quality.dawid_skene import believe


def test_other_labels_are_believed_as_they_would_be_among_the_rest():
    world = draw(num_items=300, num_gold=60, seed=3)
    found = weigh(world.labels, world.items, world.people, RoutingPolicy())
    again = believe(found.fit, world.labels, world.items, world.people)
    assert again.posterior == pytest.approx(found.fit.posterior, abs=5e-3)
    few = world.labels.take(np.arange(5))
    assert believe(found.fit, few, world.items, world.people).confidence.mean() < found.fit.confidence.mean()


@pytest.mark.parametrize("rule", ["disagreement", "value"])
def test_gold_is_routed_as_if_nobody_knew_it(rule):
    world = draw(num_items=400, num_gold=200, num_experts=2, seed=4)
    # Two labels and nobody paused, so that nothing further is asked.
    policy = RoutingPolicy(rule=rule, first_labels=2, most_labels=2, pause_below=0)
    found = weigh(world.labels, world.items, world.people, policy)
    result = captured_on_gold(found, world.labels, world.items, world.people, policy)
    gold = np.flatnonzero(world.items.known >= 0)
    rows = np.concatenate([np.flatnonzero(world.labels.item == item)[:2] for item in gold])
    first = world.labels.take(rows)
    unknown = replace(world.items, known=np.full(len(world.items), -1))
    now = believe(found.fit, first, unknown, world.people)
    needs = replace(Requirements.none(len(unknown), len(world.people)), paused=found.paused)
    decisions = decide(now, first, unknown, world.people, policy, needs)
    wrong = now.answer[gold] != world.items.known[gold]
    assert result.num_wrong == wrong.sum() > 10
    assert result.num_captured == (wrong & (decisions.action[gold] == ESCALATE)).sum() > 0


def test_gold_with_too_few_labels_tells_nothing():
    world = draw(num_items=60, num_gold=20, per_item=2, seed=5)
    found = weigh(world.labels, world.items, world.people, RoutingPolicy())
    result = captured_on_gold(
        found, world.labels, world.items, world.people, RoutingPolicy(first_labels=40, most_labels=40)
    )
    assert (result.num_wrong, result.num_captured) == (0, 0)
