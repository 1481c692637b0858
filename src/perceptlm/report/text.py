"""Making any text safe to show: what people and models wrote is hostile until it has been through here.

Escaping is the template engine's work; this takes out what escaping leaves in. It must not know of any page.
"""

from __future__ import annotations

import re

# Control characters (tab and newline excepted), lone surrogates, non-characters, and the bidirectional controls that
# can make a text read differently from what it says.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def showable(text: str) -> str:
    """Return `text` with every character that cannot be shown, or that hides others, replaced by U+FFFD."""
    return _UNSHOWABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share of 1 as a number of percent without the sign, or a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f}"
