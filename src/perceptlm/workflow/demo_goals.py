"""What the demo is to reach, row by row, and whether an evaluation reached it.

A goal is met by the lower end of a row's interval, never by its score, and only if the paired difference to the best
blind variant excludes 0 and enough was asked. Reads `scores.json` values; knows no page and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from perceptlm.eval.settings import RowName

MIN_ITEMS = 400
"""Groups (FGQA) or questions (the other rows) that a row must have for its goal to count."""


@dataclass(frozen=True)
class Goal:
    """The lower end of a row's interval must lie over `floor`, or `margin` over the greatest of the baselines `over`.

    Without a margin it must lie above, with one it may lie exactly there.
    """

    row: RowName
    floor: float | None = None
    over: tuple[Literal["blind", "constant"], ...] = ()
    margin: float = 0.0

    def describe(self) -> str:
        """Return what is wanted, in words."""
        if self.floor is not None:
            return f"lower end over {100 * self.floor:.1f}"
        margin = f"{100 * self.margin:.0f} points over" if self.margin else "over"
        return f"lower end {margin} {' and '.join(self.over)}"


GOALS: tuple[Goal, ...] = (
    Goal("fgqa", floor=0.375),
    Goal("sgqa", over=("blind", "constant")),
    Goal("rcap", over=("blind", "constant")),
    Goal("rtloc", over=("constant",), margin=0.15),
    Goal("rdcap", over=("blind", "constant")),
    Goal("image", over=("blind", "constant")),
)


@dataclass(frozen=True)
class GoalResult:
    """How a row stands to its goal; scores are shares of 1. `needed` is None where a baseline was not measured."""

    goal: Goal
    low: float
    needed: float | None
    n: int
    excludes_zero: bool
    """Whether the row lies above blind in the paired difference, with its whole interval."""

    @property
    def distance(self) -> float | None:
        """How far the lower end lies over what is needed; negative if it falls short."""
        return None if self.needed is None else self.low - self.needed

    @property
    def is_met(self) -> bool:
        """Whether all that the goal asks for holds."""
        if self.needed is None or not self.excludes_zero or self.n < MIN_ITEMS:
            return False
        return self.low >= self.needed if self.goal.margin else self.low > self.needed

    def describe(self) -> str:
        """Return how it came out, in words and points of percent."""
        if self.distance is None or self.needed is None:
            return "not measured"
        parts = [f"{100 * self.low:.1f}, {_points(self.distance)} {100 * self.needed:.1f}"]
        if not self.excludes_zero:
            parts.append("not surely over blind")
        if self.n < MIN_ITEMS:
            parts.append(f"{self.n} asked, {MIN_ITEMS} wanted")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "wanted": self.goal.describe(),
            "needed": self.needed,
            "ci_low": self.low,
            "distance": self.distance,
            "difference_to_blind_excludes_zero": self.excludes_zero,
            "has_enough_items": self.n >= MIN_ITEMS,
            "is_met": self.is_met,
        }


def check_goals(scores: Mapping[str, Any]) -> dict[RowName, GoalResult]:
    """Return the result of every goal whose row has a score in `scores` (the content of `scores.json`)."""
    results = {}
    for goal in GOALS:
        task = scores["tasks"].get(goal.row)
        if task is not None and task["score"] is not None:
            results[goal.row] = _check(goal, task)
    return results


def _check(goal: Goal, task: Mapping[str, Any]) -> GoalResult:
    needed = goal.floor
    if needed is None:
        floors = [task["baselines"].get(name, {}).get("score") for name in goal.over]
        known = [floor for floor in floors if floor is not None]
        needed = max(known) + goal.margin if len(known) == len(floors) else None
    paired = task["baselines"].get("blind", {}).get("paired") or {}
    excludes_zero = bool(paired.get("excludes_zero")) and paired["difference"] > 0
    return GoalResult(goal, task["ci_low"], needed, task["n"], excludes_zero)


def _points(distance: float) -> str:
    return f"{100 * distance:.1f} over" if distance >= 0 else f"{-100 * distance:.1f} short of"
