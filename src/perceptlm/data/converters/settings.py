"""What decides the bytes of a conversion, beside the files it reads; and which files these are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from perceptlm.config import Config
from perceptlm.data.converters.context import Clips
from perceptlm.schema import Origin, Split, Task

Regions = Literal["file", "masklets", "none"]


class ConvertSettings(Config):
    """The complete settings of one conversion, as its manifest records them. `formats.settings_for` makes them."""

    format: str
    split: Split
    origin: Origin | None = Field(description="None: that of the format, as its revision the digest of the files")
    video_path: str = Field(description="pattern of file names below the media root")
    clips: Clips
    task: Task | None
    regions: Regions | None
    columns: dict[str, str]
    samples_per_shard: int = Field(gt=0)


@dataclass(frozen=True)
class Sources:
    """The files of one conversion: rows, the root of the media they name, and where regions are.

    Rows whose media are those of the benchmark `exclude` are left out; its media lie in `exclude_media`, or in itself.
    """

    inputs: tuple[Path, ...]
    media: Path | None = None
    boxes: Path | None = None
    masklets: Path | None = None
    exclude: Path | None = None
    exclude_media: Path | None = None
