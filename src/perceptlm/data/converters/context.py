"""What every converter is given: how its Samples are named, split and owned, where files are, what columns to read.

Knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from perceptlm.data.converters.media_files import MediaFiles
from perceptlm.data.converters.regions import RegionSource
from perceptlm.data.converters.rows import Row, make_sample
from perceptlm.schema import MediaRef, Origin, Sample, Split, Task

Clips = Literal["source", "cut"]
"""Whether the files are the long source videos, of which rows mean a part, or were cut already."""


@dataclass(frozen=True)
class Context:
    """One conversion. `video_path` is a pattern for `rows.fill_path`; `columns` say where a field is read from."""

    format: str
    split: Split
    origin: Origin
    media: MediaFiles
    video_path: str
    clips: Clips
    task: Task | None = None
    regions: RegionSource | None = None
    columns: dict[str, str] = field(default_factory=dict)

    def sample(self, key: str, media: tuple[MediaRef, ...], **values: Any) -> Sample:
        """Return a Sample with what all of one conversion have in common; RowError if it is not valid."""
        common = {"id": f"{self.format}.{key}", "split": self.split, "origin": self.origin, "media": media}
        return make_sample(**{"template": self.format} | common | values)


class Converter(Protocol):
    """Makes Samples of one format's rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Those a table must have."""
        ...

    @property
    def has_own_keys(self) -> bool:
        """Whether rows name themselves, and might do so twice."""
        ...

    def convert(self, row: Row, place: str) -> Sample:
        """Return the Sample of a row; `place` names the row where it does not name itself. RowError if it has none."""
        ...
