"""Accuracies of workers by domain and difficulty, shrunk towards those of their kind.

One worker sees few hard items of one domain. So a cell (worker, domain, class of difficulty) is shrunk towards the
worker's own mean of that class, this towards what a person of that skill does on it, and the skill towards that of the
kind; how strongly is estimated by moments (Kleinman 1973), so that a crowd of unequal people is shrunk little and one
of equals much. Kinds: annotators,
experts in a domain of their credential, experts elsewhere, models. Class 0 is the easy one. This module does not know
which items are hard: it is given expected counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perceptlm.annotate.quality.records import EXPERT, MODEL, Floats, Ints, People

KINDS = ("annotator", "expert at home", "expert elsewhere", "model")
_SKILL_AT_FIRST = np.array([[0.85, 0.45], [0.96, 0.88], [0.93, 0.60], [0.75, 0.45]])
"""By kind and class, where 0 is chance and 1 is always right: what is believed before a label is seen."""
_LABELS_BEHIND_KIND = 20.0
"""As many labels are behind that belief."""
_SPREAD_OF_SKILL, _LEAST_SPREAD, _SPREAD_OF_DOMAINS, _BELIEVERS = 0.05, 0.002, 0.01, 4.0
"""Variances believed: of skill between people, and of one's domains over that of one label; by how many people."""
_NO_LABELS = 1e9
_LABELS_BEHIND_CLASS = 30.0
"""So many labels count what is expected of a person of that skill on a class of items."""
_ROUNDS = 3
_LABELS_TO_BE_HEARD = 20.0
_LEAST, _MOST = 0.002, 0.5
_CLIP = 0.002


@dataclass(frozen=True)
class Accuracy:
    """Accuracy and its variance, (workers, domains, classes)."""

    mean: Floats
    variance: Floats


def kinds(people: People) -> Ints:
    """Return the kind of each worker in each domain (W, D)."""
    role = np.repeat(people.role[:, None], people.own.shape[1], axis=1)
    elsewhere = np.where(people.own, 1, 2)
    return np.where(role == MODEL, 3, np.where(role == EXPERT, elsewhere, 0))


def first_accuracy(chance: float, num_classes: int) -> Floats:
    """Return what is believed of each kind at first (kinds, classes); with one class, the mean of a mixed crowd."""
    skill = _SKILL_AT_FIRST if num_classes == 2 else _SKILL_AT_FIRST @ np.array([[0.75], [0.25]])
    return np.asarray(chance + (1 - chance) * skill)


def shrink(right: Floats, total: Floats, kind: Ints, chance: float) -> Accuracy:
    """Return accuracies from expected counts of right and of all answers, both (W, D, H); `kind` is (W, D)."""
    mean, variance = np.zeros_like(total), np.zeros_like(total)
    believed = first_accuracy(chance, total.shape[2])
    for number in range(len(KINDS)):
        member = (kind == number)[:, :, None]
        if not member.any():
            continue
        hits, tries = right * member, total * member
        by_worker, of_worker = hits.sum(1), tries.sum(1)
        whole, expected, doubt_of_skill = _people(by_worker, of_worker, believed[number], chance)
        worker = (by_worker + _LABELS_BEHIND_CLASS * expected) / (of_worker + _LABELS_BEHIND_CLASS)
        within = _strength_of_cells(hits, tries, worker[:, None, :])
        cell = (hits + within * worker[:, None, :]) / (tries + within)
        rest = _LABELS_BEHIND_CLASS / (of_worker + _LABELS_BEHIND_CLASS)
        spread = worker * (1 - worker) / (of_worker + _LABELS_BEHIND_CLASS)
        spread += (rest * (whole - chance)) ** 2 * doubt_of_skill[:, None]
        doubt = cell * (1 - cell) / (tries + within) + (within / (tries + within)) ** 2 * spread[:, None, :]
        mean, variance = np.where(member, cell, mean), np.where(member, doubt, variance)
    return Accuracy(np.clip(mean, _CLIP, 1 - _CLIP), variance)


def _people(right: Floats, total: Floats, believed: Floats, chance: float) -> tuple[Floats, Floats, Floats]:
    """Return the mean of the kind (H), what is expected of each person (W, H), and the variance of their skill (W).

    One number per person, their skill r, holds for all classes: chance + r (mean - chance). So easy items, of which
    there are many labels, tell what to expect on hard ones; and who guesses on the easy ones guesses on the hard ones.
    `right` and `total` are (W, H). Skills have mean 1 over people, however many labels each gave.
    """
    whole, skill, doubt = believed.copy(), np.ones(len(total)), np.ones(len(total))
    behind = _LABELS_BEHIND_KIND
    tries = total.sum(axis=1)
    heard = np.where(tries > 1e-6, tries / (tries + _LABELS_TO_BE_HEARD), 0)
    for _ in range(_ROUNDS):
        above = np.maximum(whole - chance, 0.02)
        could = np.maximum((total * above).sum(axis=1), 1e-9)
        plain = np.where(heard > 0, (right - chance * total).sum(axis=1) / could, 1)
        one = np.clip(chance + skill[:, None] * above, 0.02, 0.98)
        noise = np.where(heard > 0, (total * one * (1 - one)).sum(axis=1) / could**2, _NO_LABELS)
        seen = (heard * ((plain - 1) ** 2 - noise)).sum()
        between = max((seen + _SPREAD_OF_SKILL * _BELIEVERS) / (heard.sum() + _BELIEVERS), _LEAST_SPREAD)
        kept = between / (between + noise)
        skill = np.maximum(1 + kept * (plain - 1), 0)
        doubt = between * (1 - kept)
        # The mean of the kind is that of its people, so that skills are around 1.
        middle = ((heard * skill).sum() + 1) / (heard.sum() + 1)
        skill = skill / middle
        gained = ((right - chance * total).sum(axis=0) + behind * (believed - chance)) / (
            (total * skill[:, None]).sum(axis=0) + behind
        )
        whole = np.clip(chance + gained, chance, 0.995)
    return whole, np.clip(chance + skill[:, None] * (whole - chance), 0.01, 0.995), doubt


def _strength_of_cells(right: Floats, total: Floats, mean: Floats) -> Floats:
    """Return, per class (H), how many labels a person's own mean (W, 1, H) counts for in a cell of a domain."""
    seen = total > 0
    share = np.divide(right, total, out=np.zeros_like(total), where=seen)
    scatter = (total * (share - mean) ** 2 / np.maximum(mean * (1 - mean), 1e-6)).sum((0, 1))
    # One cell of each person is spent on the person's mean.
    number = np.maximum(seen.sum((0, 1)) - seen.any(axis=1).sum(axis=0), 0)
    whole = total.sum(axis=1)
    room = (total.sum((0, 1)) - ((total**2).sum(axis=1) / np.maximum(whole, 1e-9)).sum(axis=0)) - number
    rho = np.where(room > 1, (scatter - number) / np.maximum(room, 1), 0.0)
    rho = (np.clip(rho, 0, 1) * number + _SPREAD_OF_DOMAINS * _BELIEVERS) / (number + _BELIEVERS)
    return np.asarray(1 / np.clip(rho, _LEAST, _MOST) - 1)
