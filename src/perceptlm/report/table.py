"""Score rows: a number, its interval, and the baselines without which it says nothing; and a terminal table of them.

The page draws the same rows (`page.py`). This module knows no task: what a score means stands in `metric`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perceptlm.errors import DataError
from perceptlm.report.text import percent, showable

if TYPE_CHECKING:
    from rich.table import Table

BASELINES = ("chance", "constant", "blind", "oracle")
FEW = 10
"""Scores over fewer items carry no mark: their intervals say little."""
_BAR_WIDTH = 20
_WIDTH_WITH_BARS = 98


@dataclass(frozen=True)
class Difference:
    """How far a score lies over a baseline on the same items, as a share of 1 from -1 to 1, with its interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does not hold 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Target:
    """What a row was to reach, in words; whether it did, and by how much."""

    is_met: bool
    wanted: str
    outcome: str


@dataclass(frozen=True)
class ScoreRow:
    """One row of a score table. Scores are shares of 1; a baseline that was not measured is None.

    `chance` is a random answer, `constant` the best fixed answer per question template, `blind` the best that was done
    without the right pixels, `oracle` the reference answer put through the same scorer. `n` counts scored items,
    `unit` names them. `over_blind` is the paired difference to blind, `target` what the row was to reach.
    """

    task: str
    metric: str
    score: float
    low: float
    high: float
    blind: float | None = None
    constant: float | None = None
    chance: float | None = None
    oracle: float | None = None
    n: int = 0
    note: str = ""
    unit: str = ""
    over_blind: Difference | None = None
    target: Target | None = None
    coverage: float | None = None
    """Share of the items that could be asked at all."""

    def __post_init__(self) -> None:
        values = [self.score, self.low, self.high, *(value for _, value in self.baselines)]
        if not all(0 <= value <= 1 for value in values) or self.low > self.high:
            raise DataError(f"score row '{self.task}': scores and interval must be ordered shares of 1, got {values}")

    @property
    def baselines(self) -> tuple[tuple[str, float], ...]:
        """The measured baselines, name and value, weakest kind first."""
        return tuple((name, getattr(self, name)) for name in BASELINES if getattr(self, name) is not None)

    @property
    def is_above_baselines(self) -> bool:
        """Whether the score surely lies above every baseline that does not see the right pixels, over `FEW` or more.

        For chance and constant the whole interval does; for blind that of the paired difference lies above 0, where it
        was measured: blind has an interval of its own.
        """
        passed_by = ("oracle",) if self.over_blind is None else ("oracle", "blind")
        floors = [value for name, value in self.baselines if name not in passed_by]
        if self.n < FEW or (not floors and self.over_blind is None):
            return False
        return all(self.low > value for value in floors) and (self.over_blind is None or self.over_blind.low > 0)


def describe_row(row: ScoreRow) -> str:
    """Return the row as one sentence, for those who cannot see its drawing."""
    compared = "".join(f", {name} {percent(value)}" for name, value in row.baselines)
    return f"{row.task}: {percent(row.score)}, 95 % interval {percent(row.low)} to {percent(row.high)}{compared}"


def target_lines(rows: Sequence[ScoreRow]) -> list[str]:
    """Return one line per row that had something to reach: met or missed, what was wanted, how it came out."""
    named = [(row.task, row.target) for row in rows if row.target is not None]
    width = max((len(name) for name, _ in named), default=0)
    return [
        showable(f"{'✓' if target.is_met else '✗'} {name:<{width}}  {target.wanted}: {target.outcome}")
        for name, target in named
    ]


def terminal_table(rows: Sequence[ScoreRow], *, title: str = "", width: int = 80) -> Table:
    """Return the rows as a table for `rich`, in percent, with bars where `width` columns have room for them.

    Text in the rows is never read as markup.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    has_bars = width >= _WIDTH_WITH_BARS
    table = Table(title=Text(showable(title)) if title else None, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("score  ", justify="right", no_wrap=True)
    table.add_column("95 %", no_wrap=True)
    if has_bars:
        table.add_column("0" + "50".center(_BAR_WIDTH - 4) + "100", no_wrap=True)
    for name in (*BASELINES, "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(showable(row.task)),
            Text(percent(row.score) + (" ▲" if row.is_above_baselines else "  "), style="bold"),
            f"{percent(row.low)}–{percent(row.high)}",
            *([Text(_bar(row), style="cyan")] if has_bars else []),
            *(percent(getattr(row, name)) for name in BASELINES),
            str(row.n),
        )
    table.caption = Text("▲ surely above chance, constant and blind", style="dim")
    return table


def _bar(row: ScoreRow) -> str:
    """Return the interval as a line over 0 to 1, with a mark at the score."""
    cells = [" "] * _BAR_WIDTH
    start, stop = (min(int(value * _BAR_WIDTH), _BAR_WIDTH - 1) for value in (row.low, row.high))
    for cell in range(start, stop + 1):
        cells[cell] = "─"
    cells[min(int(row.score * _BAR_WIDTH), _BAR_WIDTH - 1)] = "●"
    return "".join(cells)
