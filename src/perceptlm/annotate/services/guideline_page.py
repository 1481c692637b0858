"""A guideline as HTML: Markdown with raw HTML off, so that nothing in it can run; links lead out, pictures nowhere."""

from __future__ import annotations

from markdown_it import MarkdownIt

_RENDERER = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def guideline_html(markdown: str) -> str:
    """Return the HTML of a guideline. Tags in the text come out as text; links can only be http, https or mailto."""
    return str(_RENDERER.render(markdown))
