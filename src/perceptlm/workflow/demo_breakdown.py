"""The demo's report: where the model succeeds and where it fails, from an evaluation's `breakdown.json`.

Tables and charts beside the blind score, and sentences that say only what the intervals carry. Asks no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from perceptlm.eval.breakdown import By, Slice
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.report.page import FEW, BarCharts, Estimate, EstimateTable, ScoreTable, Section
from perceptlm.report.table import ScoreRow

_DIMENSIONS = ("what", "where", "when", "how")
_CHARTS: dict[By, str] = {
    "num_things": "things in the clip",
    "speed": "speed",
    "size": "size",
    "occlusion": "hidden",
    "num_events": "events",
    "held_out": "thing and action",
}
_WORDS: dict[By, str] = {
    "dimension": "“{}”",
    "num_things": "things in the clip: {}",
    "speed": "things that are {}",
    "size": "{} things",
    "occlusion": "{} of the thing hidden",
    "num_events": "events in the clip: {}",
    "held_out": "pairs of thing and action {} in training",
}
_MAX_SENTENCES = 4


@dataclass(frozen=True)
class Contrast:
    """The best and the worst value of one row by one criterion."""

    best: Slice
    worst: Slice

    @property
    def gap(self) -> float:
        """Score of the best less that of the worst."""
        return self.best.score - self.worst.score

    @property
    def is_clear(self) -> bool:
        """Whether the two intervals lie apart."""
        return self.worst.high < self.best.low


def breakdown_sections(slices: Sequence[Slice]) -> list[Section]:
    """Return the sections for the slices of an evaluation; none if there are no slices."""
    if not slices:
        return []
    return [_dimensions(slices), _charts(slices), _families(slices)]


def find_contrasts(slices: Sequence[Slice], criteria: Sequence[By]) -> list[Contrast]:
    """Return best against worst for every row and criterion with two values or more, greatest gap first.

    Values with fewer than `FEW` items are left out: they say nothing.
    """
    usable = [item for item in slices if item.by in criteria and item.n >= FEW]
    found = []
    for _, group in groupby(usable, key=lambda item: (item.row, item.by)):
        items = sorted(group, key=lambda item: item.score)
        if len(items) > 1:
            found.append(Contrast(best=items[-1], worst=items[0]))
    return sorted(found, key=lambda contrast: -contrast.gap)


def _dimensions(slices: Sequence[Slice]) -> EstimateTable:
    rows: list[tuple[str, list[Estimate | None]]] = []
    for name in ROW_NAMES:
        found = {item.value: _estimate(item) for item in slices if item.row == name and item.by == "dimension"}
        if found:
            rows.append((name, [found.get(dimension) for dimension in _DIMENSIONS]))
    return EstimateTable(
        heading="Where it succeeds and fails",
        paragraphs=dimension_sentences(slices),
        caption="Score in percent by what is asked for, with 95 % interval; ◆ and blind: the best without the right "
        "pixels on the same items. Green: the whole interval lies over blind.",
        columns=_DIMENSIONS,
        rows=rows,
    )


def _charts(slices: Sequence[Slice]) -> BarCharts:
    rows = []
    for name in ROW_NAMES:
        charts = [[_estimate(item) for item in slices if item.row == name and item.by == by] for by in _CHARTS]
        if any(charts):
            rows.append((name, charts))
    return BarCharts(
        heading="By what the clip shows",
        paragraphs=chart_sentences(slices),
        caption="Score in percent, every chart from 0 to 100. Speed, size and hidden share are those of the thing that "
        "is asked about. Held out: a pair of thing and action that no training clip shows.",
        columns=list(_CHARTS.values()),
        rows=rows,
    )


def _families(slices: Sequence[Slice]) -> ScoreTable:
    families = sorted((item for item in slices if item.by == "template"), key=lambda item: (-item.score, item.value))
    rows = [
        ScoreRow(
            task=item.value,
            metric="",
            score=item.score,
            low=item.low,
            high=item.high,
            n=item.n,
            blind=item.blind,
            constant=item.constant,
        )
        for item in families
    ]
    caption = f"All {len(rows)} families of questions, best first"
    return ScoreTable(heading="Question families", caption=caption, rows=rows, is_folded=True)


def dimension_sentences(slices: Sequence[Slice]) -> list[str]:
    """Return what the dimensions tell: each row's weakest one, as far as it has several."""
    contrasts = find_contrasts(slices, ("dimension",))
    if not contrasts:
        return [f"No row has two dimensions with {FEW} items each: too few to compare."]
    return [_say("weakest on", contrast) for contrast in contrasts]


def chart_sentences(slices: Sequence[Slice]) -> list[str]:
    """Return the greatest differences that the intervals bear out, and out of how many comparisons they are."""
    contrasts = find_contrasts(slices, tuple(_CHARTS))
    if not contrasts:
        return [f"No chart has two values with {FEW} items each: too few to compare."]
    clear = [contrast for contrast in contrasts if contrast.is_clear]
    counted = f"{len(clear)} of {len(contrasts)} charts have a best and a worst value whose intervals lie apart"
    if not clear:
        return [f"{counted}: none of this is sure to make a difference."]
    return [f"{counted}; the greatest gaps:", *(_say("lowest with", item) for item in clear[:_MAX_SENTENCES])]


def _say(how: str, contrast: Contrast) -> str:
    best, worst = contrast.best, contrast.worst
    unsure = "" if contrast.is_clear else " (the intervals overlap)"
    value, other = (_words(item) for item in (worst, best))
    return (
        f"{worst.row} is {how} {value}: {100 * worst.score:.1f}, {100 * contrast.gap:.1f} points below {other}{unsure}."
    )


def _words(item: Slice) -> str:
    return _WORDS[item.by].format(item.value)


def _estimate(item: Slice) -> Estimate:
    return Estimate(item.value, item.score, item.low, item.high, item.n, item.blind)
