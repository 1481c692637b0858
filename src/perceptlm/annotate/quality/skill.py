"""How good each person is, with intervals, by domain and over all; and who should pause.

A person's accuracy in a domain is that on its easy and hard items together, in the shares estimated for the domain, so
that whoever happened to get hard items is not judged by them. This module knows no drift and no copying.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perceptlm.annotate.quality.dawid_skene import Fit
from perceptlm.annotate.quality.records import MODEL, Bools, Floats, Items, Labels, People, count
from perceptlm.statistics.intervals import check_confidence


@dataclass(frozen=True)
class Skill:
    """Accuracy of workers, by domain (W, D) and over all domains as items fall into them (W)."""

    mean: Floats
    low: Floats
    high: Floats
    overall: Floats
    overall_low: Floats
    overall_high: Floats
    num_labels: Floats
    """(W): labels given."""


def measure_skill(fit: Fit, labels: Labels, items: Items, people: People, *, confidence: float = 0.95) -> Skill:
    """Return skills with intervals in Wilson's form, as wide as that of as many plain trials as have the variance."""
    check_confidence(confidence)
    share = fit.class_share[None, :, :]
    mean = (fit.accuracy.mean * share).sum(axis=2)
    # Classes are told apart by the same labels, so their errors go together: standard errors add, not variances.
    error = (np.sqrt(fit.accuracy.variance) * share).sum(axis=2)
    low, high = _wilson(mean, error**2, confidence)
    # Domains weigh as the items do that somebody has answered: the server knows of no others.
    in_domain = count(items.domain[count(labels.item, len(items)) > 0], items.num_domains)
    weight = in_domain / max(in_domain.sum(), 1.0)
    overall = mean @ weight
    overall_low, overall_high = _wilson(overall, (error @ weight) ** 2, confidence)
    return Skill(mean, low, high, overall, overall_low, overall_high, count(labels.worker, len(people)))


def failing(skill: Skill, items: Items, people: People, pause_below: float) -> Bools:
    """Return who should pause (W): people whose skill is surely nearer to chance than wanted.

    `pause_below` is a share of the way from chance (0) to always right (1); the upper end of the interval is compared.
    """
    chance = float((1 / items.num_options).mean()) if len(items) else 0.5
    line = chance + (1 - chance) * pause_below
    return np.asarray((skill.overall_high < line) & (skill.num_labels > 0) & (people.role != MODEL))


def _wilson(mean: Floats, variance: Floats, confidence: float) -> tuple[Floats, Floats]:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    phi = z * z * variance / np.maximum(mean * (1 - mean), 1e-9)
    middle = (mean + phi / 2) / (1 + phi)
    half = np.sqrt(phi * mean * (1 - mean) + phi**2 / 4) / (1 + phi)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
