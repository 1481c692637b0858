"""Tables of any figures on a page: each cell a text, with a smaller line below it where there is more to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Tone = Literal["", "good", "fair", "bad", "quiet"]


@dataclass(frozen=True)
class Cell:
    """What stands in a cell; `small` stands below it. A `quiet` one is drawn pale."""

    text: str
    small: str = ""
    tone: Tone = ""


@dataclass(frozen=True)
class PlainTable:
    """Rows of a name and one cell per column; None where there is nothing. Folded away when `is_folded`."""

    template: ClassVar[str] = "plain_table.html"
    heading: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]
    paragraphs: Sequence[str] = ()
    is_folded: bool = False
