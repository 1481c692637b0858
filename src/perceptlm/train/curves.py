"""Loss-curve pictures from a stage's `metrics.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perceptlm.exchange.jsonl import read_lines
from perceptlm.report.curves import line_chart, smooth

Series = dict[str, tuple[list[float], list[float]]]


def read_losses(metrics: Path) -> Series:
    """Return task -> (steps, losses), 'all' first; a task appears at the steps in which it had targets."""
    series: Series = {"all": ([], [])}
    for _, record in read_lines(metrics):
        for task, loss in {"all": record["loss"], **record["per_task"]}.items():
            steps, losses = series.setdefault(task, ([], []))
            steps.append(float(record["step"]))
            losses.append(float(loss))
    return series


def draw_loss_curve(metrics: Path, title: str) -> bytes:
    """Return an SVG with one smoothed line per task."""
    series: dict[str, tuple[Sequence[float], Sequence[float]]] = {
        task: (steps, smooth(losses)) for task, (steps, losses) in read_losses(metrics).items()
    }
    return line_chart(series, title=title, xlabel="step", ylabel="loss", log_y=True)


def mean_of_ends(losses: Sequence[float], share: float = 0.1) -> tuple[float, float]:
    """Return the mean of the first and of the last `share` of the losses (at least one each)."""
    count = max(1, int(len(losses) * share))
    return sum(losses[:count]) / count, sum(losses[-count:]) / count
