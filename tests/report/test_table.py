import io

import pytest
from rich.console import Console

from perceptlm.errors import DataError
from perceptlm.report.table import Difference, ScoreRow, Target, describe_row, target_lines, terminal_table


def printed(rows: list[ScoreRow], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(terminal_table(rows, title="scores", width=width))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_table_fits_its_terminal(rows: list[ScoreRow]) -> None:
    for width in (80, 120):
        text = printed(rows, width)
        assert all(word in text for word in ("fgqa", "41.0 ▲", "33.0–50.0", "12.5", "15.0", "100.0", "120"))
        assert "…" not in text
        assert ("●" in text) is (width == 120)


def test_markup_in_a_row_is_only_text() -> None:
    assert "[red]x[/red]" in printed([ScoreRow("[red]x[/red]", "m", 0.5, 0.4, 0.6)], 80)
    assert "\x1b" not in printed([ScoreRow("\x1b[2Jx", "m", 0.5, 0.4, 0.6)], 80)


def test_above_means_the_whole_interval_above_every_blind_baseline() -> None:
    assert ScoreRow("a", "m", 0.5, 0.4, 0.6, blind=0.39, oracle=1.0, n=10).is_above_baselines
    assert not ScoreRow("a", "m", 0.5, 0.4, 0.6, blind=0.39, oracle=1.0, n=9).is_above_baselines
    assert not ScoreRow("a", "m", 0.5, 0.4, 0.6, blind=0.4, chance=0.1, n=10).is_above_baselines
    assert not ScoreRow("a", "m", 0.5, 0.4, 0.6, oracle=1.0, n=10).is_above_baselines


def test_blind_counts_through_the_paired_difference_where_there_is_one() -> None:
    def row(low: float, *, blind: float = 0.39, chance: float = 0.1) -> ScoreRow:
        over = Difference(0.1, low, 0.2)
        return ScoreRow("a", "m", 0.5, 0.4, 0.6, blind=blind, chance=chance, n=50, over_blind=over)

    assert row(0.01).is_above_baselines
    assert not row(-0.01).is_above_baselines  # the interval clears blind, the difference does not clear 0
    assert row(0.01, blind=0.45).is_above_baselines  # paired items tell more than two intervals
    assert not row(0.01, chance=0.4).is_above_baselines


def test_a_row_in_words(rows: list[ScoreRow]) -> None:
    assert describe_row(rows[2]) == "image: 88.0, 95 % interval 83.0 to 92.0"


@pytest.mark.parametrize("values", [(46.2, 40.0, 50.0), (0.5, 0.6, 0.4), (float("nan"), 0.0, 1.0)])
def test_scores_are_shares_of_one(values: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="score row 'a'"):
        ScoreRow("a", "m", *values)


def test_a_difference_excludes_zero_on_either_side() -> None:
    assert Difference(0.1, 0.01, 0.2).excludes_zero
    assert Difference(-0.1, -0.2, -0.01).excludes_zero
    assert not Difference(0.1, -0.01, 0.2).excludes_zero


def test_one_line_per_goal() -> None:
    rows = [
        ScoreRow("fgqa", "m", 0.5, 0.4, 0.6, target=Target(True, "over 37.5", "40.0")),
        ScoreRow("a\x1b[2J", "m", 0.5, 0.4, 0.6, target=Target(False, "over 90", "40.0")),
        ScoreRow("image", "m", 0.5, 0.4, 0.6),
    ]
    first, second = target_lines(rows)
    assert first.startswith("✓ fgqa ")
    assert second.startswith("✗ a\ufffd[2J")
    assert "\x1b" not in second
