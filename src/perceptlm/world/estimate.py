"""What a world would hold and cost: counts from its settings, seconds and bytes from a few clips made to find out."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from perceptlm.config import Config
from perceptlm.exchange.jsonl import encode_line
from perceptlm.world.make import SPLITS, ClipKind, num_of
from perceptlm.world.make_clip import make_clip
from perceptlm.world.samples import samples_of_split
from perceptlm.world.settings import WorldSettings

_NUM_TRIED = 4


class WorldEstimate(Config):
    """Counts, and what they would take here. Bytes and seconds are extrapolated from a few clips of each kind."""

    num_videos: int
    num_images: int
    num_bytes: int
    seconds: float

    def describe(self) -> str:
        """Return one line for people."""
        size = self.num_bytes / 2**20
        return f"{self.num_videos} videos and {self.num_images} images, about {size:.0f} MiB and {self.seconds:.0f} s"


def estimate(settings: WorldSettings, seed: int, *, num_workers: int) -> WorldEstimate:
    """Make a few training clips and pictures in a temporary folder and extrapolate."""
    kinds: tuple[ClipKind, ...] = ("video", "image")
    totals = {kind: sum(num_of(settings, split, kind) for split in SPLITS) for kind in kinds}
    num_bytes, seconds = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            size, duration = _try(Path(folder), settings, kind, seed)
            num_bytes += size * totals[kind]
            seconds += duration * totals[kind] / num_workers
    return WorldEstimate(
        num_videos=totals["video"], num_images=totals["image"], num_bytes=round(num_bytes), seconds=round(seconds, 1)
    )


def _try(root: Path, settings: WorldSettings, kind: ClipKind, seed: int) -> tuple[float, float]:
    """Return (bytes, seconds) per clip."""
    for folder in ("videos", "images"):
        (root / "train" / folder).mkdir(parents=True, exist_ok=True)
    make_clip(root, settings, "train", kind, 0, seed)  # the first one pays for what is loaded once
    start = time.perf_counter()
    made = [make_clip(root, settings, "train", kind, index, seed) for index in range(_NUM_TRIED)]
    records = [clip.record for clip in made if clip.record is not None]
    samples = samples_of_split(records, seed)
    seconds = (time.perf_counter() - start) / _NUM_TRIED
    files = sum((root / record.media.path).stat().st_size for record in records)
    lines = sum(len(encode_line(record)) for record in [*records, *samples])
    return (files + lines) / _NUM_TRIED, seconds
