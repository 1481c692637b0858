"""Decoded pictures to RGB and back, with the same result on every processor.

FFmpeg's default conversion takes shortcuts that differ by instruction set; these settings round exactly. Colour
matrix and range are those the file states, BT.601 where it states none (as FFmpeg and torchcodec do).
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

EXACT_CONVERSION = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
)


def to_rgb(frame: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3) RGB; transparent pixels are laid over white."""
    has_alpha = any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"
    target = "rgba" if has_alpha else "rgb24"
    pixels: NDArray[np.uint8] = np.asarray(
        reformatter.reformat(frame, format=target, interpolation=EXACT_CONVERSION, threads=1).to_ndarray(),
        dtype=np.uint8,
    )
    return over_white(pixels) if has_alpha else pixels


def over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W, 4) RGBA laid over white, as (H, W, 3) RGB, rounded to nearest."""
    alpha = pixels[..., 3:].astype(np.uint16)
    blended = pixels[..., :3] * alpha + 255 * (255 - alpha) + 127
    return (blended // 255).astype(np.uint8)
