from dataclasses import replace

import numpy as np
import pytest
from labelled_world import draw

from perceptlm.annotate.quality import (
    ACCEPT,
    ANOTHER_LABEL,
    ESCALATE,
    REASONS,
    Labels,
    Requirements,
    RoutingPolicy,
    choose_expert,
    decide,
    draw_audit,
    failing,
    fit,
    measure_skill,
)
from perceptlm.annotate.quality.lookahead import Costs, costs_of_actions
from perceptlm.annotate.quality.routing import better_half


@pytest.fixture(scope="module")
def two():
    """Two labels per item, and two experts."""
    world = draw(per_item=2, num_experts=2, seed=1)
    return world, fit(world.labels, world.items, world.people)


def decided(two, policy=None, **changes):
    world, found = two
    needs = replace(Requirements.none(len(world.items), len(world.people)), **changes)
    return decide(found, world.labels, world.items, world.people, policy or RoutingPolicy(), needs)


def split_of(world):
    first, second = world.labels.value[0::2], world.labels.value[1::2]
    return first != second


def reasons(decisions, rows):
    return {REASONS[k] for k in np.unique(decisions.reason[rows]).tolist()}


def test_the_plain_rule_escalates_what_two_people_disagree_on(two):
    decisions = decided(two, RoutingPolicy(rule="disagreement"))
    split = split_of(two[0])[:600]
    assert ((decisions.action[:600] == ESCALATE) == split).all()
    assert reasons(decisions, np.flatnonzero(split)) == {"disagreement"}


def test_the_threshold_asks_a_third_person_and_then_an_expert(two):
    _, found = two
    low = found.confidence[:600] < 0.95
    asks = decided(two, RoutingPolicy(rule="threshold", threshold=0.95, most_labels=3))
    assert ((asks.action[:600] == ANOTHER_LABEL) == low).all()
    sends = decided(two, RoutingPolicy(rule="threshold", threshold=0.95, most_labels=2))
    assert ((sends.action[:600] == ESCALATE) == low).all()


def test_the_value_rule_spends_little_where_people_agree(two):
    decisions = decided(two)
    split = split_of(two[0])[:600]
    assert (decisions.action[:600][split] != ACCEPT).mean() > 0.95
    assert (decisions.action[:600][~split] == ACCEPT).mean() > 0.6
    dear = decided(two, RoutingPolicy(expert_cost=100))
    assert (dear.action[:600] == ESCALATE).sum() == 0
    cheap = decided(two, RoutingPolicy(expert_cost=0.5))
    assert (cheap.action[:600] == ESCALATE).sum() > 2 * (decisions.action[:600] == ESCALATE).sum() + 100


def test_every_reason_has_its_own_word(two):
    world, found = two
    agreed = np.flatnonzero(decided(two).action[:600] == ACCEPT)[:5]
    rows = np.zeros(len(world.items), dtype=bool)
    rows[agreed] = True
    nothing = np.zeros(len(world.items))
    model = np.where(rows, (found.answer + 1) % 4, -1)
    for name, changes in {
        "audit": {"audited": rows},
        "credential": {"needs_credential": rows},
        "model_conflict": {"model_value": model, "model_confidence": nothing + 0.95},
    }.items():
        decisions = decided(two, **changes)
        assert (decisions.action[agreed] == ESCALATE).all()
        assert reasons(decisions, agreed) == {name}
    assert (decided(two, model_value=model, model_confidence=nothing + 0.5).action[agreed] == ACCEPT).all()
    unsure = replace(world.labels, unsure=np.isin(world.labels.item, agreed))
    needs = Requirements.none(len(world.items), len(world.people))
    decisions = decide(found, unsure, world.items, world.people, RoutingPolicy(), needs)
    assert reasons(decisions, agreed) == {"unsure"}
    relaxed = decide(found, unsure, world.items, world.people, RoutingPolicy(unsure_labels=0), needs)
    assert (relaxed.action[agreed] == ACCEPT).all()


def test_labels_of_a_paused_person_must_be_given_again(two):
    world, _ = two
    paused = np.zeros(len(world.people), dtype=bool)
    paused[0] = True
    touched = np.unique(world.labels.item[world.labels.worker == 0])
    touched = touched[touched < 600]
    decisions = decided(two, paused=paused)
    assert (decisions.action[touched] == ANOTHER_LABEL).all()
    assert reasons(decisions, touched) == {"paused_worker"}
    assert (decisions.num_labels[touched] == 1).all()
    paused[:12] = True
    nobody = decided(two, paused=paused)
    assert (nobody.action[:600] == ESCALATE).all()


def test_gold_and_what_an_expert_decided_are_done(two):
    world, _ = two
    rows = np.arange(100)
    answers = Labels(rows, np.full(100, 12), world.truth[rows], np.full(100, -1), np.zeros(100, dtype=bool))
    labels = world.labels.joined(answers)
    found = fit(labels, world.items, world.people)
    needs = Requirements.none(len(world.items), len(world.people))
    decisions = decide(found, labels, world.items, world.people, RoutingPolicy(), needs)
    assert (decisions.action[:100] == ACCEPT).all()
    assert (decisions.action[600:] == ACCEPT).all()


