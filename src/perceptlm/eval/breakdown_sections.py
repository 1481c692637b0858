"""Sections of a page: where the model succeeds and where it fails, from an evaluation's `breakdown.json`.

Tables and charts beside the blind score, and sentences that say only what the intervals carry. Asks no model. Both the
demo's report and `plm eval report` show them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from perceptlm.eval.breakdown import By, Slice
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.report.page import BarCharts, Estimate, EstimateTable, ScoreTable, Section
from perceptlm.report.table import FEW, ScoreRow

_DIMENSIONS = ("what", "where", "when", "how")
_CHARTS: dict[By, str] = {
    "clip_length": "length of the clip",
    "box_size": "size of the box",
    "num_things": "things in the clip",
    "speed": "speed",
    "size": "size",
    "occlusion": "hidden",
    "num_events": "events",
    "held_out": "thing and action",
}
_TABLES: dict[By, str] = {
    "question_type": "question types",
    "domain": "domains",
    "subject_class": "classes of the subject",
    "template": "families of questions",
}
"""What has too many values for a chart."""
_WORDS: dict[By, str] = {
    "dimension": "“{}”",
    "clip_length": "clips of {}",
    "box_size": "boxes of {} of the picture",
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


def breakdown_sections(slices: Sequence[Slice], name: str = "") -> list[Section]:
    """Return the sections for the slices of an evaluation; none if there are no slices.

    `name` tells runs apart that stand on one page.
    """
    if not slices:
        return []
    suffix = f" · {name}" if name else ""
    sections: list[Section] = []
    if any(item.by == "dimension" for item in slices):
        sections.append(_dimensions(slices, suffix))
    if any(item.by in _CHARTS for item in slices):
        sections.append(_charts(slices, suffix))
    return sections + [_table(slices, by, suffix) for by in _TABLES if any(item.by == by for item in slices)]


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


def _dimensions(slices: Sequence[Slice], suffix: str) -> EstimateTable:
    rows: list[tuple[str, list[Estimate | None]]] = []
    for name in ROW_NAMES:
        found = {item.value: _estimate(item) for item in slices if item.row == name and item.by == "dimension"}
        if found:
            rows.append((name, [found.get(dimension) for dimension in _DIMENSIONS]))
    return EstimateTable(
        heading=f"Where it succeeds and fails{suffix}",
        paragraphs=dimension_sentences(slices),
        caption="Score in percent by what is asked for, with 95 % interval; ◆ and blind: the best without the right "
        f"pixels on the same items. Green: the whole interval lies over blind, of {FEW} items or more.",
        columns=_DIMENSIONS,
        rows=rows,
    )


def _charts(slices: Sequence[Slice], suffix: str) -> BarCharts:
    shown = [by for by in _CHARTS if any(item.by == by for item in slices)]
    rows = []
    for name in ROW_NAMES:
        charts = [[_estimate(item) for item in slices if item.row == name and item.by == by] for by in shown]
        if any(charts):
            rows.append((name, charts))
    return BarCharts(
        heading=f"By what the clip shows{suffix}",
        paragraphs=chart_sentences(slices),
        caption="Score in percent, every chart from 0 to 100. Speed, size, box and hidden share are those of the thing "
        "that is asked about. Held out: a pair of thing and action that no training clip shows.",
        columns=[_CHARTS[by] for by in shown],
        rows=rows,
    )


def _table(slices: Sequence[Slice], by: By, suffix: str) -> ScoreTable:
    """Return a folded table of one criterion, best first; templates name their row of the table already."""
    found = sorted((item for item in slices if item.by == by), key=lambda item: (-item.score, item.value, item.row))
    rows = [
        ScoreRow(
            task=item.value if by == "template" else f"{item.row} · {item.value}",
            metric="",
            score=_share(item.score),
            low=_share(item.low),
            high=_share(item.high),
            n=item.n,
            blind=None if item.blind is None else _share(item.blind),
            constant=None if item.constant is None else _share(item.constant),
        )
        for item in found
    ]
    title = _TABLES[by][0].upper() + _TABLES[by][1:]
    heading = "Question families" if by == "template" else f"By {_TABLES[by]}"
    caption = f"{title}: all {len(rows)}, best first"
    return ScoreTable(heading=heading + suffix, caption=caption, rows=rows, is_folded=True)


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
    blind = None if item.blind is None else _share(item.blind)
    return Estimate(item.value, _share(item.score), _share(item.low), _share(item.high), item.n, blind)


def _share(value: float) -> float:
    # A judge that went off its scale (lmms-eval-0.7.2) can lead beyond 1: drawings end there.
    return min(max(value, 0.0), 1.0)
