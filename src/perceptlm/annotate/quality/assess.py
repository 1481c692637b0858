"""All labels in, everything that follows out: the fit, who is good, who pauses, what to do next about every item.

One function, called by the server's refit and by the simulator in memory, so that both route alike. It remembers
nothing: the same labels give the same answer, whatever was fitted before. This module knows no database and no queue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perceptlm.annotate.quality.copying import CopyEvidence, copy_evidence
from perceptlm.annotate.quality.dawid_skene import Fit, FitConfig, fit
from perceptlm.annotate.quality.records import ANNOTATOR, Bools, Floats, Ints, Items, Labels, People, count
from perceptlm.annotate.quality.routing import Decisions, Requirements, RoutingPolicy, better_half, decide
from perceptlm.annotate.quality.skill import Skill, failing, measure_skill


@dataclass(frozen=True)
class Wishes:
    """What is asked of items (I) besides good labels, and what a model said of them."""

    needs_credential: Bools
    audited: Bools
    model_value: Ints
    """What a model proposed, -1 for nothing."""
    model_confidence: Floats

    @classmethod
    def none(cls, num_items: int) -> Wishes:
        """Return wishes that ask for nothing."""
        no = np.zeros(num_items, dtype=np.bool_)
        return cls(no, no, np.full(num_items, -1), np.zeros(num_items))


@dataclass(frozen=True)
class Assessment:
    """What a project's labels say. Shapes: I items, W workers."""

    fit: Fit
    skill: Skill
    copying: CopyEvidence
    flagged: Bools
    """(W): found copying, now or earlier."""
    paused: Bools
    """(W): gets no more work: copies, or is surely too weak."""
    better: Bools
    """(W): is asked for labels beyond the first ones."""
    decisions: Decisions
    waits_for_better: Bools
    """(I): the labels still wanted are beyond the first ones, and somebody of the better half could give one."""


def assess(
    labels: Labels,
    items: Items,
    people: People,
    policy: RoutingPolicy,
    wishes: Wishes,
    *,
    flagged: Bools | None = None,
    trusted: Bools | None = None,
    config: FitConfig | None = None,
    known_class: Ints | None = None,
) -> Assessment:
    """Return what to do next about every item, and what it follows from.

    `flagged` (W) are people found copying earlier: they stay so, since a person decides about that and not the next
    fit. `trusted` (W) are not paused, whatever their labels say: a person decided so. `config` and
    `known_class` go to the fit.
    """
    found = fit(labels, items, people, config, known_class=known_class)
    skill = measure_skill(found, labels, items, people)
    copying = copy_evidence(found, labels, items, people)
    flagged = copying.flagged if flagged is None else copying.flagged | flagged
    paused = flagged | failing(skill, items, people, policy.pause_below)
    if trusted is not None:
        flagged, paused = flagged & ~trusted, paused & ~trusted
    better = (people.role == ANNOTATOR) & ~paused
    if policy.extra_labels_from == "better_half":
        better = better_half(skill, people, paused)
    requirements = Requirements(
        needs_credential=wishes.needs_credential,
        audited=wishes.audited,
        model_value=wishes.model_value,
        model_confidence=wishes.model_confidence,
        paused=paused,
        asked=better,
    )
    decisions = decide(found, labels, items, people, policy, requirements)
    by_people = people.role[labels.worker] == ANNOTATOR
    has_first = count(labels.item[by_people], len(items)) >= policy.first_labels
    could = better.sum() - count(labels.item[better[labels.worker]], len(items))
    return Assessment(found, skill, copying, flagged, paused, better, decisions, has_first & (could > 0))
