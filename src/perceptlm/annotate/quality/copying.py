"""Who copies what they are shown: how often a proposal that is wrong is answered all the same.

Only gold shows it: on other items nobody knows for certain that a proposal is wrong, and those that an expert decided
were chosen because people disagreed. Wrong proposals are planted on gold on purpose. An honest person picks a given
wrong option now and then; only what exceeds that is copying. This module knows no routing.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perceptlm.annotate.quality.dawid_skene import Fit
from perceptlm.annotate.quality.records import ANNOTATOR, Bools, Floats, Items, Labels, People, count

_ENOUGH = 5
_LEAST_EXCESS = 0.25
"""Whoever surely copies more than this share is flagged."""
_CONFIDENCE = 0.975


@dataclass(frozen=True)
class CopyEvidence:
    """Per worker (W): wrong proposals seen, how many were answered, the copy rate beyond chance, its lower bound."""

    seen: Floats
    answered: Floats
    excess: Floats
    excess_low: Floats
    flagged: Bools


def copy_evidence(fit: Fit, labels: Labels, items: Items, people: People) -> CopyEvidence:
    """Return how often each person answers wrong proposals, and who is flagged.

    With p the share of wrong proposals answered and e the share expected of an honest person of that skill on those
    items, the copy rate is (p - e) / (1 - e). Its lower bound is Wilson's of p, one-sided 97.5 %.
    """
    right = items.known[labels.item]
    rows = np.flatnonzero((right >= 0) & (labels.shown >= 0) & (labels.shown != right))
    part = labels.take(rows)
    accuracy = fit.accuracy.mean[part.worker, items.domain[part.item]]
    classes = fit.joint.sum(axis=2)[part.item]
    honest = ((1 - accuracy) * classes).sum(axis=1) / (items.num_options[part.item] - 1)
    seen = count(part.worker, len(people))
    answered = count(part.worker, len(people), (part.value == part.shown).astype(np.float64))
    expected = count(part.worker, len(people), honest)
    tries = np.maximum(seen, 1e-9)
    share, usual = answered / tries, np.minimum(expected / tries, 0.9)
    low = _wilson_low(share, seen)
    excess, excess_low = (np.maximum(x - usual, 0) / (1 - usual) for x in (share, low))
    flagged = (excess_low > _LEAST_EXCESS) & (seen >= _ENOUGH) & (people.role == ANNOTATOR)
    return CopyEvidence(seen, answered, excess, excess_low, flagged)


def _wilson_low(share: Floats, tries: Floats) -> Floats:
    z = NormalDist().inv_cdf(_CONFIDENCE)
    n = np.maximum(tries, 1e-9)
    low = (share + z * z / (2 * n) - z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return np.where(tries > 0, np.maximum(low, 0), 0.0)
