"""Where the regions of PLM-STC rows come from: a file of boxes, SA-V's own masklets, or nowhere.

Rows name a (video, masklet_id). For test rows the release has boxes (`metadata/metadata_test.jsonl`). For training rows
it has none, and their ids do not match SA-V's masklets (facts/paper.md sections 8 and 9.1): whoever converts them says
which it shall be. Boxes are on the release's grid of 6 frames a second. Knows no caption.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from perceptlm.data.converters.masklets import MaskletFolder
from perceptlm.data.converters.rows import RowError
from perceptlm.errors import DataError
from perceptlm.schema import Box, MediaRef

NO_REGIONS = (
    "the training rows of PLM-STC name a masklet_id that does not match SA-V's masklets, and hold no box: "
    "say how their regions are to be had"
)
CHOICES = (
    "--regions FILE.jsonl: your own boxes, as in metadata_test.jsonl; --regions masklets --masklets DIR: SA-V's own, "
    "kept with region_trusted false; --regions none: no region is drawn, and the task is a plain one of videos"
)

_FORMAT = 'write {"video": NAME, "masklet_id": NUMBER, "bbox": {FRAME: [x1, y1, x2, y2] or null}}'


class RegionSource(Protocol):
    """Boxes by (video, masklet_id); `trusted` says whether they are known to be those that the text is about."""

    trusted: bool

    def boxes(self, video: str, masklet_id: int, total_frames: int, media: MediaRef) -> dict[int, Box]:
        """Return the boxes by frame of the 6 fps grid; RowError if there is none, or they cannot be of this video."""
        ...


class BoxFile:
    """A JSON Lines file of `{video, masklet_id, bbox: {frame: [x1, y1, x2, y2] or null}}`, of which only the places of
    lines are kept in memory. DataError names a line that is none, or says the same masklet again."""

    trusted = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[tuple[str, int], int] = {}
        place = 0
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        self._remember(line, place, number)
                    place += len(line)
        except OSError as error:
            raise DataError(f"cannot be opened: {os.strerror(error.errno or 0)}", path=path) from error

    def boxes(self, video: str, masklet_id: int, total_frames: int, media: MediaRef) -> dict[int, Box]:
        """Return the boxes of one masklet."""
        place = self._places.get((video, masklet_id))
        if place is None:
            raise RowError("no boxes of this masklet", f"{video}, masklet {masklet_id}")
        with open(self._path, "rb") as file:
            file.seek(place)
            boxes = json.loads(file.readline()).get("bbox") or {}
        return {int(frame): box for frame, box in boxes.items() if box}

    def _remember(self, line: bytes, place: int, number: int) -> None:
        try:
            row = json.loads(line)
            key = (str(row["video"]), int(row["masklet_id"]))
            is_map = all(frame.isdecimal() for frame in row["bbox"] or {})
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DataError("not a line of boxes", path=self._path, line=number, hint=_FORMAT) from error
        if not is_map or not isinstance(row["bbox"] or {}, dict):
            raise DataError("'bbox' is no map from frames to boxes", path=self._path, line=number, hint=_FORMAT)
        if key in self._places:
            raise DataError(f"{key[0]}, masklet {key[1]} was given before", path=self._path, line=number)
        self._places[key] = place


class OwnMasklets:
    """SA-V's own masklets of the same numbers, as boxes around them: not known to be what the text is about."""

    trusted = False

    def __init__(self, directory: Path) -> None:
        self._folder = MaskletFolder(directory)

    def boxes(self, video: str, masklet_id: int, total_frames: int, media: MediaRef) -> dict[int, Box]:
        """Return the boxes of one masklet; RowError if its masks are not as many, or as large, as the frames."""
        boxes, size, num_frames = self._folder.boxes(video, masklet_id)
        if num_frames != total_frames:
            raise RowError("frame counts disagree", f"{video}: {num_frames} masks, the row counts {total_frames}")
        if size != (media.width, media.height):
            found = f"{size[0]}x{size[1]}, the video {media.width}x{media.height}"
            raise RowError("mask and video differ in size", f"{video}: masks of {found}")
        return {frame: (float(x1), float(y1), float(x2), float(y2)) for frame, (x1, y1, x2, y2) in boxes.items()}
