"""report.browser and report.plain_table: drawings stay inside their frame, and hostile text stays text."""

from __future__ import annotations

from html_reader import HtmlReader

from perceptlm.report.browser import Bar, BrowserItem, Reply, SampleBrowser, Timeline
from perceptlm.report.page import Page, render_page
from perceptlm.report.plain_table import Cell, PlainTable


def item(text: str, **filters: str) -> BrowserItem:
    drawn = Timeline(8, [(text, [Bar(0, 3, text)]), ("b", [])])
    reply = Reply(text, text, text, "bad", [text])
    return BrowserItem(text, text, text, text, text, "good", [reply], filters, None, text, drawn, [text])


def test_bars_lie_within_the_drawing_however_wild_their_times() -> None:
    drawn = Timeline(32, [("truth", [Bar(0, 31)])])
    right = drawn.left + drawn.width
    for bar in (Bar(0, 31), Bar(-5, 1e9), Bar(9, 2), Bar(31, 31), Bar(4, 4)):
        start, width = drawn.placed(bar)
        assert drawn.left <= start <= right
        assert width >= 2
        assert start + width <= right + 2
    assert drawn.placed(Bar(9, 2)) == drawn.placed(Bar(2, 9))
    assert drawn.ticks == (0, 8, 16, 23, 31)
    assert Timeline(1, []).ticks == (0, 1)


def test_a_drawing_is_told_in_words() -> None:
    assert Timeline(8, [("truth", [Bar(1, 2.5)]), ("a", [])]).describe() == "truth: 1 to 2.5; a: nothing"


def test_hostile_text_neither_runs_nor_filters_what_it_should_not(hostile: str) -> None:
    section = SampleBrowser(hostile, hostile, [item(hostile, task=hostile), item("plain", task="rcap")], ["task", "x"])
    table = PlainTable(hostile, hostile, [hostile], [(hostile, [Cell(hostile, hostile)]), ("b", [None])], [hostile])
    html = render_page(Page(hostile, [section, table]))
    tags = HtmlReader(html).tags
    assert [tag for tag, _ in tags].count("script") == 1
    folds = [attributes for tag, attributes in tags if attributes.get("class") == "item"]
    assert folds[0]["data-filter0"] == next(str(a["value"]) for tag, a in tags if tag == "option" and a["value"])
    assert [fold["data-filter1"] for fold in folds] == ["", ""]
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)


def test_only_a_page_with_a_browser_has_a_script() -> None:
    html = render_page(Page("t", [PlainTable("h", "c", [], [])]))
    assert "<script" not in html
    assert "script-src" not in html
