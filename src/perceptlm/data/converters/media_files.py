"""Media files under one root -> MediaRef: sizes, frames and rates, read from the files' headers and kept for the run.

Decodes no more than a first picture, and knows no data set.
"""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Literal

from perceptlm.data.converters.rows import RowError, make_media, unicode_text
from perceptlm.errors import MediaError, UsageError
from perceptlm.media.image import image_size
from perceptlm.media.pictures import resolve_media_path
from perceptlm.media.video import Video
from perceptlm.schema import MediaRef

_MAX_KEPT = 1 << 16
_SPARE_SECONDS = 1
"""How far the end of a clip may lie after its file's: times of releases are rounded. More is another file."""

NO_FILE = "no such media file"
OUTSIDE = "media path leads outside the media root"
UNREADABLE = "media file cannot be read"


class MediaFiles:
    """The files under `root`; what was read of one, or why it could not be, is remembered."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._kept: OrderedDict[tuple[str, str], MediaRef | RowError] = OrderedDict()

    def image(self, path: str) -> MediaRef:
        """Return an image; RowError if it is missing, unreadable or outside the root, UsageError without a root."""
        return self._look_up("image", path)

    def video(self, path: str, *, start: str | None = None, end: str | None = None, frame_step: int = 1) -> MediaRef:
        """Return a video, or the clip of it from `start` to `end` seconds; errors are those of `image`."""
        found = self._look_up("video", path)
        if start is None and end is None and frame_step == 1:
            return found
        length = found.num_frames / Fraction(found.frames_per_second or 1)
        if end is not None and Fraction(end) > length + _SPARE_SECONDS:
            raise RowError("clip ends after the video", f"{path}: at {end} s of {float(length):.1f} s")
        # Validated anew: a clip must lie within its file.
        return make_media(**found.to_dict() | {"start_seconds": start, "end_seconds": end, "frame_step": frame_step})

    def _look_up(self, kind: Literal["image", "video"], path: str) -> MediaRef:
        found = self._kept.get((kind, path))
        if found is None:
            try:
                found = self._read(kind, path)
            except RowError as error:
                found = error
            self._kept[kind, path] = found
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end((kind, path))
        if isinstance(found, RowError):
            raise RowError(found.reason, found.detail)
        return found

    def _read(self, kind: Literal["image", "video"], path: str) -> MediaRef:
        if self._root is None:
            raise UsageError(f"a row names the file {path[:80]!r}, but no --media DIR says where files are")
        # Looked at as a name first, as a record would be: nothing outside the root is even asked for.
        plain = _checked_path(kind, path)
        file = self._root / plain
        try:
            file = resolve_media_path(self._root, plain)
        except (MediaError, OSError) as error:  # OSError: a name that is too long
            leads_out = isinstance(error, MediaError) and "outside" in error.message
            raise RowError(OUTSIDE if leads_out else NO_FILE, plain) from error
        try:
            if kind == "image":
                width, height = image_size(file)
                return make_media(kind="image", path=plain, width=width, height=height)
            with Video(file) as video:
                table = video.table
            return make_media(
                kind="video", path=plain, width=table.width, height=table.height, num_frames=table.num_frames,
                frames_per_second=str(table.average_rate),
            )  # fmt: skip
        except MediaError as error:
            raise RowError(UNREADABLE, f"{plain}: {error.message.removeprefix(f'{file}: ')}") from error


def _checked_path(kind: Literal["image", "video"], path: str) -> str:
    """Return `path`; RowError if it is not a relative one without ways up."""
    try:
        return make_media(kind=kind, path=unicode_text(path), width=1, height=1).path
    except RowError as error:
        raise RowError(OUTSIDE, path) from error
