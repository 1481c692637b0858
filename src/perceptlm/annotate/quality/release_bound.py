"""What a release may say about its errors: an exact upper bound from rows audited at random.

Only rows drawn at random among those that would have been accepted without an expert tell of these rows; rows that
were escalated for a reason tell of nothing but themselves. An expert may err too: the bound is on disagreement with an
expert. This module knows no database.
"""

from __future__ import annotations

from dataclasses import dataclass

from perceptlm.statistics.binomial import clopper_pearson_upper


@dataclass(frozen=True)
class ErrorBound:
    """With `confidence`, fewer than `upper` of the rows are wrong (one-sided Clopper-Pearson). `upper` 1: no audit."""

    num_audited: int
    num_wrong: int
    upper: float
    confidence: float


def release_bound(num_wrong: int, num_audited: int, *, confidence: float = 0.95) -> ErrorBound:
    """Return the bound after `num_audited` rows of which `num_wrong` were changed: 0 of 300 gives less than 1 %."""
    upper = clopper_pearson_upper(num_wrong, num_audited, confidence=confidence) if num_audited else 1.0
    return ErrorBound(num_audited, num_wrong, upper, confidence)
