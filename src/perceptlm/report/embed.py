"""Pictures inside a page: encoded bytes carried as data URIs, so that a page never fetches anything.

This module knows arrays and bytes, not what they show.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perceptlm.errors import MediaError


@dataclass(frozen=True)
class EmbeddedPicture:
    """Encoded bytes and what they show: `alt` for those who cannot see it, `caption` for those who can."""

    data: bytes
    media_type: Literal["image/png", "image/jpeg", "image/svg+xml"]
    alt: str
    caption: str = ""

    @property
    def uri(self) -> str:
        """The picture as a `data:` URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def embed_png(picture: NDArray[np.uint8], *, alt: str, caption: str = "") -> EmbeddedPicture:
    """Embed an (H, W, 3) uint8 RGB picture without loss."""
    return EmbeddedPicture(encode_png(picture), "image/png", alt, caption)


def embed_jpeg(picture: NDArray[np.uint8], *, alt: str, caption: str = "", quality: int = 88) -> EmbeddedPicture:
    """Embed an (H, W, 3) uint8 RGB picture, small rather than exact."""
    return EmbeddedPicture(encode_jpeg(picture, quality=quality), "image/jpeg", alt, caption)


def embed_svg(svg: bytes, *, alt: str, caption: str = "") -> EmbeddedPicture:
    """Embed a drawing. Shown as an image, it can neither run scripts nor load anything."""
    return EmbeddedPicture(svg, "image/svg+xml", alt, caption)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return an (H, W, 3) uint8 RGB picture as PNG; the same picture always gives the same bytes."""
    return _encode(picture, "PNG", compress_level=6)


def encode_jpeg(picture: NDArray[np.uint8], *, quality: int = 88) -> bytes:
    """Return an (H, W, 3) uint8 RGB picture as JPEG without chroma subsampling: red boxes stay red."""
    return _encode(picture, "JPEG", quality=quality, subsampling=0)


def _encode(picture: NDArray[np.uint8], file_format: str, **options: int) -> bytes:
    from PIL import Image

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise MediaError(f"a picture must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, file_format, **options)
    return buffer.getvalue()
