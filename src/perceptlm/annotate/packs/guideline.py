"""The guideline that stands beside the work: Markdown of a stranger, rendered to HTML that can do nothing.

Raw HTML is shown as text, pictures come from the pack alone, links lead to http(s) pages in a new window without a way
back. Knows no pack directory: the caller says which pictures there are and under which address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perceptlm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_BYTES = 512 * 1024
_PICTURE = re.compile(r"pictures/([A-Za-z0-9][A-Za-z0-9._-]*)")
_LINK = re.compile(r"https?://[^\s/?#@\\]+([/?#][^\s]*)?|#[\w-]*", flags=re.IGNORECASE)


def render_guideline(markdown: str, pictures: Collection[str] = (), *, picture_root: str = "pictures/") -> str:
    """Return safe HTML. A picture `pictures/NAME` becomes `picture_root` + NAME if NAME is one of `pictures`; of any
    other only the description is left. DataError for more than 512 KiB."""
    if len(markdown.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise DataError(f"the guideline is larger than {MAX_BYTES // 1024} KiB")
    return str(_renderer(pictures, picture_root).render(markdown))


def check_guideline(path: Path, markdown: str, pictures: Collection[str]) -> None:
    """Raise DataError naming the line of a picture that the pack does not hold, or of a link that would be cut."""
    for line, token in _walk(_renderer(pictures, "", strict=False).parse(markdown)):
        if token.type == "image":
            source = str(token.attrGet("src") or "")
            found = _PICTURE.fullmatch(source)
            if found is None or found.group(1) not in pictures:
                hint = "put it into pictures/ and write ![what it shows](pictures/NAME.png)"
                raise DataError(f"the picture '{source[:80]}' is not in the pack", path=path, line=line, hint=hint)
        elif token.type == "link_open" and not _LINK.fullmatch(str(token.attrGet("href") or "")):
            target = str(token.attrGet("href"))[:80]
            raise DataError(f"the link '{target}' leads to no http(s) page", path=path, line=line)
        elif token.type in ("html_block", "html_inline"):
            raise DataError("holds raw HTML, which would be shown as text", path=path, line=line, hint="use Markdown")


def _walk(tokens: Sequence[Token], line: int = 1) -> Iterator[tuple[int, Token]]:
    for token in tokens:
        here = token.map[0] + 1 if token.map else line
        yield here, token
        yield from _walk(token.children or (), here)


def _renderer(pictures: Collection[str], picture_root: str, *, strict: bool = True) -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
        from markdown_it.common.utils import escapeHtml
    except ImportError as error:
        raise ConfigError(
            "rendering a guideline needs markdown-it-py", hint="pip install 'perceptlm[annotate]'"
        ) from error
    # Where raw HTML is only looked for, it must be parsed as such; it is rendered nowhere then.
    made = MarkdownIt("commonmark", {"html": not strict}).enable("table")

    def is_valid(url: str) -> bool:
        return not strict or bool(_LINK.fullmatch(url) or _PICTURE.fullmatch(url))

    def image(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        text = escapeHtml(token.content)
        found = _PICTURE.fullmatch(str(token.attrGet("src") or ""))
        if found is None or found.group(1) not in pictures:
            return text
        return f'<img src="{escapeHtml(picture_root + found.group(1))}" alt="{text}" loading="lazy">'

    def link_open(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        target = str(token.attrGet("href") or "")
        outside = "" if target.startswith("#") else ' rel="noopener noreferrer nofollow" target="_blank"'
        return f'<a href="{escapeHtml(target)}"{outside}>'

    made.validateLink = is_valid  # type: ignore[method-assign]
    made.add_render_rule("image", lambda self, *found: image(*found))
    made.add_render_rule("link_open", lambda self, *found: link_open(*found))
    return made
