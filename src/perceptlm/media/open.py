"""Is this file an image or a video, and of how many frames? Decided by what is in it, never by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from perceptlm.errors import MediaError
from perceptlm.media.container import open_container
from perceptlm.media.image import count_pictures
from perceptlm.media.video import Video


def open_media(path: Path) -> Literal["image", "video"]:
    """Return what `path` holds. A GIF of several pictures is a video; other animations are images (their first).

    Raises MediaError naming `path` when it is missing, empty, or neither. Only headers are read: a damaged file
    may still fail to decode.
    """
    image = count_pictures(path)
    if image is not None:
        picture_format, num_pictures = image
        return "video" if picture_format == "GIF" and num_pictures > 1 else "image"
    try:
        with open_container(path):
            return "video"
    except MediaError as error:
        raise MediaError("is neither an image nor a video that can be read", path=path, hint=error.message) from error


def count_frames(path: Path) -> int:
    """Return how many frames a video has; 1 for an image. Raises MediaError naming `path`."""
    if open_media(path) == "image":
        return 1
    with Video(path) as video:
        return video.table.num_frames
