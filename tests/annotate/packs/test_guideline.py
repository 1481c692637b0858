"""A guideline of a stranger becomes HTML that can do nothing."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.annotate.packs.guideline import render_guideline
from perceptlm.errors import DataError

ALLOWED = {
    "a": {"href", "rel", "target"}, "img": {"src", "alt", "loading"}, "code": {"class"}, "ol": {"start"},
    "th": {"style"}, "td": {"style"},
}  # fmt: skip
TAGS = {
    "a", "img", "code", "ol", "ul", "li", "p", "pre", "em", "strong", "blockquote", "hr", "br", "table", "thead",
    "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6",
}  # fmt: skip


class Elements(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def elements(markdown):
    parser = Elements()
    parser.feed(render_guideline(markdown, ["frame.png"], picture_root="/pack/pictures/"))
    return parser.found


def test_what_a_guideline_needs_is_rendered():
    text = "# One\n\n*a* **b** `c`\n\n- d\n\n| e |\n|---|\n| f |\n\n![g](pictures/frame.png) [h](https://example.org/?a=1&b=2)"
    found = elements(text)
    assert {"h1", "em", "strong", "code", "ul", "li", "table", "td"} <= {tag for tag, _ in found}
    assert ("img", {"src": "/pack/pictures/frame.png", "alt": "g", "loading": "lazy"}) in found
    link = next(attributes for tag, attributes in found if tag == "a")
    assert link == {
        "href": "https://example.org/?a=1&b=2", "rel": "noopener noreferrer nofollow", "target": "_blank",
    }  # fmt: skip


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//example.org)",
    "[x](/api/v1/projects)",
    "[x](https://user:word@example.org)",
    "<javascript:alert(1)>",
    "![x](https://example.org/track.png)",
    "![x](pictures/other.png)",
    "![x](pictures/../frame.png)",
    "![x](data:image/svg+xml,<svg>)",
    "![\"onload=alert(1)](pictures/frame.png)",
    "![x](pictures/frame.png \"' onload=alert(1)\")",
    "[a][b]\n\n[b]: javascript:alert(1)",
    "```\"onmouseover=alert(1)\nx\n```",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](https://example.org/\"onclick=alert(1))",
    "<!-- --!><script>alert(1)</script> -->",
    "&lt;script&gt;",
    "[" * 500 + "](x)" * 500,
    "> " * 300 + "x",
]  # fmt: skip


def is_harmless(markdown):
    for tag, attributes in elements(markdown):
        assert tag in TAGS
        assert set(attributes) <= ALLOWED.get(tag, set())
        if tag == "img":
            assert attributes["src"] == "/pack/pictures/frame.png"
        if tag == "a":
            assert attributes["href"].lower().startswith(("https://", "http://", "#", "pictures/"))
            assert "@" not in attributes["href"].split("/", 3)[2 if "//" in attributes["href"] else 0]


@pytest.mark.parametrize("markdown", HOSTILE)
def test_hostile_guidelines_do_nothing(markdown):
    is_harmless(markdown)


@given(st.lists(st.sampled_from([*HOSTILE[:24], "[", "](", ")", "<", ">", "`", "\n", "|", '"', "x"]), max_size=8))
def test_hostile_guidelines_do_nothing_together(parts):
    is_harmless("".join(parts))


def test_very_large_guidelines_are_refused():
    with pytest.raises(DataError, match="larger than"):
        render_guideline("x" * 600_000)
