"""A page with every kind of section, made from numbers nobody measured."""

import numpy as np
import pytest

from perceptlm.report.curves import line_chart
from perceptlm.report.embed import EmbeddedPicture, embed_jpeg, embed_png, embed_svg
from perceptlm.report.page import (
    BarCharts,
    Cards,
    Command,
    Commands,
    Entry,
    Estimate,
    EstimateTable,
    ExampleCard,
    Gallery,
    Highlight,
    KeyValues,
    Notes,
    Page,
    ScoreTable,
    Summary,
)
from perceptlm.report.table import Difference, ScoreRow, Target

HOSTILE = (
    '<script>alert(1)</script> " onerror="x \' {{ 7*7 }} </style> https://evil.example/x.png \x00\x1b[31m\u202e\ud800'
)


@pytest.fixture
def hostile() -> str:
    """Text that tries everything."""
    return HOSTILE


@pytest.fixture
def rows() -> list[ScoreRow]:
    """One row clearly above its baselines, one that is not, one with baselines that were not measured."""
    return [
        ScoreRow("fgqa", "multi-binary accuracy", 0.41, 0.33, 0.5, 0.15, 0.125, 0.125, 1.0, 120, "judged offline"),
        ScoreRow("rtloc", "mean recall", 0.21, 0.17, 0.26, 0.19, 0.2, 0.05, 1.0, 110),
        ScoreRow("image", "exact answer", 0.88, 0.83, 0.92, n=200),
    ]


def make_page(text: str, rows: list[ScoreRow]) -> Page:
    """Return a page in which `text` stands wherever a caller can put text."""
    picture = np.full((20, 30, 3), 127, np.uint8)
    chart = line_chart({text: ([0, 1], [2, 1]), "b": ([0, 1], [3, 2])}, title=text, xlabel=text, ylabel=text)
    pictures: list[EmbeddedPicture] = [
        embed_svg(chart, alt=text, caption=text),
        embed_png(picture, alt=text, caption=text),
    ]
    card = ExampleCard(text, embed_jpeg(picture, alt=text), text, text, text, 0.5, text, facts=[text])
    target = Target(True, text, text)
    row = ScoreRow(
        text,
        text,
        0.5,
        0.4,
        0.6,
        chance=0.5,
        note=text,
        unit=text,
        over_blind=Difference(0.1, -0.1, 0.3),
        target=target,
    )
    estimates = [Estimate(text, 0.5, 0.4, 0.6, 3, 0.2), Estimate("b", 1.0, 0.9, 1.0, 30)]
    sections = [
        Summary([text], [Highlight(text, text)], heading=text),
        ScoreTable(text, text, [*rows, row]),
        ScoreTable(text, text, rows, is_folded=True),
        EstimateTable(text, text, [text, "x"], [(text, [estimates[0], None])], [text]),
        BarCharts(text, text, [text, "x"], [(text, [estimates, []])], [text]),
        Commands(text, text, [Command(text, text)]),
        Gallery(text, pictures, text),
        Cards(text, [card, ExampleCard("empty", card.picture, "q", "", "t", 0.0)], text),
        Cards(text, [card], is_wide=True),
        KeyValues(text, text, [Entry(text, text, 0.3), Entry(text, text)]),
        KeyValues(text, text, [Entry(text, text)], is_folded=True),
        Notes(text, [text]),
    ]
    return Page(text, sections, text, text)


@pytest.fixture
def plain_page(rows: list[ScoreRow]) -> Page:
    """The page with harmless text."""
    return make_page("plain words", rows)


@pytest.fixture
def hostile_page(rows: list[ScoreRow], hostile: str) -> Page:
    """The page with hostile text everywhere."""
    return make_page(hostile, rows)
