"""Tables of words and numbers as plain lines of text, for terminals and pipes: columns aligned, nothing cut off.

Every text is made showable first, for it may come from records. Knows no scores; `table` draws those.
"""

from __future__ import annotations

from collections.abc import Sequence

from perceptlm.report.text import showable

Cell = str | int | float | None


def listing_lines(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the header and each row as a line. Numbers stand right, with commas; None is a dash.

    A column with a number in it stands right as a whole. Raises ValueError for a row of another length.
    """
    texts = [[one_line(name) for name in header], *([_text(cell) for cell in row] for row in rows)]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"every row needs {len(header)} cells")
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    right = [any(isinstance(cell, int | float) for cell in column) for column in zip(*rows, strict=True)] or [
        False
    ] * len(header)
    return [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    ]


def one_line(text: str) -> str:
    """Return any text as one line that can be shown."""
    return " ".join(showable(text).split())


def _text(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else one_line(cell)
