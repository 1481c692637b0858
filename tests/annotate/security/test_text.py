"""XSS in configuration, labels, captions, names and hotkeys, as far as the server can prevent it.

LS CVE-2024-26152, CVE-2025-25296, CVE-2025-47783, CVE-2026-22033. People's text is kept as it is and sent as JSON that
no browser takes for a page; the one piece of HTML, the guideline, holds allowed tags alone. What the page does with
text is tested in `tests/annotate/page`.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>", "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7 %>", "';alert(1)//", "</script><!--", "\u202egnp.exe", "&lt;script&gt;", "\u2028alert(1)",
]  # fmt: skip
TAGS = {"h1", "h2", "h3", "p", "a", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "img",
        "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
ATTRIBUTES = {"a": {"href", "rel", "target"}, "img": {"src", "alt", "loading"}, "ol": {"start"}, "code": {"class"},
              "th": {"style"}, "td": {"style"}}  # fmt: skip


def is_json_for_sure(answer):
    return (
        answer.headers["content-type"] in ("application/json", "application/x-ndjson")
        and answer.headers["x-content-type-options"] == "nosniff"
        and "default-src 'none'" in answer.headers["content-security-policy"]
    )


def test_peoples_text_goes_in_and_comes_out_as_it_is_and_only_as_json(own_world):
    world, ids = own_world, own_world.ids
    for number, text in enumerate(HOSTILE):
        entry = {**world.service.choice(text), "asset_id": ids["video"], "question": text, "options": [text, "b"]}
        entry["proposals"] = [{"kind": "choice", "text": text, "model": {"name": text}}]
        added = world.ask("man", "POST", "projects/p/items", json={"items": [entry]})
        assert added.status_code == 201, added.text
        user = {"name": f"u{number}", "password": "a long password", "display_name": text}
        made = world.ask("own", "POST", "users", json=user)
        assert made.json()["display_name"] == text
        member = world.ask("own", "POST", "projects/p/members", json={"user": f"u{number}", "role": "annotator"})
        item = world.ask("man", "GET", f"projects/p/items/{added.json()['items'][0]['id']}")
        assert (item.json()["question"], item.json()["options"][0]) == (text, text)
        assert all(map(is_json_for_sure, (added, made, member, item)))
    project = {"slug": "x", "title": HOSTILE[0]}
    assert world.ask("own", "POST", "projects", json=project).json()["title"] == HOSTILE[0]
    draft = world.ask("ann", "PUT", f"assignments/{ids['lease:ann']}/draft", json={"body": {t: t for t in HOSTILE}},
                      headers={"If-Match": "0"})  # fmt: skip
    assert draft.is_success
    for path in ("projects/p/items", "projects/p/members", "projects", "projects/p/queue", "audit?limit=1000"):
        answer = world.ask("own", "GET", path)
        assert is_json_for_sure(answer), path
        assert "<script" in answer.text or path in ("projects/p/queue", "audit?limit=1000"), path


@pytest.mark.parametrize("text", HOSTILE)
def test_refusals_that_quote_a_value_are_json(world, text):
    for method, path, options in [
        ("GET", f"projects/p/items?state={text}", {}),
        ("GET", f"projects/{text.replace('/', '')}", {}),
        ("POST", "projects", {"json": {"slug": "ok", "title": "x", "pack": text}}),
        ("POST", "projects/p/members", {"json": {"user": text, "role": "manager"}}),
        ("POST", "projects/p/items", {"json": {text: 1}}),
        ("POST", "projects/p/next", {"json": {"steps": [text]}}),
        ("POST", "sessions", {"json": {"name": text, "password": text}}),
    ]:
        answer = world.ask("own", method, path, **options)
        assert 400 <= answer.status_code < 500
        assert is_json_for_sure(answer), (path, answer.headers)
        assert set(answer.json()["error"]) <= {"code", "message", "hint", "field"}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_stand_in_links_are_plain(world, name):
    user = {"name": name, "password": "a long password"}
    assert world.ask("own", "POST", "users", json=user).status_code == 422
    assert world.ask("own", "POST", "projects", json={"slug": name, "title": "x"}).status_code == 422


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


GUIDELINES = [
    *HOSTILE,
    "[x](javascript:alert(1))", "[x](JaVaScRiPt&#58;alert(1))", "[x](data:text/html;base64,PHN2Zz4=)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>", "![x](javascript:alert(1))", "![x](https://e/x.png)", "![x](pictures/../../secret)",
    "![\"onerror=alert(1)](pictures/x.png)", "[x](https://e \"'onmouseover=alert(1)\")",
    "[x]\n\n[x]: javascript:alert(1)",
    "| a |\n|--|\n| <img src=x onerror=alert(1)> |", "```\"><script>alert(1)</script>\n<script>\n```", "`<script>`",
    "<a href='javascript:alert(1)'>x</a>", "&#60;script&#62;alert(1)&#60;/script&#62;", "<https://e/\"onclick=alert(1)>",
    "[x](//e/x)", "[x](https://u:p@e/)", "<math><mtext></p><style><img src=x onerror=alert(1)>", "<![CDATA[<script>]]>",
]  # fmt: skip


def test_a_guideline_holds_allowed_tags_alone(own_world):
    for text in GUIDELINES:
        made = own_world.ask("man", "POST", "projects/p/guidelines", json={"markdown": f"# T\n\n{text}\n"})
        assert made.status_code == 201
        answer = own_world.ask("ann", "GET", f"projects/p/guidelines/{made.json()['version']}")
        assert is_json_for_sure(answer)
        tags = Tags()
        tags.feed(answer.json()["html"])
        for tag, attributes in tags.found:
            assert tag in TAGS, (text, tag)
            assert set(attributes) <= ATTRIBUTES.get(tag, set()), (text, attributes)
            link = attributes.get("href")
            assert link is None or link.startswith(("https://", "http://", "#")), (text, link)
            source = attributes.get("src")
            assert source is None or source.startswith("/api/v1/projects/p/guideline-pictures/"), (text, source)


def test_no_answer_of_the_interface_is_html(world):
    """Read from the OpenAPI document, and so of every route there is."""
    allowed = {"application/json", "application/x-ndjson", "image/png", "image/jpeg", "image/webp", "video/webm",
               "multipart/byteranges", "text/plain"}  # fmt: skip
    for path, methods in world.service.app.openapi()["paths"].items():
        for operation in methods.values():
            for answer in operation["responses"].values():
                assert set(answer.get("content", {})) <= allowed, path
    assert "<script" not in json.dumps(world.service.app.openapi())
