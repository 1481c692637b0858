"""A desk in memory: it hands out work as the service does, by lanes, cursors and the quality engine's decisions.

What `services.queue`, `services.leases`, `fgqa.flow` and `services.refit` do to a `choice` step, without a database:
the tests compare the two answer by answer. This module looks at the truth only through the people's answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from perceptlm.annotate.quality.assess import Assessment, Wishes, assess
from perceptlm.annotate.quality.dawid_skene import FitConfig
from perceptlm.annotate.quality.records import EXPERT, Bools, Floats, Labels
from perceptlm.annotate.quality.routing import ACCEPT, ANOTHER_LABEL, ESCALATE, RoutingPolicy, choose_expert, draw_audit
from perceptlm.annotate.quality.turns import GoldRule, gold_start, is_gold_turn
from perceptlm.annotate.simulate.people import Crowd

_ANYONE, _BETTER = 0, 1


class Lane:
    """Items with a free label, in the order in which they came to stand here; each person goes through it once."""

    def __init__(self, num_people: int) -> None:
        self._items: list[int] = []
        self._cursors = [0] * num_people
        self._place: dict[int, int] = {}

    def __contains__(self, item: int) -> bool:
        return item in self._place

    def put(self, item: int) -> None:
        """Let `item` stand at the end."""
        self._place[item] = len(self._items)
        self._items.append(item)

    def drop(self, item: int) -> None:
        """Take `item` out."""
        self._place.pop(item, None)

    def first_for(self, person: int, done: set[int]) -> int | None:
        """Return the first item that stands here and is not in `done`; what lies before it is never asked again."""
        place = self._cursors[person]
        while place < len(self._items):
            item = self._items[place]
            if self._place.get(item) == place and item not in done:
                self._cursors[person] = place
                return item
            place += 1
        self._cursors[person] = place
        return None


@dataclass
class _Given:
    """Answers that are not yet worked out."""

    worker: list[int]
    item: list[int]
    before: list[int]


class MemoryDesk:
    """The work of one project. `labels` are all answers up to the last refit; `fitted` these and a model's proposals,
    which it read, and `last` what it found."""

    def __init__(
        self,
        crowd: Crowd,
        policy: RoutingPolicy,
        *,
        config: FitConfig | None = None,
        true_difficulty: bool = False,
        uses_gold: bool = True,
    ) -> None:
        self.crowd, self.policy = crowd, policy
        self.labels = Labels.none()
        self.fitted = self.labels
        self.last: Assessment | None = None
        self.reason = np.zeros(len(crowd.truth), dtype=np.int64)
        self.crowd_answer = np.full(len(crowd.truth), -1, dtype=np.int64)
        self._config = config
        self._known_class = crowd.hard.astype(np.int64) if true_difficulty else None
        self._items, number = crowd.items(), len(crowd.people)
        gold = crowd.scenario.gold
        self._gold = GoldRule(gold.num_first(), gold.rate, gold.per_worker if uses_gold else 0)
        self._lanes = (Lane(number), Lane(number))
        self._free = [policy.first_labels] * crowd.num_items
        for item in range(crowd.num_items):
            self._lanes[_ANYONE].put(item)
        self._done: list[set[int]] = [set() for _ in range(number)]
        self._people_of: dict[int, list[int]] = {}
        self._num_given, self._num_gold = [0] * number, [0] * number
        self._waiting: list[deque[int]] = [deque() for _ in range(number)]
        self._at_expert = np.zeros(crowd.num_items, dtype=np.bool_)
        # Items for which an expert was wanted and nobody was there: they wait, with reason and answer of that time.
        self._stuck: dict[int, tuple[int, int]] = {}
        self._given = _Given([], [], [])
        self._paused: Bools = np.zeros(number, dtype=np.bool_)
        self._better: Bools = np.zeros(number, dtype=np.bool_)
        self._flagged: Bools = np.zeros(number, dtype=np.bool_)
        self._wishes = self._draw_wishes()

    def _draw_wishes(self) -> Wishes:
        crowd, number = self.crowd, len(self.crowd.truth)
        nothing, model = Wishes.none(number), crowd.scenario.model
        audited = nothing.audited.copy()
        keys = [f"{crowd.project}/{crowd.key(item)}" for item in range(crowd.num_items)]
        audited[: crowd.num_items] = draw_audit(keys, 0, self.policy.audit_share)
        confidence: Floats = np.full(number, 0.0 if model is None else model.confidence)
        return Wishes(nothing.needs_credential, audited, crowd.proposal, confidence)

    def work(self, person: int) -> bool:
        """Let `person` do the next piece of work; False if there is none for them."""
        if self._paused[person]:
            return False
        if self.crowd.people.role[person] == EXPERT:
            if not self._waiting[person]:
                return False
            self._take(person, self._waiting[person].popleft())
            return True
        item = self._gold_for(person)
        if item is not None:
            self._num_gold[person] += 1
        else:
            item = self._label_for(person)
        if item is None:
            return False
        self._take(person, item)
        return True

    def _take(self, person: int, item: int) -> None:
        self._given.worker.append(person)
        self._given.item.append(item)
        self._given.before.append(self._num_given[person])
        self._num_given[person] += 1
        self._done[person].add(item)
        self._people_of.setdefault(item, []).append(person)

    def _gold_for(self, person: int) -> int | None:
        first, size = self.crowd.num_items, len(self.crowd.truth) - self.crowd.num_items
        name, num_gold = self.crowd.name(person), self._num_gold[person]
        if not size or not is_gold_turn(self._gold, self.crowd.project, name, num_gold, self._num_given[person]):
            return None
        start = gold_start(self.crowd.project, name, num_gold, size)
        places = (first + (start + step) % size for step in range(size))
        return next((item for item in places if item not in self._done[person]), None)

    def _label_for(self, person: int) -> int | None:
        for place in (_BETTER, _ANYONE) if self._better[person] else (_ANYONE,):
            item = self._lanes[place].first_for(person, self._done[person])
            if item is not None:
                self._free[item] -= 1
                if not self._free[item]:
                    self._lanes[place].drop(item)
                return item
        return None

    def refit(self) -> None:
        """Run the quality engine over what was given, and do what it decides."""
        self._work_out()
        self.fitted = self._labels_with_proposals()
        found = assess(
            self.fitted,
            self._items,
            self.crowd.people,
            self.policy,
            self._wishes,
            flagged=self._flagged,
            config=self._config,
            known_class=self._known_class,
        )
        self.last, self._flagged = found, found.flagged
        self._paused, self._better = found.paused, found.better
        self._open_labels(found)
        self._ask_experts(found)

    def _work_out(self) -> None:
        """Let people answer what they have taken. In mode blind_first the service knows of nothing in sight."""
        worker, item, before = (
            np.array(column, dtype=np.int64) for column in (self._given.worker, self._given.item, self._given.before)
        )
        self._given = _Given([], [], [])
        seen = self.crowd.sees(worker, item)
        given = self.crowd.answer(worker, item, shown=seen, num_before=before)
        told = seen if self.crowd.scenario.mode == "verify" else np.full(len(item), -1)
        self.labels = self.labels.joined(Labels(item, worker, given.value, told, given.unsure))

    def _labels_with_proposals(self) -> Labels:
        """Return all labels, before them those of the model on items that somebody has answered, if they count."""
        crowd = self.crowd
        if crowd.model is None or not crowd.scenario.proposals_count():
            return self.labels
        item = np.unique(self.labels.item)
        item = item[~crowd.planted[item]]
        blind, sure = np.full(len(item), -1), np.zeros(len(item), dtype=np.bool_)
        proposed = Labels(item, np.full(len(item), crowd.model), crowd.proposal[item], blind, sure)
        return proposed.joined(self.labels)

    def _open_labels(self, found: Assessment) -> None:
        number = self.crowd.num_items
        decisions = found.decisions
        wanted = np.where(decisions.action == ANOTHER_LABEL, decisions.num_labels, 0)[:number]
        wanted[self._at_expert] = 0
        wanted[list(self._stuck)] = 0
        free = np.array(self._free)
        for item in np.flatnonzero((wanted > 0) | (free > 0)).tolist():
            self._free[item] = int(wanted[item])
            lane = _BETTER if found.waits_for_better[item] else _ANYONE
            self._lanes[1 - lane].drop(item)
            if not self._free[item]:
                self._lanes[lane].drop(item)
            elif item not in self._lanes[lane]:
                self._lanes[lane].put(item)

    def _ask_experts(self, found: Assessment) -> None:
        """Give escalated items to experts, those first where it may help most."""
        people, decisions = self.crowd.people, found.decisions
        number = self.crowd.num_items
        wanted = decisions.action[:number] == ESCALATE
        wanted[list(self._stuck)] = True
        due = np.flatnonzero(wanted & ~self._at_expert)
        busy = np.array([given + len(wait) for given, wait in zip(self._num_given, self._waiting, strict=True)])
        for item in due[np.argsort(-decisions.priority[due], kind="stable")].tolist():
            domain = int(self._items.domain[item])
            excluded = found.paused | ~people.own[:, domain]
            excluded[self._people_of.get(item, [])] = True
            chosen = choose_expert(found.skill, people, domain, busy=busy, excluded=excluded)
            asked = self._stuck.get(item, (int(decisions.reason[item]), int(found.fit.answer[item])))
            if chosen is None:
                self._stuck[item] = asked
                continue
            self._stuck.pop(item, None)
            busy[chosen] += 1
            self._waiting[chosen].append(item)
            self._at_expert[item] = True
            self.reason[item], self.crowd_answer[item] = asked

    def num_unfinished(self) -> int:
        """Return for how many items the policy wanted somebody who was not there."""
        assert self.last is not None
        wanted = self.last.decisions.action[: self.crowd.num_items] != ACCEPT
        wanted[list(self._stuck)] = True
        return int(wanted.sum())
