"""Units of a score: what a failure leaves open, and what it cannot change any more."""

from __future__ import annotations

from perceptlm.eval.outcomes import BAD_MEDIA, Score
from perceptlm.eval.summary import make_units, mean_score

RIGHT, WRONG = Score(outcome="value", score=1.0), Score(outcome="value", score=0.0)
FAILED = Score(outcome="error", reason="no answer")
NOT_ASKED = Score(outcome="unscored", reason=BAD_MEDIA)


def test_a_group_that_is_lost_already_counts_whatever_failed_beside() -> None:
    units = make_units(
        [
            ("a", "x", WRONG),
            ("a", "x", FAILED),
            ("b", "y", RIGHT),
            ("c", "z", RIGHT),
            ("d", "z", RIGHT),
            ("d", "z", FAILED),
        ]
    )
    assert [unit.value for unit in units] == [0.0, 1.0, 1.0, None]
    assert mean_score(units) == 2 / 3
    assert sum(unit.low for unit in units) / 4 <= 2 / 3 <= sum(unit.high for unit in units) / 4


def test_a_group_of_which_a_clip_is_missing_leaves_the_score_as_a_whole() -> None:
    (unit,) = make_units([("a", "x", WRONG), ("a", "x", NOT_ASKED)])
    assert unit.value is None
