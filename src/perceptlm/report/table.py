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
_BAR_WIDTH = 20
_WIDTH_WITH_BARS = 98


@dataclass(frozen=True)
class ScoreRow:
    """One row of a score table. Scores are shares of 1; a baseline that was not measured is None.

    `chance` is a random answer, `constant` the best fixed answer per question template, `blind` the best that was done
    without the right pixels, `oracle` the reference answer put through the same scorer. `n` counts scored items.
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
        """Whether the whole interval lies above every baseline that does not see the right pixels."""
        floors = [value for name, value in self.baselines if name != "oracle"]
        return bool(floors) and self.low > max(floors)


def describe_row(row: ScoreRow) -> str:
    """Return the row as one sentence, for those who cannot see its drawing."""
    compared = "".join(f", {name} {percent(value)}" for name, value in row.baselines)
    return f"{row.task}: {percent(row.score)}, 95 % interval {percent(row.low)} to {percent(row.high)}{compared}"


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
    table.caption = Text("▲ the whole interval lies above chance, constant and blind", style="dim")
    return table


def _bar(row: ScoreRow) -> str:
    """Return the interval as a line over 0 to 1, with a mark at the score."""
    cells = [" "] * _BAR_WIDTH
    start, stop = (min(int(value * _BAR_WIDTH), _BAR_WIDTH - 1) for value in (row.low, row.high))
    for cell in range(start, stop + 1):
        cells[cell] = "─"
    cells[min(int(row.score * _BAR_WIDTH), _BAR_WIDTH - 1)] = "●"
    return "".join(cells)
