import base64
import hashlib
import re
from pathlib import Path

import pytest
from html_reader import HtmlReader

from perceptlm.report.page import (
    BarCharts,
    Entry,
    Estimate,
    EstimateTable,
    ExampleCard,
    KeyValues,
    Page,
    ScoreTable,
    render_page,
    write_page,
)
from perceptlm.report.table import Difference, ScoreRow, Target

FETCHING = {"src", "href", "srcset", "action", "formaction", "data", "poster", "background", "xlink:href"}


@pytest.mark.parametrize("name", ["plain_page", "hostile_page"])
def test_the_page_is_balanced_and_fetches_nothing(name: str, request: pytest.FixtureRequest) -> None:
    html = render_page(request.getfixturevalue(name))
    reader = HtmlReader(html)
    for tag, attributes in reader.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form", "a:href"}
        for attribute, value in attributes.items():
            assert not attribute.startswith("on"), f"<{tag} {attribute}>"
            if attribute in FETCHING:
                assert value is not None
                assert value.startswith(("data:image/", "#section-"))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_text_is_shown_not_run(hostile_page: Page) -> None:
    html = render_page(hostile_page)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800]", html)
    reader = HtmlReader(html)
    assert len(reader.of("style")) == 1
    assert "<script>alert(1)</script>" in reader.text
    assert "{{ 7*7 }}" in reader.text
    assert all('onerror="x' in str(image["alt"]) for image in reader.of("img")[:2])
    html.encode()  # lone surrogates are gone


def test_the_policy_lets_through_exactly_this_style_sheet(plain_page: Page) -> None:
    html = render_page(plain_page)
    policy = next(meta["content"] for meta in HtmlReader(html).of("meta") if "http-equiv" in meta)
    style = html[html.index("<style>") + len("<style>") : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_pictures_tables_and_drawings_have_words(plain_page: Page) -> None:
    html = render_page(plain_page)
    reader = HtmlReader(html)
    assert all(image["alt"] for image in reader.of("img"))
    assert all("aria-label" in svg or svg.get("aria-hidden") == "true" for svg in reader.of("svg"))
    assert len(reader.of("caption")) == len(reader.of("table")) > 0
    assert "fgqa: 41.0, 95 % interval 33.0 to 50.0, chance 12.5, constant 12.5, blind 15.0, oracle 100.0" in html
    assert len(reader.of("h1")) == 1
    ids = [str(attributes["id"]) for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(str(link["href"])[1:] in ids for link in reader.of("a"))


def test_scores_stand_beside_their_baselines(plain_page: Page) -> None:
    text = HtmlReader(render_page(plain_page)).text
    assert "41.0 ▲" in text
    assert "21.0 ▲" not in text
    assert "33.0 – 50.0" in text
    assert "judged offline" in text
    assert "–" in text  # a baseline that was not measured


def test_same_page_same_bytes(hostile_page: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", hostile_page)
    assert (tmp_path / "a.html").read_bytes() == render_page(hostile_page).encode()
    assert render_page(hostile_page) == render_page(hostile_page)


def test_an_empty_answer_is_said_to_be_empty(plain_page: Page) -> None:
    assert "(nothing)" in HtmlReader(render_page(plain_page)).text


def test_bars_stay_inside_their_track() -> None:
    html = render_page(Page("t", [KeyValues("h", "c", [Entry("a", "1", 1.7), Entry("b", "2", -0.5)])]))
    widths = [float(str(rect["width"])) for rect in HtmlReader(html).of("rect") if rect["class"] == "fill"]
    assert widths == [400.0, 0.0]


@pytest.mark.parametrize(("score", "tone"), [(1.0, "good"), (0.5, "fair"), (0.0, "bad")])
def test_the_tone_follows_the_score(score: float, tone: str, plain_page: Page) -> None:
    cards = next(section for section in plain_page.sections if section.template == "cards.html")
    assert ExampleCard("t", cards.cards[0].picture, "q", "a", "t", score).tone == tone  # type: ignore[union-attr]


def test_an_empty_page_renders() -> None:
    assert HtmlReader(render_page(Page("nothing yet", []))).of("nav") == []


def test_goals_and_differences_have_columns_only_where_there_are_some() -> None:
    target = Target(False, "lower end over 37.5", "35.0, 2.5 short of 37.5")
    told = ScoreRow("a", "m", 0.5, 0.4, 0.6, over_blind=Difference(0.1, -0.02, 0.3), target=target, n=7, unit="groups")
    text = HtmlReader(render_page(Page("t", [ScoreTable("h", "c", [told])]))).text
    for words in (
        "over blind",
        "+10.0",
        "-2.0 to +30.0",
        "may be 0",
        "✗ missed",
        "goal: lower end over 37.5; missed: 35.0, 2.5 short",
        "7groups",
    ):
        assert words in text
    html = render_page(Page("t", [ScoreTable("h", "c", [ScoreRow("a", "m", 0.5, 0.4, 0.6)])]))
    bare = HtmlReader(html[html.index("<body>") : html.index("</html>")]).text
    assert not any(words in bare for words in ("over blind", "goal", "oracle"))


def test_a_row_without_a_score_fills_its_line_with_dashes(rows: list[ScoreRow]) -> None:
    html = render_page(Page("t", [ScoreTable("h", "c", rows, unscored=["rdcap"])]))
    html = html[html.index("<thead>") : html.index("</tbody>")]
    line = html[html.index("rdcap") :]
    assert line.count("<td") + 1 == html.count('<th scope="col"')
    assert line.count("–") == line.count("<td") - 1  # the drawing says it in words


def test_bars_whiskers_and_blind_stand_at_their_heights() -> None:
    bars = [Estimate("1", 0.5, 0.25, 0.75, 40, 0.1), Estimate("2", 0.5, 0.25, 0.75, 4, 0.3)]
    html = render_page(Page("t", [BarCharts("h", "c", ["things"], [("fgqa", [bars])])]))
    section = html[html.index('<svg class="chart"') : html.index('<ul class="legend">')]
    reader = HtmlReader(section[: section.index("</svg>") + len("</svg>")])
    assert [rect["y"] for rect in reader.of("rect")] == ["55.0", "55.0"]  # halfway between 92 and 18
    assert [rect["height"] for rect in reader.of("rect")] == ["37.0", "37.0"]
    assert [rect["class"] for rect in reader.of("rect")] == ["bar seen", "bar"]  # the second is not surely over blind
    assert [group.get("class") for group in reader.of("g")] == [None, "few"]
    whiskers = [path["d"] for path in reader.of("path") if path["class"] == "whisker"]
    assert all(str(path).startswith("M0 73.5 V36.5") for path in whiskers)
    assert "1: 50.0, 95 % interval 25.0 to 75.0, blind 10.0, n 40" in section


def test_a_bar_has_room_for_its_label() -> None:
    charts = BarCharts("h", "c", ["a", "b"], [("x", [[Estimate("held out", 0, 0, 0, 1)], []])])
    assert charts.slots == (56, 32)


def test_a_cell_without_an_estimate_is_a_dash() -> None:
    table = EstimateTable("h", "c", ["what", "when"], [("fgqa", [None, Estimate("when", 0.2, 0.1, 0.3, 50, 0.05)])])
    html = render_page(Page("t", [table]))
    assert '<td class="quiet">–</td>' in html
    assert '<strong class="above">20.0</strong>' in html
    assert "10.0 – 30.0" in html
