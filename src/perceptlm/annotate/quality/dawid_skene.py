"""Who is right: one-coin Dawid-Skene with gold, where the difficulty of every item is a hidden class.

A person answers an item of domain d and class h rightly with a probability of their own, else picks any wrong option.
Items are easy or hard; nobody says which: expectation and maximisation estimate it from who agrees with whom. Gold is
an item whose value is known, so gold answers count for accuracies exactly as the others do, with certainty. A label
given with a proposal in sight is a copy of it with the person's copy rate, else an answer of their own. Sources: Dawid
and Skene (1979); docs/annotation-quality.md has the formulas. This module knows no routing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from perceptlm.annotate.quality.records import Bools, Floats, Ints, Items, Labels, People, check_labels, count
from perceptlm.annotate.quality.strata import Accuracy, kinds, shrink
from perceptlm.config import Config
from perceptlm.errors import DataError

_HARD_AT_FIRST, _ITEMS_BEHIND_HARD, _ITEMS_BEHIND_DOMAIN = 0.25, 20.0, 60.0
_COPIES_AT_FIRST, _LABELS_BEHIND_COPIES = 0.05, 10.0
_NEVER = -1e9
_LONGEST = 32.0
_SHARES_SETTLED = 2e-3


class FitConfig(Config):
    """How to fit. `num_classes` 1 leaves difficulty out. `shared_values`: options mean the same on every item, as
    verdicts do, and some are more common; without it every option of an item is as likely at first."""

    num_classes: int = Field(2, ge=1, le=2)
    max_iterations: int = Field(60, ge=1)
    tolerance: float = Field(1e-3, gt=0)
    shared_values: bool = False


@dataclass(frozen=True)
class Fit:
    """What the labels say. Shapes: I items, V most options, H classes, W workers, D domains."""

    joint: Floats
    """(I, H, V): probability of class and value together; sums to 1 per item."""
    accuracy: Accuracy
    """(W, D, H)"""
    class_share: Floats
    """(D, H): how many items of a domain are of a class."""
    copy_rate: Floats
    """(W): how often a proposal in sight is copied without a look; the prior where none was in sight."""
    label_odds: Floats
    """(n, H): log odds that each label adds to its own value, given the class."""
    num_iterations: int
    converged: bool

    @property
    def posterior(self) -> Floats:
        """(I, V): probability of each value."""
        return np.asarray(self.joint.sum(axis=1))

    @property
    def answer(self) -> Ints:
        """(I): the most probable value; the lowest of equals."""
        return np.asarray(self.posterior.argmax(axis=1))

    @property
    def confidence(self) -> Floats:
        """(I): the probability of `answer`."""
        return np.asarray(self.posterior.max(axis=1))


@dataclass(frozen=True)
class _Problem:
    labels: Labels
    items: Items
    kind: Ints
    cell: Ints
    copied: Floats
    """(n, 1): 1 where the label equals what was shown."""
    refused: Bools
    """(n): a proposal was in sight, and the label is another."""
    others: Floats
    """(n, 1): how many wrong options there were."""
    allowed: Floats
    """(I, H, V): 0 where possible, a very low number where not."""
    evident: Floats
    """(I): whether anything is known of the item."""
    size: int
    chance: float


def fit(
    labels: Labels,
    items: Items,
    people: People,
    config: FitConfig | None = None,
    *,
    known_class: Ints | None = None,
    start: Fit | None = None,
) -> Fit:
    """Return the posterior of every item and the accuracy of every worker.

    `known_class` (I, -1 where not known) fixes the class of items: for experiments with true difficulty, and for items
    whose difficulty somebody stated. `start` is an earlier fit of the same items and people, to begin from. The same
    input gives the same bytes. Raises DataError for labels that do not fit the items.
    """
    config = config or FitConfig()
    check_labels(labels, items, people)
    problem = _prepare(labels, items, people, config, known_class)
    state = _begin(problem, people, config, start)
    joint, _, _ = _expect(problem, state)
    converged, number = False, 0
    while not converged and number < config.max_iterations:
        # Two plain steps, one long one in their direction, and a plain one from there (SQUAREM; Varadhan and Roland
        # 2008): alone, plain steps creep along the ridge between few very hard items and many less hard ones.
        first = _step(problem, joint, state, config)
        joint, _, before = _expect(problem, first)
        second = _step(problem, joint, first, config)
        far = _extrapolate(state, first, second)
        joint, _, reached = _expect(problem, far)
        if reached < before - 1:
            far = second
            joint, _, _ = _expect(problem, far)
        new = _step(problem, joint, far, config)
        now, odds, _ = _expect(problem, new)
        change = max(np.abs(now - joint).max(initial=0), np.abs(new.share - far.share).max(initial=0))
        number += 3
        converged = bool(change < config.tolerance and np.abs(new.share - first.share).max() < _SHARES_SETTLED)
        state, joint = new, now
    return Fit(joint, state.accuracy, state.share, state.copies, odds, number, converged)


def believe(found: Fit, labels: Labels, items: Items, people: People) -> Fit:
    """Return what other labels of the same people say, of whatever items, with everything else as it was found.

    Not for values that are shared by all items: how common each is is no part of what was found.
    """
    check_labels(labels, items, people)
    config = FitConfig(num_classes=found.class_share.shape[1])
    problem = _prepare(labels, items, people, config, None)
    state = _State(found.accuracy, found.class_share, found.copy_rate, np.zeros(problem.size))
    joint, odds, _ = _expect(problem, state)
    return replace(found, joint=joint, label_odds=odds)


@dataclass(frozen=True)
class _State:
    """What is estimated: accuracies, shares of classes (D, H), copy rates (W), log weights of values (V)."""

    accuracy: Accuracy
    share: Floats
    copies: Floats
    values: Floats


def _begin(problem: _Problem, people: People, config: FitConfig, start: Fit | None) -> _State:
    num_workers, num_domains = people.own.shape
    values = np.zeros(problem.size)
    if start is not None and start.accuracy.mean.shape == (num_workers, num_domains, config.num_classes):
        return _State(start.accuracy, start.class_share, start.copy_rate, values)
    nothing = np.zeros((num_workers, num_domains, config.num_classes))
    accuracy = shrink(nothing, nothing, problem.kind, problem.chance)
    share = np.tile(_first_share(config.num_classes), (num_domains, 1))
    return _State(accuracy, share, _copies_of_gold(problem, num_workers), values)


def _step(problem: _Problem, joint: Floats, state: _State, config: FitConfig) -> _State:
    accuracy, copies = _people(problem, joint, state.accuracy.mean, state.copies)
    values = state.values
    if config.shared_values:
        values = np.log(joint[problem.evident > 0].sum((0, 1)) + 1)
    return _State(accuracy, _shares(problem, joint), copies, values)


def _extrapolate(start: _State, first: _State, second: _State) -> _State:
    """Return the state far ahead in the direction of two steps, on the scale of log odds."""
    parts = [(s.accuracy.mean, s.share, s.copies) for s in (start, first, second)]
    zero, one, two = (np.concatenate([_log_odds(part).ravel() for part in three]) for three in parts)
    step, bend = one - zero, two - 2 * one + zero
    length = float(np.sqrt((step @ step) / max(float(bend @ bend), 1e-12)))
    length = min(max(length, 1.0), _LONGEST)
    ahead = 1 / (1 + np.exp(-(zero + 2 * length * step + length**2 * bend)))
    mean, share = start.accuracy.mean, start.share
    cut = [mean.size, mean.size + share.size]
    accuracy, shares, copies = np.split(ahead, cut)
    shares = shares.reshape(share.shape)
    shares /= shares.sum(axis=1, keepdims=True)
    moved = Accuracy(np.clip(accuracy.reshape(mean.shape), 0.002, 0.998), second.accuracy.variance)
    return _State(moved, shares, np.minimum(copies, 0.99), second.values)


def _log_odds(share: Floats) -> Floats:
    inside = np.clip(share, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def _prepare(labels: Labels, items: Items, people: People, config: FitConfig, known_class: Ints | None) -> _Problem:
    size = int(items.num_options.max(initial=2))
    allowed = np.zeros((len(items), config.num_classes, size))
    value = np.arange(size)
    allowed += np.where(value < items.num_options[:, None], 0, _NEVER)[:, None, :]
    gold = items.known >= 0
    allowed[gold] += np.where(value == items.known[gold, None], 0, _NEVER)[:, None, :]
    if known_class is not None:
        if known_class.shape != (len(items),) or known_class.max(initial=-1) >= config.num_classes:
            raise DataError(f"known_class needs one class below {config.num_classes}, or -1, per item")
        told = known_class >= 0
        wrong = np.arange(config.num_classes) != known_class[told, None]
        allowed[told] += np.where(wrong, _NEVER, 0)[:, :, None]
    others = (items.num_options[labels.item] - 1).astype(np.float64)[:, None]
    return _Problem(
        labels=labels,
        items=items,
        kind=kinds(people),
        cell=labels.worker * items.num_domains + items.domain[labels.item],
        copied=((labels.shown >= 0) & (labels.shown == labels.value)).astype(np.float64)[:, None],
        refused=(labels.shown >= 0) & (labels.shown != labels.value),
        others=others,
        allowed=allowed,
        evident=(count(labels.item, len(items)) > 0).astype(np.float64),
        size=size,
        chance=float((1 / items.num_options).mean()) if len(items) else 0.5,
    )


def _copies_of_gold(problem: _Problem, num_workers: int) -> Floats:
    """Return copy rates to begin with: how often wrong proposals on gold were answered."""
    labels = problem.labels
    right = problem.items.known[labels.item]
    wrong = ((labels.shown >= 0) & (right >= 0) & (right != labels.shown)).astype(np.float64)
    seen, taken = (count(labels.worker, num_workers, part) for part in (wrong, wrong * problem.copied[:, 0]))
    return (taken + _COPIES_AT_FIRST * _LABELS_BEHIND_COPIES) / (seen + _LABELS_BEHIND_COPIES)


def _first_share(num_classes: int) -> Floats:
    return np.array([1 - _HARD_AT_FIRST, _HARD_AT_FIRST]) if num_classes == 2 else np.ones(1)


def _chances(problem: _Problem, accuracy: Floats, copies: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return, per label and class (n, H), the probability of it if its value is right, and if another is; then the
    probability that the label was the person's own in either case."""
    flat = accuracy.reshape(-1, accuracy.shape[2])[problem.cell]
    wrong = (1 - flat) / problem.others
    rate = copies[problem.labels.worker][:, None] * problem.copied
    own = 1 - rate
    # A label other than what was shown is surely the person's own; its factor 1 - rate is the same for every value.
    hit, miss = rate + own * flat, rate + own * wrong
    return hit, miss, own * flat / hit, own * wrong / miss


