"""What text from people and models may be: bounded, printable, one form of Unicode; and when two texts are the same.

Everything is hostile: control characters could steer a terminal, and direction overrides can show a reader another
text than the one that is stored. Knows no step and no payload.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_LINE_BREAKS = "\n\t"
_ARTICLES = frozenset(["a", "an", "the"])


def clean_line(text: str) -> str:
    """Return `text` in normal form C, blanks at the ends cut; ValueError for what may not stand in one line."""
    return _clean(text, "")


def clean_prose(text: str) -> str:
    """Return `text` as `clean_line` does; line breaks and tabs are allowed."""
    return _clean(text.replace("\r\n", "\n"), _LINE_BREAKS)


def _clean(text: str, allowed: str) -> str:
    for place, char in enumerate(text):
        if char in allowed:
            continue
        # Cc control, Cs lone surrogate, Zl and Zp the two separators that break lines in some programs only.
        if char in _REORDERING or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"character {place} is U+{ord(char):04X}, which is not text that can be shown")
    return unicodedata.normalize("NFC", text).strip()


def words_of(text: str) -> tuple[str, ...]:
    """Return the words as texts are compared: case folded, marks left out."""
    return tuple(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def same_text(first: str, second: str) -> bool:
    """Whether two answers are word for word the same, but for case, marks and articles. It does not judge meaning."""
    return _told(first) == _told(second)


def _told(text: str) -> tuple[str, ...]:
    words = words_of(text)
    return tuple(word for word in words if word not in _ARTICLES) or words or (text.strip(),)


Answer = Annotated[str, StringConstraints(max_length=4000), AfterValidator(clean_line), StringConstraints(min_length=1)]
"""An answer or an option: one line. The longest of the released set has 911 words."""
Wording = Annotated[
    str, StringConstraints(max_length=1000), AfterValidator(clean_line), StringConstraints(min_length=1)
]
"""A question: one line."""
Note = Annotated[str, StringConstraints(max_length=2000), AfterValidator(clean_prose)]
Rationale = Annotated[
    str, StringConstraints(max_length=4000), AfterValidator(clean_prose), StringConstraints(min_length=1)
]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A reason code of a pack."""
