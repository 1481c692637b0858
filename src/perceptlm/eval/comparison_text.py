"""A comparison of two runs as lines for a terminal. Computes nothing, and takes no text for markup."""

from __future__ import annotations

from perceptlm.eval.compare import Comparison, Difference, Example
from perceptlm.report.text import percent, showable

_MAX_CHARACTERS = 160


def comparison_lines(found: Comparison) -> list[str]:
    """Return the table, what was left out, and the examples; in percent, and points for differences (B - A)."""
    lines = [f"A: {found.model_a} ({found.a})", f"B: {found.model_b} ({found.b})"]
    lines += [f"warning: not the same {text}" for text in found.warnings]
    share = f"{100 * found.confidence:g} %"
    lines += ["", f"{'':8}{'A':>7}{'B':>7}{'B - A':>8}{share:>17}{'p':>9}{'detectable':>12}{'n':>8}{'clusters':>10}"]
    rows: list[tuple[str, Difference | None]] = [(task.row, task.difference) for task in found.tasks]
    if found.average is not None:
        rows.append(("average", found.average))
    lines += [_line(name, difference) for name, difference in rows]
    lines += [
        "",
        f"detectable: the true difference that a test of so many items finds {100 * found.power:g} times of 100",
        *_caution(rows, 1 - found.confidence),
    ]
    for task in found.tasks:
        if task.left_out:
            reasons = ", ".join(f"{count} {reason}" for reason, count in task.left_out.items())
            lines.append(f"{task.row}: not compared: {reasons}")
    lines += [f"{side}: {gap}" for side, gaps in (("A", found.gaps_a), ("B", found.gaps_b)) for gap in gaps]
    for example in found.examples:
        lines += ["", *_example_lines(example)]
    return [showable(line) for line in lines]


def _line(name: str, found: Difference | None) -> str:
    if found is None:
        return f"{name:8}   nothing in common"
    interval = f"{_points(found.ci_low)} to {_points(found.ci_high)}"
    detectable = "–" if found.detectable is None else f"{100 * found.detectable:.1f}"
    p_value = "<0.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}"
    return (
        f"{name:8}{percent(found.score_a):>7}{percent(found.score_b):>7}{_points(found.difference):>8}{interval:>17}"
        f"{p_value:>9}{detectable:>12}{found.n:>8}{found.num_clusters:>10}"
    )


def _caution(rows: list[tuple[str, Difference | None]], significance: float) -> list[str]:
    num = sum(found is not None for _, found in rows)
    if num < 2:
        return []
    some = 1 - (1 - significance) ** num
    return [
        f"of {num} rows of two equal models, one or more has p < {significance:.2g} up to {100 * some:.0f} times of 100"
    ]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _example_lines(example: Example) -> list[str]:
    return [
        f"{example.row} {example.id}: A {percent(example.score_a)}, B {percent(example.score_b)}",
        f"    asked   {_cut(example.prompt)}",
        f"    wanted  {_cut(example.reference)}",
        f"    A said  {_cut(example.prediction_a)}",
        f"    B said  {_cut(example.prediction_b)}",
    ]


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"
