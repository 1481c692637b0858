"""Which frames of an exported file a training row shows, and the boxes on them.

The one place where half-open intervals become what loaders read: times at the middle of the first and of the last
picture shown, ends included. Pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from perceptlm.annotate.export.exported_media import ExportedMedia
from perceptlm.annotate.export.released import ExportSettings, ReleasedItem
from perceptlm.annotate.frames.rate import middle_of, middle_seconds
from perceptlm.errors import DataError
from perceptlm.schema import Box


@dataclass(frozen=True)
class Shown:
    """The frames shown, of a file; `is_whole` where these are all, so that no times are said."""

    frames: range
    media: ExportedMedia
    boxes: dict[int, Box]

    @property
    def is_whole(self) -> bool:
        """Whether the file is shown from its first to its last picture."""
        return len(self.frames) == self.media.num_frames

    @property
    def exact_times(self) -> tuple[str | None, str | None]:
        """Start and end in seconds as rationals; None where the file is shown whole."""
        if self.is_whole:
            return None, None
        rate = self.media.rate
        return str(middle_of(self.frames[0], rate)), str(middle_of(self.frames[-1], rate))

    @property
    def seconds(self) -> tuple[float, float]:
        """Start and end in seconds; of a file shown whole from 0 to the middle of its last picture."""
        rate = self.media.rate
        start = 0.0 if self.frames[0] == 0 else middle_seconds(self.frames[0], rate)
        return start, middle_seconds(self.frames[-1], rate)


def shown_of(item: ReleasedItem, media: ExportedMedia, settings: ExportSettings) -> Shown:
    """Return what a training row of an item shows.

    One picture of evidence is shown with the next one (at the end: the one before): the reference's loader cannot show
    a single picture of a longer file. Raises DataError naming the item for frames beyond the file or boxes missing.
    """
    frames = range(media.num_frames)
    if item.evidence is not None and item.evidence.end > media.num_frames:
        raise DataError(
            f"item {item.id}: evidence [{item.evidence.start}, {item.evidence.end}) of {media.num_frames} frames"
        )
    if item.evidence is not None and settings.shown == "evidence":
        first, last = item.evidence.start, item.evidence.end - 1
        if first == last and media.num_frames > 1:
            first, last = (first, last + 1) if last + 1 < media.num_frames else (first - 1, last)
        frames = range(first, last + 1)
    return Shown(frames, media, _boxes(item, media, frames))


def _boxes(item: ReleasedItem, media: ExportedMedia, frames: range) -> dict[int, Box]:
    late = [frame for frame in item.boxes if not 0 <= frame < media.num_frames]
    if late:
        raise DataError(f"item {item.id}: a box of frame {late[0]}, but there are {media.num_frames} frames")
    if not item.question_boxes:
        return {}
    boxes = {frame: item.boxes[frame] for frame in frames if frame in item.boxes}
    bare = [frame for frame in frames if frame not in boxes and not any(frame in gap for gap in item.not_visible)]
    if bare:
        raise DataError(
            f"item {item.id}: frame {bare[0]} (one of {len(bare)}) has no box and is not named in not_visible",
            hint="boxes are needed on every frame: fill in between keyframes before the release",
        )
    return boxes
