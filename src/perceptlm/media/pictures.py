"""A Sample's pictures as a model is shown them: decoded, sampled, with its regions drawn.

The one place that turns a record's media into pixels; training (`preprocess`) and evaluation (`eval`) both call it,
so that a model is asked about what it was taught on. It knows no tiles, tokens or tensors, and needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perceptlm.clients.protocol import MediaInput, Picture
from perceptlm.errors import DataError, MediaError
from perceptlm.media.image import read_image
from perceptlm.media.regions import draw_regions
from perceptlm.media.sampling import FrameChoice, choose_frames
from perceptlm.media.video import Video
from perceptlm.schema import MediaRef, Region, Sample


@dataclass(frozen=True)
class LoadedPictures:
    """The pictures of one Sample; `source_indices` are the source frames shown, in order.

    For images these are (0,), and for a Sample without media ().
    """

    media: tuple[MediaInput, ...]
    source_indices: tuple[int, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture in order, (H, W, 3) uint8 RGB."""
        return tuple(picture for item in self.media for picture in item.pictures)


@dataclass(frozen=True)
class VideoFrames:
    """Pictures of a video file, (n, H, W, 3) RGB, and how many the whole file has."""

    pictures: NDArray[np.uint8]
    num_file_frames: int


FrameReader = Callable[[Path, MediaRef, Sequence[int]], VideoFrames]
"""Reads the pictures with these indices of a file that a record speaks of. What it returns is never written to."""


def decode_frames(path: Path, item: MediaRef, indices: Sequence[int]) -> VideoFrames:
    """Decode the pictures with these indices; MediaError if the file is not what the record `item` says."""
    with Video(path) as video:
        table = video.table
        _check_recorded(item, path, width=table.width, height=table.height, num_frames=table.num_frames)
        return VideoFrames(video.frames(indices), table.num_frames)


def load_pictures(
    sample: Sample, root: Path, *, num_frames: int, choice: FrameChoice, read: FrameReader = decode_frames
) -> LoadedPictures:
    """Decode `sample`'s media under `root`: every image, or `num_frames` frames of its video, or clip of one.

    `read` reads the frames of a video; a cache may stand in for decoding.

    One of fewer frames is shown whole. Regions are drawn at native size on the frames they belong to, as the
    reference does (facts/reference-implementation.md 2.4, 2.5). Raises MediaError for a file that cannot be read or
    is not what the record says, DataError for media that one Sample cannot hold.
    """
    indices = frames_shown(sample, num_frames=num_frames, choice=choice)
    if sample.media and sample.media[0].kind == "video":
        return _load_video(sample, root, indices, read)
    inputs = []
    for item in sample.media:
        path = resolve_media_path(root, item.path)
        picture = read_image(path)
        _check_recorded(item, path, width=picture.shape[1], height=picture.shape[0], num_frames=1)
        inputs.append(MediaInput("image", tuple(_with_regions(sample, picture[None], (0,)))))
    return LoadedPictures(tuple(inputs), indices)


def frames_shown(sample: Sample, *, num_frames: int, choice: FrameChoice) -> tuple[int, ...]:
    """Return `source_indices` of what `load_pictures` would load, from the record alone.

    Raises DataError for media that one Sample cannot hold.
    """
    kinds = [item.kind for item in sample.media]
    if "video" in kinds and len(kinds) > 1:
        raise DataError(f"sample {sample.id}: one video, or images only, but found {len(kinds)} media")
    if sample.regions and len(kinds) != 1:
        raise DataError(f"sample {sample.id}: regions need exactly one image or video, found {len(kinds)}")
    if kinds == ["video"]:
        rate = sample.media[0].frames_per_second
        if choice == "one_per_second" and rate is None:
            raise DataError(f"sample {sample.id}: one frame a second needs the media's frames_per_second")
        return choose_frames(sample.frames, num_frames, choice, None if rate is None else Fraction(rate))
    return (0,) if kinds else ()


class HasPictures(Protocol):
    """A Sample, or as much of one as decides its pictures."""

    @property
    def media(self) -> tuple[MediaRef, ...]: ...
    @property
    def regions(self) -> tuple[Region, ...]: ...


def pictures_key(sample: HasPictures) -> Hashable:
    """Return what decides a Sample's pictures: Samples with equal keys are shown exactly the same ones."""
    return (sample.media, tuple(region.model_dump_json() for region in sample.regions))


def resolve_media_path(root: Path, relative: str) -> Path:
    """Return the file `relative` under `root`; MediaError if it is missing or leads outside, links followed."""
    path = root / relative
    try:
        resolved = path.resolve()
        inside = resolved.is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise MediaError("its links lead in a circle", path=path) from error
    if not inside:
        raise MediaError(f"leads outside the dataset's directory {root}", path=path)
    if not resolved.is_file():
        raise MediaError("there is no such file", path=path, hint="make or fetch the dataset again")
    return resolved


def check_media(item: MediaRef, root: Path) -> None:
    """Open one media file under `root` and decode a picture of it.

    Raises MediaError for a file that is missing, cannot be read, or is not what the record says.
    """
    path = resolve_media_path(root, item.path)
    if item.kind == "image":
        picture = read_image(path)
        _check_recorded(item, path, width=picture.shape[1], height=picture.shape[0], num_frames=1)
        return
    with Video(path) as video:
        table = video.table
        _check_recorded(item, path, width=table.width, height=table.height, num_frames=table.num_frames)
        video.frames([table.num_frames - 1])


def _load_video(sample: Sample, root: Path, indices: tuple[int, ...], read: FrameReader) -> LoadedPictures:
    (item,) = sample.media
    path = resolve_media_path(root, item.path)
    found = read(path, item, indices)
    height, width = found.pictures.shape[1:3]
    _check_recorded(item, path, width=width, height=height, num_frames=found.num_file_frames)
    frames = _with_regions(sample, found.pictures, indices)
    return LoadedPictures((MediaInput("video", tuple(frames)),), indices)


def _with_regions(sample: Sample, frames: NDArray[np.uint8], indices: tuple[int, ...]) -> NDArray[np.uint8]:
    if not sample.regions:
        return frames
    try:
        return draw_regions(frames, indices, sample.regions)
    except DataError as error:
        raise DataError(f"sample {sample.id}: {error.message}") from error


def _check_recorded(item: MediaRef, path: Path, *, width: int, height: int, num_frames: int) -> None:
    # Boxes and frame numbers of the record mean nothing on a file of another size or length.
    found = (width, height, num_frames)
    recorded = (item.width, item.height, item.num_frames)
    if found != recorded:
        raise MediaError(
            f"holds {_describe(found)}, but its record says {_describe(recorded)}",
            path=path,
            hint="the file was changed after the record was written",
        )


def _describe(shape: tuple[int, int, int]) -> str:
    return f"{shape[2]} picture(s) of {shape[0]}x{shape[1]}"
