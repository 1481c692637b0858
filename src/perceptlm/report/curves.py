"""Line charts and histograms as SVG: the same numbers give the same bytes, in the reader's light or dark theme.

Matplotlib is imported only when a chart is drawn. This module knows lines and bars, not losses.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from perceptlm.report.text import showable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
Intervals = Mapping[str, Sequence[tuple[float, float]]]

_INK, _FAINT, _PAPER = "#22272e", "#d8dce1", "#ffffff"
_DARK = {_INK: "#dfe4ea", _FAINT: "#39414b", _PAPER: "#171b21"}
# Paul Tol's "bright" scheme: told apart by colour-blind readers, and legible on white and on near-black.
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccaa33", "#44aadd", "#aa3377")
_STYLES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)))

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "perceptlm",
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.4,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _FAINT,
    "figure.facecolor": _PAPER,
}


def line_chart(
    series: Series,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    log_y: bool = False,
    has_total: bool = True,
    intervals: Intervals | None = None,
) -> bytes:
    """Return an SVG with one line per entry of `series`, name -> (x values, y values).

    With `has_total` the first line is drawn in ink and bold: it is the whole of which others are parts. `intervals`,
    name -> (low, high) of each point, are drawn as whiskers. Points that are not finite, or not positive on a
    logarithmic axis, are left out. Raises ValueError when x, y and intervals differ in length.
    """

    def draw(axes: Axes) -> None:
        _draw_lines(axes, series, log_y, has_total)
        _draw_whiskers(axes, series, intervals or {}, has_total)

    return chart(draw, title=title, xlabel=xlabel, ylabel=ylabel)


def histogram(edges: Sequence[float], counts: Sequence[int], *, title: str, xlabel: str, ylabel: str) -> bytes:
    """Return an SVG with a bar for each count, from `edges[i]` to `edges[i + 1]`.

    Raises ValueError unless there is one edge more than counts.
    """
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} counts need {len(counts) + 1} edges, got {len(edges)}")

    def draw(axes: Axes) -> None:
        widths = [high - low for low, high in pairwise(edges)]
        axes.bar(edges[:-1], counts, widths, align="edge", color=_COLOURS[0], linewidth=0.6, edgecolor=_PAPER, zorder=2)

    return chart(draw, title=title, xlabel=xlabel, ylabel=ylabel)


def chart(draw: Callable[[Axes], None], *, title: str, xlabel: str, ylabel: str) -> bytes:
    """Return an SVG in the one style of all charts; `draw` fills its axes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a reader's own matplotlibrc must not change the bytes
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(6.6, 3.5), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.set_title(_label(title, 60), loc="left", fontsize=12, fontweight="bold", pad=12)
        axes.set_xlabel(_label(xlabel, 40))
        axes.set_ylabel(_label(ylabel, 40))
        axes.grid(axis="y", linewidth=0.8)
        axes.tick_params(length=0)
        draw(axes)
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # Text stays text in the file: the reader's fonts draw it, and what ours lack does not matter.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _with_dark_theme(buffer.getvalue())


def smooth(values: Sequence[float], share: float = 0.05) -> list[float]:
    """Return the centred moving mean of `values` over a window of `share` of their number, cut off at the ends."""
    reach = int(len(values) * share / 2)
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])
    index = np.arange(len(values))
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    means: list[float] = ((sums[last] - sums[first]) / (last - first)).tolist()
    return means


def _label(text: str, max_characters: int) -> str:
    """Return `text` as one line that leaves room for the lines of the chart."""
    line = " ".join(showable(text).split())
    return line if len(line) <= max_characters else line[: max_characters - 1] + "…"


def _colour(number: int, has_total: bool) -> str:
    return _INK if number == 0 and has_total else _COLOURS[(number - has_total) % len(_COLOURS)]


def _draw_whiskers(axes: Axes, series: Series, intervals: Intervals, has_total: bool) -> None:
    for number, (name, (xs, _)) in enumerate(series.items()):
        if name in intervals:
            for x, (low, high) in zip(xs, intervals[name], strict=True):
                axes.plot([x, x], [low, high], color=_colour(number, has_total), linewidth=1.2, alpha=0.6, zorder=1)


def _draw_lines(axes: Axes, series: Series, log_y: bool, has_total: bool) -> None:
    num_drawn = 0
    for number, (name, (xs, ys)) in enumerate(series.items()):
        points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y) and (y > 0 or not log_y)]
        if not points:
            continue
        is_main = number == 0 and has_total
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            label=_label(name, 24).lstrip("_"),  # matplotlib hides names that start with a line
            color=_colour(number, has_total),
            linestyle="solid" if is_main else _STYLES[(number - has_total) // len(_COLOURS) % len(_STYLES)],
            linewidth=2.4 if is_main else 1.5,
            zorder=3 if is_main else 2,
            marker="o" if len(points) == 1 else None,
        )
        num_drawn += 1
    if num_drawn == 0:
        axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center")
        return
    if log_y:
        _set_log_axis(axes)
    if num_drawn > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)


def _set_log_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _with_dark_theme(svg: bytes) -> bytes:
    """Add rules that swap the three neutral colours where the reader prefers a dark page."""
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in _DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media(prefers-color-scheme:dark){{{rules}}}</style>"
    head, tag, body = svg.partition(b"<defs>")
    return head + style.encode() + tag + body
