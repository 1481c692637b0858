"""How a simulated person answers: drawn from a scenario and a seed, the same whoever asks and in whatever order.

A person's answer to an item depends on the person, the item, what is shown and how many labels the person has given,
and on nothing else: so the simulator in memory and the one over HTTP meet the same people. This module knows no policy
and no service; it holds the truth, which nobody else here may look at before the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, MODEL, Bools, Floats, Ints, Items, People
from perceptlm.annotate.simulate.scenario import Scenario
from perceptlm.seeding import generator


@dataclass(frozen=True)
class Answers:
    """Answers to several questions at once (n): values, marks of being unsure, and whether the answer was a copy."""

    value: Ints
    unsure: Bools
    copied: Bools


@dataclass(frozen=True)
class Crowd:
    """Items with their truth, and people. The last `num_gold` items are the gold pool; the last person is the model."""

    scenario: Scenario
    seed: int
    truth: Ints
    hard: Bools
    domain: Ints
    proposal: Ints
    """(I): what the model proposes; on some gold a planted wrong value. -1 without a model."""
    planted: Bools
    """(I): the proposal was planted: it is not the model's."""
    group: Ints
    """(W): place of an annotator's group in the scenario, -1 for experts and the model."""
    people: People
    copies: Floats
    """(W): how often the person answers what is shown."""
    accuracy: Floats
    """(W, D, 2): probability of a right answer when fresh, on easy and on hard items."""
    unsure: Floats
    """(W, 2)"""
    fatigue: Floats
    """(W): accuracy lost per label."""

    @property
    def num_items(self) -> int:
        """Items to be labelled, gold not counted."""
        return self.scenario.items.count

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1 / self.scenario.items.options

    @property
    def project(self) -> str:
        """The name of the project in which these people work: draws of audit and gold hang on it."""
        return f"simulated-{self.seed}"

    def name(self, worker: int) -> str:
        """Return the name under which a person signs in."""
        return f"person-{worker:05d}"

    def key(self, item: int) -> str:
        """Return the key of an item; keys sort as items do."""
        return f"item-{item:07d}" if item < self.num_items else f"known-{item - self.num_items:07d}"

    @property
    def model(self) -> int | None:
        """The model's number among the people, or None."""
        found = np.flatnonzero(self.people.role == MODEL)
        return int(found[0]) if len(found) else None

    def items(self) -> Items:
        """Return what may be known of the items: not their truth, but that of gold, and not whether they are hard."""
        known = np.full(len(self.truth), -1, dtype=np.int64)
        known[self.num_items :] = self.truth[self.num_items :]
        return Items(
            num_options=np.full(len(self.truth), self.scenario.items.options, dtype=np.int64),
            domain=self.domain,
            known=known,
            num_domains=len(self.scenario.items.domains),
        )

    @cached_property
    def _draws(self) -> dict[int, Floats]:
        return {}

    def _draws_of(self, worker: int) -> Floats:
        """Return the person's draws per item (5, I): right?, which wrong one, copies?, unsure?, sees it by a leak?"""
        if worker not in self._draws:
            random = generator(self.seed, "simulated-answers", worker)
            self._draws[worker] = random.random((5, len(self.truth)), dtype=np.float32).astype(np.float64)
        return self._draws[worker]

    def sees(self, worker: Ints, item: Ints) -> Ints:
        """Return the proposal that each `worker` has in sight while answering `item` (n each), -1 for none.

        In mode verify annotators are shown it; in mode blind_first it may leak to them, unknown to the service.
        """
        proposal = np.where(self.people.role[worker] == ANNOTATOR, self.proposal[item], -1)
        if self.scenario.mode == "verify" or not self.scenario.anchoring.leak:
            return proposal if self.scenario.mode == "verify" else np.full(len(item), -1)
        leaks = self._drawn(worker, item)[4] < self.scenario.anchoring.leak
        return np.where(leaks, proposal, -1)

    def _drawn(self, worker: Ints, item: Ints) -> Floats:
        draws = np.empty((5, len(worker)))
        for person in np.unique(worker).tolist():
            rows = worker == person
            draws[:, rows] = self._draws_of(person)[:, item[rows]]
        return draws

    def answer(self, worker: Ints, item: Ints, *, shown: Ints, num_before: Ints) -> Answers:
        """Return the answers of `worker` to `item` (n each), seeing `shown` (-1: nothing) after `num_before` labels."""
        draws = self._drawn(worker, item)
        hard = self.hard[item].astype(np.int64)
        tired = self.accuracy[worker, self.domain[item], hard] - self.fatigue[worker] * num_before
        chance = np.minimum(self.chance, self.accuracy[worker, self.domain[item], hard])
        right = draws[0] < np.maximum(tired, chance)
        options = self.scenario.items.options
        wrong = (self.truth[item] + 1 + (draws[1] * (options - 1)).astype(np.int64)) % options
        own = np.where(right, self.truth[item], wrong)
        copied = (shown >= 0) & (draws[2] < self.copies[worker])
        return Answers(np.where(copied, shown, own), draws[3] < self.unsure[worker, hard], copied)

    def true_skill(self) -> Floats:
        """Return the accuracy of everyone on the items as they are (W), fresh and without copying."""
        number = self.num_items
        cells = np.bincount(self.domain[:number] * 2 + self.hard[:number], minlength=self.accuracy[0].size)
        return np.asarray((self.accuracy.reshape(len(self.accuracy), -1) * cells).sum(axis=1) / number)


