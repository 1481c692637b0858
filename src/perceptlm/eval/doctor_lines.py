"""What the doctor found, as lines for a terminal."""

from __future__ import annotations

from perceptlm.eval.doctor import Diagnosis, Level
from perceptlm.report.listing import Cell, listing_lines, one_line
from perceptlm.report.text import percent

_HEADER = ("", "items", "can be asked", "coverage %", "best reachable %", "collapsed spans", "frames with box %")
_MARKS: dict[Level, str] = {"lost": "✗", "wrong": "!", "noted": "·"}
_MAX_LINE = 160


def diagnosis_lines(found: Diagnosis) -> list[str]:
    """Return a table of the rows, then every finding with examples."""
    rows: list[tuple[Cell, ...]] = [
        (
            task.row,
            task.coverage.num_items,
            task.coverage.num_askable,
            100 * task.coverage.share,
            None if task.best_reachable is None else 100 * task.best_reachable,
            task.num_collapsed_spans,
            None if task.share_of_shown_frames_with_box is None else 100 * task.share_of_shown_frames_with_box,
        )
        for task in found.tasks
    ]
    lines = [*listing_lines(_HEADER, rows), f"{found.num_media:,} media files; {found.num_frames} frames of a video"]
    named = [(task.row, finding) for task in found.tasks for finding in task.findings]
    for row, finding in [*named, *(("", finding) for finding in found.elsewhere)]:
        lines.append(
            f"{_MARKS[finding.level]} {f'{row}: ' if row else ''}{finding.what}: {finding.num:,} {finding.unit}"
        )
        lines += [f"    {_cut(example)}" for example in finding.examples]
    for task in found.tasks:
        if task.num_never_scoring:
            share = percent(task.num_never_scoring / max(task.coverage.num_askable, 1), 2)
            lines.append(f"{task.row}: {task.num_never_scoring:,} items ({share} %) can never score")
        if task.group_sizes:
            told = ", ".join(f"{number:,} of {size}" for size, number in task.group_sizes.items())
            lines.append(f"{task.row}: groups by number of questions: {told}")
    lines.append("✗ cannot be asked   ! the record is wrong   · as released, to be known")
    return lines


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…"
