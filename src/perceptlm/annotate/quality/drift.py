"""Whose work gets worse: a CUSUM of how each label does beside what is expected of the person.

For every label: how probably it is right, less what is expected of the person on such an item, over the standard
deviation of all labels. The sum of shortfalls beyond an allowance is kept from going below 0; where it exceeds a limit
the person is flagged (Page 1954). This module knows no routing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from perceptlm.annotate.quality.dawid_skene import Fit
from perceptlm.annotate.quality.records import ANNOTATOR, Bools, Floats, Ints, Items, Labels, People
from perceptlm.config import Config


class DriftConfig(Config):
    """`allowance` and `limit` in standard deviations of one label."""

    allowance: float = Field(0.25, ge=0)
    limit: float = Field(20.0, gt=0)
    num_labels: int = Field(30, ge=1)
    """Labels of a person before anything is said."""


@dataclass(frozen=True)
class Drift:
    """Per worker (W): greatest sum, whether flagged, and after how many labels (-1 if never)."""

    highest: Floats
    flagged: Bools
    after: Ints


def find_drift(fit: Fit, labels: Labels, items: Items, people: People, config: DriftConfig | None = None) -> Drift:
    """Return the drift of annotators; `labels` must be in the order in which they were given."""
    config = config or DriftConfig()
    highest, after = np.zeros(len(people)), np.full(len(people), -1, dtype=np.int64)
    residual = residuals(fit, labels, items)
    order = np.argsort(labels.worker, kind="stable")
    starts = np.searchsorted(labels.worker[order], np.arange(len(people) + 1))
    for worker in np.flatnonzero((people.role == ANNOTATOR) & (np.diff(starts) >= config.num_labels)).tolist():
        own = residual[order[starts[worker] : starts[worker + 1]]]
        total = 0.0
        for number, value in enumerate((-own - config.allowance).tolist(), start=1):
            total = max(0.0, total + value)
            highest[worker] = max(highest[worker], total)
            if total > config.limit and after[worker] < 0 and number >= config.num_labels:
                after[worker] = number
    return Drift(highest, after >= 0, after)


def residuals(fit: Fit, labels: Labels, items: Items) -> Floats:
    """Return per label (n) how much better it did than expected, in standard deviations over all labels.

    All labels of the item judge, its own too: whether more labels were asked for depends on it, so without it the
    others are no fair judges.
    """
    joint = fit.joint[labels.item]
    right = joint[np.arange(len(labels)), :, labels.value].sum(axis=1)
    accuracy = fit.accuracy.mean[labels.worker, items.domain[labels.item]]
    difference = right - (accuracy * joint.sum(axis=2)).sum(axis=1)
    spread = float(np.sqrt((difference**2).mean())) if len(labels) else 0.0
    return np.asarray(difference / spread if spread > 0 else difference)
