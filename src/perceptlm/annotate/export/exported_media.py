"""The media of an export: copied where every loader numbers the pictures alike, else written anew at a constant rate.

A file is copied if it is MP4, upright, of even sides, its packets alone tell its pictures (no edit list drops one), and
picture n is shown at n / rate from 0 on. Everything else becomes H.264 with the same pictures, one for one. Images are
copied unless another reader would turn them. Files are named by the digest of their source. Knows no row format.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from perceptlm.annotate.export.released import ReleasedAsset
from perceptlm.annotate.frames.identity import identify, identity_of
from perceptlm.annotate.frames.proxy import pad_to_even
from perceptlm.annotate.frames.rate import constant_rate, loaders_frame, middle_seconds
from perceptlm.artifact import write_atomic
from perceptlm.config import Config, file_digest
from perceptlm.errors import DataError, MediaError
from perceptlm.media.container import open_container
from perceptlm.media.image import read_image, write_png
from perceptlm.media.orientation import UPRIGHT
from perceptlm.media.pictures import resolve_media_path
from perceptlm.media.video import Video
from perceptlm.media.write_video import write_pictures

FOLDER = "media"
RECORDS = "media.jsonl"
_WORK = ".media"
_QUALITY = 16
_STILL_QUALITY = 8
_STILL_RATE = Fraction(1)
_TOLERANCE = Fraction(1, 4)
"""How far a picture may be from n / rate, in pictures: well below the half that separates its middle from others."""
_KEPT_IN_MEMORY = 4096

Use = Literal["native", "video"]
"""An asset as what it is, or as a video: FGQA tables have no images, so that one becomes a video of one picture."""


class ExportedMedia(Config):
    """One file of an export, and what it was made of."""

    path: str
    kind: Literal["image", "video"]
    sha256: str
    width: int
    height: int
    num_frames: int = Field(gt=0)
    frames_per_second: str | None
    made: Literal["copied", "encoded"]
    why: tuple[str, ...] = Field(description="why it was not copied")
    source_sha256: str
    source_frame_table_hash: str

    @property
    def rate(self) -> Fraction:
        """Pictures per second; 1 for an image."""
        return Fraction(self.frames_per_second or 1)


class MediaExporter:
    """Exports assets on first use into `out/media`. What was done before a kill is not done again."""

    def __init__(self, media_root: Path, out: Path) -> None:
        self._root = media_root
        self._out = out
        self._work = out / _WORK
        for folder in (self._work, out / FOLDER):
            folder.mkdir(parents=True, exist_ok=True)
        for left in (out / FOLDER).glob(".*.partial"):
            left.unlink()  # of a run that was killed
        self._look_up = lru_cache(maxsize=_KEPT_IN_MEMORY)(self._find_or_make)

    def export(self, asset: ReleasedAsset, use: Use = "native") -> ExportedMedia:
        """Return the exported file of an asset.

        Raises DataError if the file is not the one that was labelled, MediaError if it cannot be read to its end.
        """
        found = self._look_up(asset.path, asset.sha256, asset.frame_table_hash, "native")
        if found.kind == use or use == "native":
            return found
        return self._look_up(asset.path, asset.sha256, asset.frame_table_hash, use)

    def finish(self) -> Iterator[ExportedMedia]:
        """Yield what was exported, by name, and forget it."""
        for path in sorted(self._work.iterdir()):
            yield ExportedMedia.model_validate_json(path.read_bytes())
        shutil.rmtree(self._work)

    def _find_or_make(self, path: str, sha256: str, table: str, use: Use) -> ExportedMedia:
        record = self._work / f"{sha256}.{use}.json"
        if record.is_file():
            known = ExportedMedia.model_validate_json(record.read_bytes())
            if known.source_frame_table_hash != table:
                raise DataError(f"asset {sha256} is named with two frame tables in this release")
            return known
        source = resolve_media_path(self._root, path)
        found = file_digest(source)
        if found != sha256:
            raise DataError("is not the file that was labelled: its digest differs", path=source)
        identity = identify(source)
        if identity.frame_table_hash != table:
            raise DataError(
                f"its frames are not those that were labelled ({identity.num_frames} pictures, {identity.decoder})",
                path=source,
                hint="another version of the decoder may number them otherwise; look at the labels again",
            )
        if identity.kind == "image" and use == "native":
            made = self._image(source, sha256)
        else:
            made = self._video(source, sha256, identity.kind == "image")
        values = made | {"source_sha256": sha256, "source_frame_table_hash": table}
        exported = ExportedMedia.model_validate(values)
        write_atomic(record, json.dumps(exported.to_dict()).encode())
        return exported

    def _image(self, source: Path, sha256: str) -> dict[str, object]:
        picture = read_image(source)
        with Image.open(source) as image:
            ending = {"PNG": ".png", "JPEG": ".jpg"}.get(str(image.format))
            is_plain = image.mode == "RGB" and image.getexif().get(0x0112, 1) == 1
        why = (*(() if ending else ("neither PNG nor JPEG",)), *(() if is_plain else ("turned, or not plain RGB",)))
        path = f"{FOLDER}/{sha256}{ending if ending and not why else '.png'}"
        if why:
            write_png(self._out / path, picture)
        else:
            shutil.copyfile(source, self._out / path)
        return {
            "path": path, "kind": "image", "sha256": file_digest(self._out / path), "width": picture.shape[1],
            "height": picture.shape[0], "num_frames": 1, "frames_per_second": None,
            "made": "encoded" if why else "copied", "why": why,
        }  # fmt: skip

    def _video(self, source: Path, sha256: str, is_image: bool) -> dict[str, object]:
        path = f"{FOLDER}/{sha256}.mp4"
        file = self._out / path
        why: tuple[str, ...]
        if is_image:
            picture = pad_to_even(read_image(source))
            size = (picture.shape[1], picture.shape[0])
            why, num_frames = ("an image",), write_pictures(file, [picture], size, _STILL_RATE, quality=_STILL_QUALITY)
        else:
            video = Video(source)
            num_frames, why = video.table.num_frames, why_not_as_it_is(video)
            if why:
                rate = constant_rate(identity_of(video).average_rate)
                size = (video.table.width + video.table.width % 2, video.table.height + video.table.height % 2)
                write_pictures(file, map(pad_to_even, video.in_order()), size, rate, quality=_QUALITY)
            else:
                shutil.copyfile(source, file)
        table = Video(file).table
        if table.num_frames != num_frames:
            raise MediaError(f"was exported with {table.num_frames} pictures of {num_frames}", path=source)
        check_times(file, table.num_frames, table.average_rate)
        return {
            "path": path, "kind": "video", "sha256": file_digest(file), "width": table.width, "height": table.height,
            "num_frames": num_frames, "frames_per_second": str(table.average_rate),
            "made": "encoded" if why else "copied", "why": why,
        }  # fmt: skip


def why_not_as_it_is(video: Video) -> tuple[str, ...]:
    """Return why a video must be written anew; nothing if every loader reads the same picture at the same number."""
    table, rate = video.table, video.table.average_rate
    with open_container(video.path) as opened:
        is_mp4 = "mp4" in opened.container.format.name.split(",")
    steady = all(abs((time - table.times[0]) * rate - number) < _TOLERANCE for number, time in enumerate(table.times))
    faults = {
        "not MP4": not is_mp4,
        "packets do not tell the pictures (edit list, hidden or packed pictures)": not video.is_indexed,
        "turned": video.orientation != UPRIGHT,
        "does not begin at 0": table.times[0] != 0,
        "variable rate": not steady or not _times_survive(video.path, table.num_frames, rate),
        "odd size": bool(table.width % 2 or table.height % 2),
    }
    return tuple(reason for reason, holds in faults.items() if holds)


def check_times(path: Path, num_frames: int, rate: Fraction) -> None:
    """Raise MediaError if the middle of any picture, in seconds, would be taken for another one by the reference's
    loader, at any average rate that the file states."""
    if not _times_survive(path, num_frames, rate):
        raise MediaError("its times do not survive int(seconds * rate)", path=path)


def stated_rates(path: Path) -> set[float]:
    """Return the average rates that a file's header states; loaders use one of them."""
    with open_container(path) as opened:
        found = (opened.stream.average_rate, opened.stream.base_rate, opened.stream.guessed_rate)
    return {float(rate) for rate in found[:1] if rate}


def _times_survive(path: Path, num_frames: int, rate: Fraction) -> bool:
    middles = np.array([middle_seconds(frame, rate) for frame in range(num_frames)])
    frames = np.arange(num_frames)
    # Scalars of the loader and arrays of doubles truncate alike.
    return all(
        bool(((middles * stated).astype(np.int64) == frames).all()) and loaders_frame(middles[-1], stated) == frames[-1]
        for stated in {float(rate), *stated_rates(path)}
    )
