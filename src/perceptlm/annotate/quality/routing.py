"""The one policy: what to do next about every item. The server's refit and the simulator both call `decide`.

It keeps no state: whoever calls gives all labels so far and gets, for every item, accept, another label or escalate,
with the reason. An item accepted earlier may be asked for again when its people turn out worse; only a release is
final. This module knows no database and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from perceptlm.annotate.quality.dawid_skene import Fit
from perceptlm.annotate.quality.lookahead import Costs, costs_of_actions
from perceptlm.annotate.quality.records import (
    ANNOTATOR,
    EXPERT,
    Bools,
    Floats,
    Ints,
    Items,
    Labels,
    People,
    count,
)
from perceptlm.annotate.quality.skill import Skill
from perceptlm.config import Config
from perceptlm.seeding import derive_seed

ACCEPT, ANOTHER_LABEL, ESCALATE = 0, 1, 2
REASONS = (
    "",
    "first_labels",
    "posterior",
    "disagreement",
    "unsure",
    "credential",
    "model_conflict",
    "audit",
    "paused_worker",
)
"""Why another label or an expert is asked; a decision holds the place in this list."""
_POSTERIOR, _DISAGREEMENT, _PAUSED = REASONS.index("posterior"), REASONS.index("disagreement"), 8


class RoutingPolicy(Config):
    """How labels are collected. Immutable: a project changes it by a new version.

    `rule`: "value" weighs costs two labels ahead; "threshold" asks up to `most_labels` people until the posterior
    reaches `threshold`, then an expert; "disagreement" asks an expert whenever the first labels are not all the same.
    """

    rule: Literal["value", "threshold", "disagreement"] = "value"
    first_labels: int = Field(2, ge=1)
    most_labels: int = Field(5, ge=1)
    threshold: float = Field(0.9, ge=0, le=1)
    """Below this posterior nothing is accepted; where there is nobody to ask, it waits until there is an expert."""
    error_cost: float = Field(55.0, gt=0)
    """What a wrong accepted item costs, in labels; decides how hard the rule "value" tries."""
    label_cost: float = Field(1.0, ge=0)
    expert_cost: float = Field(5.0, ge=0)
    audit_share: float = Field(0.05, ge=0, le=1)
    """Of the items that would be accepted, chosen by seed and key, an expert sees so many."""
    pause_below: float = Field(0.35, ge=0, le=1)
    """People pause whose skill is surely below this share of the way from chance to always right."""
    unsure_labels: int = Field(1, ge=0)
    """So many labels marked unsure escalate an item; 0: the mark escalates nothing."""
    model_conflict: float = Field(0.9, ge=0, le=1)
    """A model at least so confident that contradicts people who agree escalates an item; 1: never."""
    extra_labels_from: Literal["anyone", "better_half"] = "better_half"
    """Who is asked beyond the first labels: anyone, or annotators whose skill's lower bound is not below the median."""

    @model_validator(mode="after")
    def _in_order(self) -> RoutingPolicy:
        if self.most_labels < self.first_labels:
            raise ValueError(f"most_labels ({self.most_labels}) must not be below first_labels ({self.first_labels})")
        return self


@dataclass(frozen=True)
class Requirements:
    """What is asked of items besides good labels, and who may work. Items (I), workers (W)."""

    needs_credential: Bools
    audited: Bools
    """Drawn for the random audit; see `draw_audit`."""
    model_value: Ints
    """What a model proposed, -1 for nothing."""
    model_confidence: Floats
    paused: Bools
    asked: Bools
    """Who is asked for labels beyond the first ones; see `better_half`."""

    @classmethod
    def none(cls, num_items: int, num_workers: int) -> Requirements:
        """Return requirements that ask for nothing."""
        no = np.zeros(num_items, dtype=np.bool_)
        return cls(
            no,
            no,
            np.full(num_items, -1),
            np.zeros(num_items),
            np.zeros(num_workers, dtype=np.bool_),
            np.ones(num_workers, dtype=np.bool_),
        )


