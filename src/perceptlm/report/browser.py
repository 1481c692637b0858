"""A browser of samples for pages: one fold per question, with pictures, answers side by side, and times as bars.

Without scripts every fold is there, in order; the page's one script only hides what a reader filters out. Knows no
task: what can be filtered by are words handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from perceptlm.report.embed import EmbeddedPicture

Tone = Literal["good", "fair", "bad", "quiet"]


@dataclass(frozen=True)
class Bar:
    """A span of time in numbers of shown frames, ends as told, and what is said of it."""

    start: float
    end: float
    text: str = ""


@dataclass(frozen=True)
class Timeline:
    """Lanes of bars below each other, the truth first, on an axis from frame 0 to the last of `num_frames`."""

    num_frames: int
    lanes: Sequence[tuple[str, Sequence[Bar]]]

    left: ClassVar[int] = 96
    width: ClassVar[int] = 540
    lane_height: ClassVar[int] = 22

    @property
    def height(self) -> int:
        """Of the whole drawing, in pixels."""
        return self.lane_height * len(self.lanes) + 20

    def x(self, frame: float) -> float:
        """Return where a frame lies; what is beyond the ends lies at the ends."""
        last = max(self.num_frames - 1, 1)
        return self.left + self.width * min(max(frame / last, 0.0), 1.0)

    def placed(self, bar: Bar) -> tuple[float, float]:
        """Return left edge and width of a bar; one of no length is still seen."""
        low, high = sorted((bar.start, bar.end))
        start, stop = self.x(low), self.x(high)
        return start, max(stop - start, 2.0)

    @property
    def ticks(self) -> tuple[int, ...]:
        """Frames that are named."""
        last = max(self.num_frames - 1, 1)
        return tuple(sorted({round(last * share / 4) for share in range(5)}))

    def describe(self) -> str:
        """Return the drawing in words."""
        told = (
            f"{name}: " + (", ".join(f"{bar.start:g} to {bar.end:g}" for bar in bars) or "nothing")
            for name, bars in self.lanes
        )
        return "; ".join(told)


@dataclass(frozen=True)
class Reply:
    """What one run said: the answer, its score in words, and remarks such as what the judge replied."""

    run: str
    answer: str
    score: str
    tone: Tone
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class BrowserItem:
    """One question. `score` and `tone` are those of the first run; `filters` by name of filter."""

    title: str
    gist: str
    """What tells it from others in a line."""
    question: str
    truth: str
    score: str
    tone: Tone
    replies: Sequence[Reply]
    filters: dict[str, str] = field(default_factory=dict)
    picture: EmbeddedPicture | None = None
    no_picture: str = ""
    """Why there is no picture."""
    timeline: Timeline | None = None
    facts: Sequence[str] = ()


@dataclass(frozen=True)
class SampleBrowser:
    """Questions to look through. `filters` name what can be chosen, in order."""

    template: ClassVar[str] = "browser.html"
    script: ClassVar[str] = "browser_script.html"
    heading: str
    intro: str
    items: Sequence[BrowserItem]
    filters: Sequence[str]

    def choices(self, name: str) -> list[str]:
        """Return the values of a filter, in order of first mention."""
        return list(dict.fromkeys(item.filters[name] for item in self.items if name in item.filters))
