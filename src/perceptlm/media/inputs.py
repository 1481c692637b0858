"""Images and videos that a caller hands in, as files or arrays -> what a model is shown of them, regions drawn.

For media of no dataset record; `pictures` does the same for those. Knows no tiles, tokens or tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perceptlm.clients.protocol import MediaInput, Picture
from perceptlm.errors import DataError
from perceptlm.media.image import read_image
from perceptlm.media.regions import draw_regions
from perceptlm.media.sampling import FrameChoice, choose_frames, uniform_indices
from perceptlm.media.video import Video
from perceptlm.schema import Region

ImageSource = Path | str | Picture
"""A file, or (H, W, 3) uint8 RGB."""
VideoSource = Path | str | NDArray[np.uint8] | Sequence[Picture]
"""A file, or frames, (n, H, W, 3) uint8 RGB."""


def image_input(source: ImageSource, regions: Sequence[Region] = ()) -> MediaInput:
    """Return one image; MediaError for a file that cannot be read, DataError for an array that is no picture or a
    region that is not of it."""
    picture = read_image(Path(source)) if isinstance(source, str | Path) else source
    return MediaInput("image", _with_regions([picture], [0], regions))


def video_input(
    source: VideoSource, num_frames: int, choice: FrameChoice = "uniform", regions: Sequence[Region] = ()
) -> MediaInput:
    """Return `num_frames` frames of one video; frames handed in have no rate, so that they are spread evenly.

    Errors are those of `image_input`.
    """
    if isinstance(source, str | Path):
        with Video(Path(source)) as video:
            table = video.table
            indices: Sequence[int] = choose_frames(range(table.num_frames), num_frames, choice, table.average_rate)
            frames: Sequence[Picture] = tuple(video.frames(indices))
    else:
        if not len(source):
            raise DataError("a video of no frames")
        indices = uniform_indices(len(source), num_frames)
        frames = [source[index] for index in indices]
    return MediaInput("video", _with_regions(frames, indices, regions))


def _with_regions(
    pictures: Sequence[Picture], indices: Sequence[int], regions: Sequence[Region]
) -> tuple[Picture, ...]:
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
            raise DataError(f"a picture must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
        if picture.shape != pictures[0].shape:
            raise DataError(f"frames of one video differ in size: {pictures[0].shape} and {picture.shape}")
    if not regions:
        return tuple(pictures)
    height, width = pictures[0].shape[:2]
    for number, region in enumerate(regions):
        try:
            region.check_inside(width, height)
        except ValueError as error:
            raise DataError(f"region {number}: {error}") from error
    return tuple(draw_regions(np.stack(pictures), indices, regions))
