"""What is cheapest for an item: to accept, to ask one more person, or to ask an expert.

Accepting costs `error_cost` times the probability of being wrong; a label and an expert cost what they cost. The value
of asking is found by asking in thought: what would each answer make us believe, how probable is it, and what would be
cheapest then; two labels deep. A label that cannot change the mind is worth nothing, and two answers of which a third
would decide for one unit are not sent to an expert for five. This module knows no person, only mean accuracies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perceptlm.annotate.quality.records import Floats, Ints

_MOST_BRANCHES = 5
DEPTH = 2


@dataclass(frozen=True)
class Costs:
    """In units of one label."""

    error: float
    label: float
    expert: float


def costs_of_actions(
    joint: Floats, num_options: Ints, label_accuracy: Floats, expert_accuracy: Floats, costs: Costs, labels_left: Ints
) -> Floats:
    """Return the expected cost of accepting, of another label and of an expert (n, 3); infinite where impossible.

    `joint` (n, H, V) is what is believed; accuracies (n, H) are of whoever would be asked, not a number where there is
    nobody; `labels_left` (n) is how many more labels may be asked for.
    """
    joint, times = _branches(joint, num_options)
    found = np.full((len(joint), 3), np.inf)
    found[:, 0] = costs.error * (1 - _best(joint))
    found[:, 2] = _expert(joint, times, num_options, expert_accuracy, costs)
    for depth in range(1, DEPTH + 1):
        rows = np.flatnonzero((np.minimum(labels_left, DEPTH) == depth) & np.isfinite(label_accuracy).all(axis=1))
        if len(rows):
            part = (joint[rows], times[rows], num_options[rows], label_accuracy[rows], expert_accuracy[rows])
            found[rows, 1] = _label(*part, costs, depth)
    return found


def _branches(joint: Floats, num_options: Ints) -> tuple[Floats, Floats]:
    """Return `joint` with likely values first where there are many, and how many answers each branch is for (n, B).

    Only so many answers are tried in thought; the last of them stands for all less likely ones, which are much alike.
    """
    size = joint.shape[2]
    if size > _MOST_BRANCHES:
        order = np.argsort(-joint.sum(axis=1), axis=1, kind="stable")
        joint = np.take_along_axis(joint, order[:, None, :], axis=2)
    number = min(size, _MOST_BRANCHES)
    times = (np.arange(number) < num_options[:, None]).astype(np.float64)
    times[:, -1] = np.maximum(num_options - number + 1, 0)
    return joint, times


def _best(joint: Floats) -> Floats:
    return np.asarray(joint.sum(axis=1).max(axis=1))


def _answered(joint: Floats, num_options: Ints, accuracy: Floats, value: int) -> Floats:
    """Return the probability of class and truth together with the answer `value` (n, H, V)."""
    wrong = (1 - accuracy) / (num_options - 1)[:, None]
    after = joint * wrong[:, :, None]
    after[:, :, value] = joint[:, :, value] * accuracy
    return np.asarray(after)


def _expert(joint: Floats, times: Floats, num_options: Ints, accuracy: Floats, costs: Costs) -> Floats:
    right = np.zeros(len(joint))
    for value in range(times.shape[1]):
        right += times[:, value] * _best(_answered(joint, num_options, accuracy, value))
    cost = costs.expert + costs.error * np.maximum(1 - right, 0)
    return np.where(np.isfinite(accuracy).all(axis=1), cost, np.inf)


def _label(
    joint: Floats,
    times: Floats,
    num_options: Ints,
    accuracy: Floats,
    expert_accuracy: Floats,
    costs: Costs,
    depth: int,
) -> Floats:
    total = np.full(len(joint), costs.label, dtype=np.float64)
    for value in range(times.shape[1]):
        after = _answered(joint, num_options, accuracy, value)
        chance = after.sum(axis=(1, 2))
        after /= np.maximum(chance, 1e-300)[:, None, None]
        best = costs.error * (1 - _best(after))
        best = np.minimum(best, _expert(after, times, num_options, expert_accuracy, costs))
        if depth > 1:
            best = np.minimum(best, _label(after, times, num_options, accuracy, expert_accuracy, costs, depth - 1))
        total += times[:, value] * chance * best
    return total