@dataclass(frozen=True)
class Decisions:
    """Per item (I): what to do, why (a place in REASONS), how many labels are missing, and the queue's order."""

    action: Ints
    reason: Ints
    num_labels: Ints
    """How many more labels to ask for now: 0 unless the action is ANOTHER_LABEL."""
    priority: Floats
    """(1 - posterior) over the expert's cost: experts see the highest first."""
    gain: Floats
    """What the action is expected to save beside accepting now; 0 where a rule decided."""


def draw_audit(keys: Sequence[str | int], seed: int, share: float) -> Bools:
    """Return which items are audited (I): by seed and key alone, so that no order and no label changes it."""
    return np.array([derive_seed(seed, "annotation-audit", key) < share * 2.0**63 for key in keys], dtype=np.bool_)


def decide(
    fit: Fit, labels: Labels, items: Items, people: People, policy: RoutingPolicy, requirements: Requirements
) -> Decisions:
    """Return what to do next about every item. Items whose value is known are accepted."""
    number = len(items)
    role, paused = people.role[labels.worker], requirements.paused[labels.worker]
    crowd = role == ANNOTATOR
    given = count(labels.item[crowd], number).astype(np.int64)
    useful = count(labels.item[crowd & ~paused], number).astype(np.int64)
    fresh = int(((people.role == ANNOTATOR) & ~requirements.paused).sum()) - useful
    expert_seen = count(labels.item[role == EXPERT], number) > 0
    left = np.clip(policy.most_labels - useful, 0, np.maximum(fresh, 0))
    action, reason, gain = _by_rule(fit, labels.take(crowd & ~paused), items, people, policy, requirements, left)
    unsure = count(labels.item, number, (labels.unsure & crowd).astype(np.float64)) >= max(policy.unsure_labels, 1)
    conflict = (
        (requirements.model_value >= 0)
        & (requirements.model_confidence >= policy.model_conflict)
        & (policy.model_conflict < 1)
        & (requirements.model_value != fit.answer)
    )
    # In rising order of weight: the last that applies wins.
    _escalate(action, reason, (action == ACCEPT) & requirements.audited, "audit")
    _escalate(action, reason, (action == ACCEPT) & conflict, "model_conflict")
    missing = useful < policy.first_labels
    action[missing] = ANOTHER_LABEL
    reason[missing] = np.where(given[missing] > useful[missing], _PAUSED, REASONS.index("first_labels"))
    # Too few labels are from people who still work, and there is nobody left to ask, or enough was paid for. What
    # nobody has answered waits: all may be paused by mistake, and experts are not given the whole project for it.
    nobody = missing & (given > 0) & ((fresh <= 0) | (given >= policy.most_labels + policy.first_labels))
    _escalate(action, reason, nobody, "paused_worker")
    _escalate(action, reason, unsure & (policy.unsure_labels > 0), "unsure")
    _escalate(action, reason, requirements.needs_credential, "credential")
    done = expert_seen | (items.known >= 0)
    action[done], reason[done], gain[done] = ACCEPT, 0, 0.0
    gain[(reason != _POSTERIOR) & (reason != _DISAGREEMENT)] = 0.0
    wanted = np.where(action == ANOTHER_LABEL, np.clip(policy.first_labels - useful, 1, np.maximum(fresh, 1)), 0)
    return Decisions(action, reason, wanted, (1 - fit.confidence) / max(policy.expert_cost, 1e-9), gain)


def _escalate(action: Ints, reason: Ints, where: Bools, name: str) -> None:
    action[where], reason[where] = ESCALATE, REASONS.index(name)