def _expect(problem: _Problem, state: _State) -> tuple[Floats, Floats, float]:
    """Return the joint posterior (I, H, V), each label's log odds (n, H), and the log likelihood."""
    hit, miss, _, _ = _chances(problem, state.accuracy.mean, state.copies)
    lost, gained = np.log(miss), np.log(hit) - np.log(miss)
    item, value = problem.labels.item, problem.labels.value
    num_items, num_classes = problem.allowed.shape[:2]
    weights = state.values - np.log(np.exp(state.values).sum())
    log = problem.allowed + np.log(state.share)[problem.items.domain][:, :, None] + weights
    place = item * problem.size + value
    for h in range(num_classes):
        log[:, h] += count(item, num_items, lost[:, h])[:, None]
        log[:, h] += count(place, num_items * problem.size, gained[:, h]).reshape(num_items, problem.size)
    top = log.max(axis=(1, 2), keepdims=True)
    joint = np.exp(log - top)
    total = joint.sum(axis=(1, 2), keepdims=True)
    likelihood = float(np.log(total).sum() + top.sum())
    likelihood += float(np.log(1 - state.copies[problem.labels.worker[problem.refused]]).sum())
    return joint / total, gained, likelihood


def _people(problem: _Problem, joint: Floats, accuracy: Floats, copies: Floats) -> tuple[Accuracy, Floats]:
    """Return accuracies and copy rates from the expected counts under `joint`."""
    labels = problem.labels
    _, _, own_hit, own_miss = _chances(problem, accuracy, copies)
    of_value = joint[labels.item, :, labels.value]
    of_other = np.maximum(joint.sum(axis=2)[labels.item] - of_value, 0)
    hits, misses = of_value * own_hit, of_other * own_miss
    num_workers, num_domains, num_classes = accuracy.shape
    cells = num_workers * num_domains
    sums = np.stack(
        [np.stack([count(problem.cell, cells, part[:, h]) for h in range(num_classes)], 1) for part in (hits, misses)]
    ).reshape(2, num_workers, num_domains, num_classes)
    in_sight = (labels.shown >= 0).astype(np.float64)
    own = (hits + misses).sum(axis=1)
    copied = count(labels.worker, num_workers, in_sight * np.maximum(1 - own, 0))
    tries = count(labels.worker, num_workers, in_sight)
    rate = (copied + _COPIES_AT_FIRST * _LABELS_BEHIND_COPIES) / (tries + _LABELS_BEHIND_COPIES)
    return shrink(sums[0], sums[0] + sums[1], problem.kind, problem.chance), np.minimum(rate, 0.99)


def _shares(problem: _Problem, joint: Floats) -> Floats:
    """Return the share of each class by domain (D, H), shrunk towards that of all domains."""
    classes = joint.sum(axis=2) * problem.evident[:, None]
    num_classes = classes.shape[1]
    domains = np.stack(
        [count(problem.items.domain, problem.items.num_domains, classes[:, h]) for h in range(num_classes)], 1
    )
    whole = domains.sum(axis=0) + _ITEMS_BEHIND_HARD * _first_share(num_classes)
    whole /= whole.sum()
    share = domains + _ITEMS_BEHIND_DOMAIN * whole
    return np.asarray(share / share.sum(axis=1, keepdims=True))
