"""What a simulated project achieved beside the truth, and means with intervals over seeds.

Here, at the end, the truth is looked at. A measure that is not defined (recall of copiers where nobody copies) is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perceptlm.annotate.quality.calibration import calibrate
from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, Bools
from perceptlm.annotate.quality.release_bound import release_bound
from perceptlm.annotate.quality.routing import REASONS
from perceptlm.annotate.simulate.outcome import Outcome
from perceptlm.statistics.agreement import krippendorff_alpha
from perceptlm.statistics.student import student_quantile

Measures = dict[str, float | None]


@dataclass(frozen=True)
class OverSeeds:
    """Mean over seeds with its 95 % interval (Student's t); `low`, `high` None with one seed, all None with none."""

    mean: float | None
    low: float | None
    high: float | None
    num_seeds: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "num_seeds": self.num_seeds}


def measure(outcome: Outcome) -> Measures:
    """Return the measures of one project; gold items count in nothing but cost."""
    crowd, number = outcome.crowd, outcome.crowd.num_items
    truth, answer = crowd.truth[:number], outcome.answer[:number]
    right = answer == truth
    role = crowd.people.role[outcome.labels.worker]
    bought = outcome.labels.item < number
    num_labels, num_expert = int(((role == ANNOTATOR) & bought).sum()), int((role == EXPERT).sum())
    num_gold = int((~bought & (role == ANNOTATOR)).sum())
    costs = crowd.scenario.costs
    spent = costs.label * num_labels + costs.expert * num_expert + costs.gold * num_gold
    asked = outcome.reason[:number] > 0
    before = np.where(asked, outcome.crowd_answer[:number], answer)
    wrong_before = before != truth
    audited = outcome.reason[:number] == REASONS.index("audit")
    found_wrong = int((audited & (outcome.crowd_answer[:number] != answer)).sum())
    own = crowd.people.role == ANNOTATOR
    skill_error = np.abs(outcome.skill - crowd.true_skill())[own]
    inside = (outcome.skill_low <= crowd.true_skill()) & (crowd.true_skill() <= outcome.skill_high)
    first = (role == ANNOTATOR) & bought
    alpha = krippendorff_alpha(outcome.labels.item[first], outcome.labels.value[first], num_resamples=0)
    return {
        "accuracy": float(right.mean()),
        "cost_per_item": spent / number,
        "labels_per_item": num_labels / number,
        "escalated_share": float(asked.mean()),
        "capture": _share(wrong_before & asked, wrong_before),
        "escalation_precision": _share(wrong_before & asked, asked),
        "ece": calibrate(outcome.confidence[:number], right).ece,
        "alpha": alpha.alpha,
        "skill_mae": float(skill_error.mean()),
        "skill_interval_coverage": float(inside[own].mean()),
        **_flags(outcome),
        "audit_error_bound": release_bound(found_wrong, int(audited.sum())).upper,
        "audited_share": float(audited.mean()),
        "unfinished_share": outcome.num_unfinished / number,
        "paused_people": float(outcome.paused[own].sum()),
    }


def _flags(outcome: Outcome) -> Measures:
    """Return precision and recall of who was flagged for copying, for failing and for drift."""
    crowd = outcome.crowd
    own = crowd.people.role == ANNOTATOR
    line = crowd.chance + (1 - crowd.chance) * crowd.scenario.policy.pause_below
    found = {}
    for name, flagged, is_so in (
        ("copying", outcome.flagged, (crowd.copies > 0.25) & (crowd.scenario.mode == "verify")),
        ("failing", outcome.paused & ~outcome.flagged, (crowd.true_skill() < line) & (crowd.copies <= 0.25)),
        ("drift", outcome.drifting, crowd.fatigue > 0),
    ):
        found[f"{name}_flag_precision"] = _share(flagged & is_so & own, flagged & own)
        found[f"{name}_flag_recall"] = _share(flagged & is_so & own, is_so & own)
    return found


def _share(part: Bools, whole: Bools) -> float | None:
    return float(part.sum() / whole.sum()) if whole.any() else None


def over_seeds(found: Sequence[Measures]) -> dict[str, OverSeeds]:
    """Return mean and interval of each measure over the seeds for which it is defined."""
    return {name: interval([one[name] for one in found]) for name in found[0]}


def interval(values: Sequence[float | None]) -> OverSeeds:
    """Return mean and 95 % interval of the values that are defined."""
    kept = [value for value in values if value is not None]
    if not kept:
        return OverSeeds(None, None, None, 0)
    mean = math.fsum(kept) / len(kept)
    if len(kept) < 2:
        return OverSeeds(mean, None, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in kept) / (len(kept) - 1)
    half = student_quantile(0.975, len(kept) - 1) * math.sqrt(variance / len(kept))
    return OverSeeds(mean, mean - half, mean + half, len(kept))
