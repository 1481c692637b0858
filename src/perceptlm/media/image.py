"""Reading one image of any common kind as upright RGB, and writing PNG with the same bytes every time.

Handles EXIF rotation, palettes, CMYK, grey and 16-bit pixels, transparency (over white) and animations (first
picture). Formats that can run programs or open other files (EPS, PDF and the like) are refused. Knows no video.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from perceptlm.errors import MediaError, StorageError
from perceptlm.media.colour import over_white
from perceptlm.media.limits import DEFAULT_LIMITS, MediaLimits
from perceptlm.media.source_file import check_readable_file, one_line

IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_EXIF_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def read_image(path: Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3) uint8 RGB, upright.

    16-bit pixels are scaled to 8 with rounding; CMYK is converted without a colour profile, and profiles of RGB
    files are ignored too. Raises MediaError naming `path` for anything that is missing, damaged, too large, not an
    image, or of a pixel type without a known range (floating point).
    """
    with _opened(path) as image:
        limits.check_picture(path, image.width, image.height)
        return _upright(_to_rgb(image, path), image.getexif().get(_EXIF_ORIENTATION, 1))


def count_pictures(path: Path) -> tuple[str, int] | None:
    """Return the format and the number of pictures in an image file; None when it is not an image at all.

    Reads headers only. Raises MediaError for a file that is missing, empty, or a damaged image.
    """
    try:
        with _opened(path) as image:
            return str(image.format), getattr(image, "n_frames", 1)
    except MediaError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None
        raise


def image_size(path: Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return width and height of the picture that `read_image` gives, from the file's header alone.

    Raises MediaError as `read_image` does, but for damage that only decoding shows.
    """
    with _opened(path) as image:
        limits.check_picture(path, image.width, image.height)
        is_turned = image.getexif().get(_EXIF_ORIENTATION, 1) in _TURNED
        return (image.height, image.width) if is_turned else (image.width, image.height)


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write `picture` (H, W, 3) RGB as a PNG without metadata; whole or not at all, the same bytes every time."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise MediaError(f"a picture must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}", path=path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        Image.fromarray(np.ascontiguousarray(picture)).save(partial, format="PNG", compress_level=6)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path}: the picture cannot be written: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; everything that goes wrong while it is open becomes a MediaError naming `path`."""
    check_readable_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures, for one: MediaLimits decides instead
        try:
            with Image.open(path, formats=IMAGE_FORMATS) as image:
                yield image
        except MediaError:
            raise
        except UnidentifiedImageError as error:
            raise MediaError("is not an image", path=path, hint=f"readable: {', '.join(IMAGE_FORMATS)}") from error
        except Exception as error:  # Pillow's decoders raise many types on damaged files
            raise MediaError(f"the image cannot be decoded: {one_line(error)}", path=path) from error


def _to_rgb(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    if image.mode == "F":
        raise MediaError("floating-point pixels have no known range", path=path)
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise MediaError("pixels of more than 16 bits have no known range", path=path)
        grey = ((values * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo the camera's orientation as EXIF states it (1..8, see CIPA DC-008); other values mean upright."""
    if orientation in _TURNED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
