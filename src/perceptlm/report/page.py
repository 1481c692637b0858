"""Self-contained HTML pages: one file, nothing fetched, readable on a phone, in light and in dark.

There are no scripts but one, of a fixed text, where a page has a `SampleBrowser`: it filters. A `Page` is a list of
sections; each kind of section has its own template. Every text is escaped by the template engine and cleaned by
`showable`, so that callers may pass whatever people and models wrote. This module knows no stage.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from perceptlm.artifact import write_atomic
from perceptlm.report.browser import SampleBrowser
from perceptlm.report.embed import EmbeddedPicture
from perceptlm.report.plain_table import PlainTable
from perceptlm.report.table import BASELINES, FEW, ScoreRow, describe_row
from perceptlm.report.text import percent, showable

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Highlight:
    """One big number at the top of a page."""

    value: str
    label: str


@dataclass(frozen=True)
class Summary:
    """What a reader should take away: a few sentences and big numbers. Goes first."""

    template: ClassVar[str] = "summary.html"
    paragraphs: Sequence[str]
    highlights: Sequence[Highlight] = ()
    heading: str = "In short"


@dataclass(frozen=True)
class ScoreTable:
    """Scores with intervals beside their baselines, one drawing per row. Folded away when `is_folded`."""

    template: ClassVar[str] = "score_table.html"
    heading: str
    caption: str
    rows: Sequence[ScoreRow]
    is_folded: bool = False
    paragraphs: Sequence[str] = ()
    """What stands below the table."""
    unscored: Sequence[str] = ()
    """Rows of which nothing was scored: a line of dashes each, below the others."""

    @property
    def baselines(self) -> tuple[str, ...]:
        """The baselines that any row has."""
        return tuple(name for name in BASELINES if any(getattr(row, name) is not None for row in self.rows))


@dataclass(frozen=True)
class Estimate:
    """A score with its interval, in shares of 1, over `n` items; `blind` is what was done there without looking."""

    label: str
    score: float
    low: float
    high: float
    n: int
    blind: float | None = None

    @property
    def is_above_blind(self) -> bool:
        """Whether the whole interval lies above blind, over `FEW` items or more."""
        return self.blind is not None and self.low > self.blind and self.n >= FEW


def describe_estimate(estimate: Estimate) -> str:
    """Return the estimate in words, for those who cannot see its drawing."""
    blind = "" if estimate.blind is None else f", blind {percent(estimate.blind)}"
    interval = f"{percent(estimate.low)} to {percent(estimate.high)}"
    return f"{estimate.label}: {percent(estimate.score)}, 95 % interval {interval}{blind}, n {estimate.n}"


@dataclass(frozen=True)
class EstimateTable:
    """Estimates by row and column; each row is its name and one cell per column, None where nothing was measured."""

    template: ClassVar[str] = "estimate_table.html"
    heading: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Estimate | None]]]
    paragraphs: Sequence[str] = ()
    few: ClassVar[int] = FEW


@dataclass(frozen=True)
class BarCharts:
    """Small multiples: by row and column a chart with one bar per Estimate, on one scale from 0 to 100 percent."""

    template: ClassVar[str] = "bar_charts.html"
    heading: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Sequence[Estimate]]]]
    paragraphs: Sequence[str] = ()
    few: ClassVar[int] = FEW

    @property
    def slots(self) -> tuple[int, ...]:
        """The room of one bar in each column, in pixels: its label must fit."""
        labels = [
            [item.label for _, charts in self.rows for item in charts[place]] for place in range(len(self.columns))
        ]
        return tuple(max([32, *(6 * len(label) + 8 for label in found)]) for found in labels)


@dataclass(frozen=True)
class Gallery:
    """Pictures with captions: loss curves, contact sheets."""

    template: ClassVar[str] = "gallery.html"
    heading: str
    pictures: Sequence[EmbeddedPicture]
    intro: str = ""


@dataclass(frozen=True)
class ExampleCard:
    """One question as the model met it. `score` is a share of 1; `verdict` says in words how it was judged.

    `facts` are short words about the question: what it is about, how hard it is.
    """

    title: str
    picture: EmbeddedPicture
    question: str
    answer: str
    truth: str
    score: float
    verdict: str = ""
    facts: Sequence[str] = ()

    @property
    def tone(self) -> str:
        """The colour of the score: good, fair or bad."""
        return "good" if self.score >= 0.999 else "bad" if self.score <= 0.001 else "fair"


@dataclass(frozen=True)
class Cards:
    """Examples side by side; below each other, with pictures at their own size, when `is_wide`."""

    template: ClassVar[str] = "cards.html"
    heading: str
    cards: Sequence[ExampleCard]
    intro: str = ""
    is_wide: bool = False


@dataclass(frozen=True)
class Command:
    """A line for a shell, and what it does."""

    about: str
    line: str


@dataclass(frozen=True)
class Commands:
    """Lines to copy into a terminal."""

    template: ClassVar[str] = "commands.html"
    heading: str
    intro: str
    commands: Sequence[Command]


@dataclass(frozen=True)
class Entry:
    """A named value; `share` of 1, where given, is drawn as a bar (where the time went)."""

    name: str
    value: str
    share: float | None = None


@dataclass(frozen=True)
class KeyValues:
    """A table of named values: time spent, settings, digests. Folded away when `is_folded`."""

    template: ClassVar[str] = "key_values.html"
    heading: str
    caption: str
    entries: Sequence[Entry]
    is_folded: bool = False


@dataclass(frozen=True)
class Notes:
    """Paragraphs: what a number is not, how it was made."""

    template: ClassVar[str] = "notes.html"
    heading: str
    paragraphs: Sequence[str]


Section = (
    Summary
    | ScoreTable
    | EstimateTable
    | BarCharts
    | PlainTable
    | Gallery
    | Cards
    | SampleBrowser
    | Commands
    | KeyValues
    | Notes
)


@dataclass(frozen=True)
class Page:
    """A whole page. `lead` is the line under the title, `footer` says how to make the page again."""

    title: str
    sections: Sequence[Section]
    lead: str = ""
    footer: str = ""


def render_page(page: Page) -> str:
    """Return the page as HTML; the same page always gives the same text."""
    environment = _environment()
    style = environment.get_template("style.html").render().strip()
    names = dict.fromkeys(section.script for section in page.sections if isinstance(section, SampleBrowser))
    script = "\n".join(environment.get_template(name).render().strip() for name in names)
    # The hashes let exactly these texts through: what slips past escaping could still neither run nor style the page.
    return environment.get_template("page.html").render(
        page=page, style=style, style_hash=_hash(style), script=script, script_hash=_hash(script)
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def write_page(path: Path, page: Page) -> None:
    """Render the page into one file, atomically."""
    write_atomic(path, render_page(page).encode())


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("perceptlm.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["describe"] = describe_row
    environment.filters["describe_estimate"] = describe_estimate
    return environment


def _clean(value: Any) -> Any:
    """Clean every text that a template prints, escaped (Markup) or not; other values pass."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return Markup(showable(value))
    return showable(value) if isinstance(value, str) else value