def test_items_without_labels_get_their_first_ones(two):
    world, _ = two
    found = fit(Labels.none(), world.items, world.people)
    needs = Requirements.none(len(world.items), len(world.people))
    decisions = decide(found, Labels.none(), world.items, world.people, RoutingPolicy(first_labels=3), needs)
    assert (decisions.num_labels[:600] == 3).all()
    assert reasons(decisions, np.arange(600)) == {"first_labels"}


def test_items_without_labels_wait_where_everybody_is_paused(two):
    world, _ = two
    found = fit(Labels.none(), world.items, world.people)
    needs = Requirements.none(len(world.items), len(world.people))
    needs.paused[:12] = True
    decisions = decide(found, Labels.none(), world.items, world.people, RoutingPolicy(), needs)
    assert (decisions.action[:600] == ANOTHER_LABEL).all()
    assert reasons(decisions, np.arange(600)) == {"first_labels"}


def test_the_value_of_asking_is_that_of_a_tree_worked_out_by_hand():
    """Every answer of one more person, and then of an expert, enumerated for a single item."""
    joint = np.array([[[0.45, 0.2, 0.05], [0.1, 0.15, 0.05]]])
    label, expert, costs = np.array([[0.9, 0.6]]), np.array([[0.97, 0.9]]), Costs(error=50, label=1, expert=5)

    def after(belief, accuracy, value):
        chances = np.where(np.arange(3) == value, accuracy.T, (1 - accuracy.T) / 2)
        return belief * chances

    def expert_cost(belief):
        return 5 * belief.sum() + 50 * (belief.sum() - sum(after(belief, expert, v).sum(0).max() for v in range(3)))

    def accept_cost(belief):
        return 50 * (belief.sum() - belief.sum(0).max())

    def label_cost(belief, depth):
        total = belief.sum()
        for value in range(3):
            then = after(belief, label, value)
            best = min(accept_cost(then), expert_cost(then))
            total += min(best, label_cost(then, depth - 1)) if depth > 1 else best
        return total

    for left in (1, 2):
        found = costs_of_actions(joint, np.array([3]), label, expert, costs, np.array([left]))
        wanted = [accept_cost(joint[0]), label_cost(joint[0], left), expert_cost(joint[0])]
        assert found[0] == pytest.approx(wanted)
    alone = costs_of_actions(joint, np.array([3]), label, expert * np.nan, costs, np.array([0]))
    assert np.isinf(alone[0, 1:]).all()


def test_many_options_cost_what_they_cost_with_few_branches():
    spread = np.full((1, 1, 12), 0.001)
    spread[0, 0, [3, 7]] = 0.6, 0.39
    accuracies = np.array([[0.8]]), np.array([[0.95]])
    found = costs_of_actions(spread, np.array([12]), *accuracies, Costs(60, 1, 5), np.array([2]))[0]
    assert found[0] == pytest.approx(60 * (1 - 0.6))
    assert found[1] < found[2] < found[0]


def test_the_audit_depends_on_key_and_seed_only():
    keys = [f"item-{number}" for number in range(4000)]
    drawn = draw_audit(keys, 7, 0.05)
    assert 150 < drawn.sum() < 250
    assert (draw_audit(keys[::-1], 7, 0.05)[::-1] == drawn).all()
    assert (draw_audit(keys, 8, 0.05) != drawn).any()
    assert (draw_audit(keys, 7, 0.2) >= drawn).all()


def test_the_expert_is_the_best_who_is_free_and_was_not_involved():
    world = draw(num_experts=6, domains=2, seed=2)
    found = fit(world.labels, world.items, world.people)
    skill = measure_skill(found, world.labels, world.items, world.people)
    low = skill.low.copy()
    low[12:, 0] = [0.8, 0.99, 0.9, 0.99, 0.85, 0.99]
    skill = replace(skill, low=low)
    nobody = np.zeros(len(world.people), dtype=bool)
    idle = np.zeros(len(world.people), dtype=int)
    # Experts 12, 14 and 16 hold the credential of domain 0; who is better elsewhere does not matter.
    assert choose_expert(skill, world.people, 0, busy=idle, excluded=nobody) == 14
    busy = idle.copy()
    busy[14] = 10
    assert choose_expert(skill, world.people, 0, busy=busy, excluded=nobody) == 16
    involved = nobody.copy()
    involved[[14, 16]] = True
    assert choose_expert(skill, world.people, 0, busy=idle, excluded=involved) == 12
    involved[[12]] = True
    assert choose_expert(skill, world.people, 0, busy=idle, excluded=involved) == 13
    assert choose_expert(skill, world.people, 0, busy=idle, excluded=~nobody) is None


def test_who_guesses_pauses_and_the_better_half_is_better():
    world = draw(per_item=4, seed=4)
    found = fit(world.labels, world.items, world.people)
    skill = measure_skill(found, world.labels, world.items, world.people)
    paused = failing(skill, world.items, world.people, 0.35)
    assert np.flatnonzero(paused).tolist() == [11]
    chosen = better_half(skill, world.people, paused)
    assert set(np.flatnonzero(chosen).tolist()) <= set(range(8))
    assert chosen.sum() == 6


def test_a_policy_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="most_labels"):
        RoutingPolicy(first_labels=3, most_labels=2)


def test_the_same_question_has_the_same_answer(two):
    first, second = decided(two), decided(two)
    for name in ("action", "reason", "num_labels", "priority", "gain"):
        assert (getattr(first, name) == getattr(second, name)).all()