def draw_crowd(scenario: Scenario, seed: int) -> Crowd:
    """Draw items and people of `scenario`; the same scenario and seed give the same crowd."""
    random = generator(seed, "simulated-items")
    plan, number = scenario.items, scenario.items.count + scenario.gold.size()
    domain = random.integers(len(plan.domains), size=number)
    hard = random.random(number) < np.array(plan.hard_shares())[domain]
    truth = random.integers(plan.options, size=number)
    proposal, planted = np.full(number, -1, dtype=np.int64), np.zeros(number, dtype=np.bool_)
    if scenario.model is not None:
        right = random.random(number) < np.where(hard, scenario.model.hard, scenario.model.easy)
        wrong = (truth + random.integers(1, plan.options, size=number)) % plan.options
        planted[plan.count :] = random.random(number - plan.count) < scenario.planted_wrong_share
        proposal = np.where(right & ~planted, truth, wrong)
    group = np.repeat(np.arange(len(scenario.annotators)), scenario.group_sizes())
    num_experts = scenario.experts.per_domain * len(plan.domains)
    num_workers = len(group) + num_experts + (scenario.model is not None)
    role = np.full(num_workers, EXPERT, dtype=np.int64)
    role[: len(group)] = ANNOTATOR
    role[len(group) + num_experts :] = MODEL
    own = np.zeros((num_workers, len(plan.domains)), dtype=np.bool_)
    own[len(group) + np.arange(num_experts), np.arange(num_experts) % len(plan.domains)] = True
    accuracy, unsure, fatigue = _habits(scenario, group, own)
    copies = np.zeros(num_workers)
    copiers = random.permutation(len(group))[: round(scenario.anchoring.share * len(group))]
    copies[copiers] = scenario.anchoring.rate
    return Crowd(
        scenario=scenario,
        seed=seed,
        truth=truth,
        hard=hard,
        domain=domain,
        proposal=proposal,
        planted=planted,
        group=np.concatenate([group, np.full(num_workers - len(group), -1)]),
        people=People(role, own),
        copies=copies,
        accuracy=accuracy,
        unsure=unsure,
        fatigue=fatigue,
    )


def _habits(scenario: Scenario, group: Ints, own: Bools) -> tuple[Floats, Floats, Floats]:
    """Return accuracy (W, D, 2), how often unsure (W, 2) and fatigue per label (W)."""
    num_workers, num_domains = own.shape
    experts, model = scenario.experts, scenario.model
    at_home = np.array([experts.easy, experts.hard])
    outside = np.array([experts.easy if experts.easy_outside is None else experts.easy_outside, experts.hard_outside])
    accuracy = np.where(own[:, :, None], at_home, outside)
    unsure, fatigue = np.zeros((num_workers, 2)), np.zeros(num_workers)
    for place, plan in enumerate(scenario.annotators):
        rows = np.flatnonzero(group == place)
        added = np.array([plan.by_domain.get(name, 0.0) for name in scenario.items.domains])
        accuracy[rows] = np.clip(np.array([plan.easy, plan.hard]) + added[:, None], 0, 1)
        unsure[rows] = plan.unsure_easy, plan.unsure_hard
        fatigue[rows] = plan.fatigue_per_100 / 100
    if model is not None:
        accuracy[-1] = np.broadcast_to([model.easy, model.hard], (num_domains, 2))
    return accuracy, unsure, fatigue
