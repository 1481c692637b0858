"""Lines of a table: aligned, whole, and safe to print."""

import pytest

from perceptlm.report.listing import listing_lines


def test_words_stand_left_and_numbers_right() -> None:
    lines = listing_lines(("name", "rows", "%"), [("a", 1234, 50.0), ("longer", None, 9.96), ("b", "?", 0.0)])
    assert lines == [
        "name     rows     %",
        "a       1,234  50.0",
        "longer      –  10.0",
        "b           ?   0.0",
    ]


def test_no_rows_and_wrong_rows() -> None:
    assert listing_lines(("a", "b"), []) == ["a  b"]
    with pytest.raises(ValueError, match="every row needs 2 cells"):
        listing_lines(("a", "b"), [("only one",)])


def test_text_cannot_steer_a_terminal_or_break_lines(hostile: str) -> None:
    for line in listing_lines(("a",), [("x\x1b[2J\ny\u202ez",), (hostile,)]):
        assert "\x1b" not in line
        assert "\n" not in line
        assert "\u202e" not in line
