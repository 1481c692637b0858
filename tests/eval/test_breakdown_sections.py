"""eval.breakdown_sections: every slice appears, and sentences say no more than the intervals carry."""

import pytest

from perceptlm.eval.breakdown import Slice
from perceptlm.eval.breakdown_sections import (
    breakdown_sections,
    chart_sentences,
    dimension_sentences,
    find_contrasts,
)
from perceptlm.report.page import BarCharts, EstimateTable, Page, ScoreTable, render_page


def piece(by, value, score, *, row="fgqa", n=40, reach=0.05, blind=0.1):
    return Slice(
        row=row,
        by=by,
        value=value,
        n=n,
        score=score,
        low=max(0.0, score - reach),
        high=min(1.0, score + reach),
        blind=blind,
        blind_variant=None if blind is None else "zero",
        constant=0.2,
    )


SLICES = [
    piece("dimension", "what", 0.6),
    piece("dimension", "when", 0.3),
    piece("num_things", "1", 0.7),
    piece("num_things", "5+", 0.2),
    piece("occlusion", "none", 0.5),
    piece("occlusion", "much", 0.45),
    piece("template", "fgqa.colour", 0.6),
    piece("template", "fgqa.order", 0.2),
    piece("dimension", "when", 0.4, row="rtloc"),
    piece("num_things", "1", 0.4, row="rtloc", n=3, blind=None),
]


def test_every_slice_has_its_place():
    dimensions, charts, families = breakdown_sections(SLICES)
    assert isinstance(dimensions, EstimateTable)
    assert [name for name, _ in dimensions.rows] == ["fgqa", "rtloc"]
    cells = dict(dimensions.rows)["fgqa"]
    assert [cell and cell.score for cell in cells] == [0.6, None, 0.3, None]
    assert isinstance(charts, BarCharts)
    assert [[len(chart) for chart in found] for _, found in charts.rows] == [[2, 2], [1, 0]]
    assert list(charts.columns) == ["things in the clip", "hidden"]
    assert isinstance(families, ScoreTable)
    assert [row.task for row in families.rows] == ["fgqa.colour", "fgqa.order"]  # best first
    render_page(Page("t", [dimensions, charts, families]))


def test_without_slices_there_is_no_section():
    assert breakdown_sections([]) == []


def test_the_weakest_dimension_is_named_with_its_distance():
    (sentence,) = dimension_sentences(SLICES)
    assert sentence == "fgqa is weakest on “when”: 30.0, 30.0 points below “what”."


def test_overlapping_intervals_are_said():
    slices = [piece("dimension", "what", 0.5), piece("dimension", "how", 0.45)]
    assert dimension_sentences(slices)[0].endswith("(the intervals overlap).")


def test_the_clear_gaps_are_counted_and_the_others_not_told():
    counted, told = chart_sentences(SLICES)
    assert counted.startswith("1 of 2 charts")
    assert told == "fgqa is lowest with things in the clip: 5+: 20.0, 50.0 points below things in the clip: 1."
    (none_clear,) = chart_sentences(SLICES[4:6])
    assert "0 of 1" in none_clear


def test_few_items_say_nothing():
    few = [piece("dimension", "what", 0.9, n=9), piece("dimension", "when", 0.1, n=400)]
    assert find_contrasts(few, ("dimension",)) == []
    assert "too few to compare" in dimension_sentences(few)[0]
    assert "too few to compare" in chart_sentences(few)[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [("held out", "pairs of thing and action held out in training: 10.0"), ("seen", "action seen in training: 10.0")],
)
def test_held_out_pairs_are_named(value, words):
    other = "seen" if value == "held out" else "held out"
    assert words in chart_sentences([piece("held_out", value, 0.1), piece("held_out", other, 0.9)])[1]