def _by_rule(
    fit: Fit,
    labels: Labels,
    items: Items,
    people: People,
    policy: RoutingPolicy,
    requirements: Requirements,
    left: Ints,
) -> tuple[Ints, Ints, Floats]:
    """Return action, reason and gain by posterior and agreement alone.

    `labels` are those of people who still work; `left` (I) is how many more may be asked for.
    """
    number = len(items)
    most = np.zeros((number, fit.joint.shape[2]))
    np.add.at(most, (labels.item, labels.value), 1)
    split = most.max(axis=1, initial=0) < most.sum(axis=1)
    reason = np.where(split, _DISAGREEMENT, _POSTERIOR)
    gain = np.zeros(number)
    low = fit.confidence < policy.threshold
    if policy.rule == "disagreement":
        action = np.where(split, ESCALATE, ACCEPT)
    elif policy.rule == "threshold":
        action = np.where(low, np.where(left > 0, ANOTHER_LABEL, ESCALATE), ACCEPT)
    else:
        costs = Costs(policy.error_cost, policy.label_cost, policy.expert_cost)
        now = policy.error_cost * (1 - fit.confidence)
        # Where being wrong costs less than any help, there is nothing to weigh.
        open_ = np.flatnonzero((low | (now > min(policy.label_cost, policy.expert_cost))) & (items.known < 0))
        action = np.full(number, ACCEPT)
        crowd, experts = (_mean_accuracy(fit, items, who)[open_] for who in _askable(people, requirements))
        found = costs_of_actions(fit.joint[open_], items.num_options[open_], crowd, experts, costs, left[open_])
        found[low[open_], 0] = np.inf
        nobody = ~np.isfinite(found).any(axis=1)
        action[open_] = np.where(nobody, ESCALATE, found.argmin(axis=1))
        gain[open_] = np.maximum(now[open_] - found.min(axis=1), 0)
    return action.astype(np.int64), np.where(action == ACCEPT, 0, reason), gain


def _askable(people: People, requirements: Requirements) -> tuple[Bools, Bools]:
    """Return who may give another label, and who may decide as an expert, by domain (2 times W, D)."""
    works = ~requirements.paused
    asked = requirements.asked & (people.role == ANNOTATOR)
    crowd: Bools = np.repeat((works & asked)[:, None], people.own.shape[1], axis=1)
    experts: Bools = works[:, None] & (people.role == EXPERT)[:, None]
    at_home = experts & people.own
    # Where nobody has the credential, any expert is better than none.
    return crowd, at_home | (experts & ~at_home.any(axis=0))


def _mean_accuracy(fit: Fit, items: Items, who: Bools) -> Floats:
    """Return the mean accuracy of `who` (W, D) on the items' domains (I, H); not a number where there is nobody."""
    number = who.sum(axis=0)
    total = np.where(who[:, :, None], fit.accuracy.mean, 0).sum(axis=0)
    mean = np.where(number[:, None] > 0, total / np.maximum(number, 1)[:, None], np.nan)
    return np.asarray(mean[items.domain])


def choose_expert(
    skill: Skill, people: People, domain: int, *, busy: Ints, excluded: Bools, slack: float = 1.25
) -> int | None:
    """Return the expert to ask about an item of `domain`, or None if there is nobody.

    Those with a valid credential come first; among them, leaving out who already has more than `slack` times the mean
    work in `busy` (W) and who is `excluded` (W; was involved before, or is paused), the highest lower bound of skill in
    the domain wins, then the least work.
    """
    experts = (people.role == EXPERT) & ~excluded
    at_home = experts & people.own[:, domain]
    pool = np.flatnonzero(at_home if at_home.any() else experts)
    if not len(pool):
        return None
    free = pool[busy[pool] <= slack * busy[pool].mean()]
    low = np.round(skill.low[free, domain], 6)
    return int(free[np.lexsort((free, busy[free], -low))[0]])


def better_half(skill: Skill, people: People, paused: Bools) -> Bools:
    """Return the annotators (W) whose lower bound of skill is not below the median of those who work."""
    crowd: Bools = (people.role == ANNOTATOR) & ~paused
    if not crowd.any():
        return crowd
    middle = float(np.median(skill.overall_low[crowd]))
    return crowd & (skill.overall_low >= middle)
