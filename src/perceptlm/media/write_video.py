"""Writing a video file: H.264 or MPEG-4 in MP4, one thread, the same bytes for the same frames.

What would change from run to run is left out: no creation time, no muxer name, one encoder thread, colour
conversion that does not depend on the processor. Encoders are set for small, quickly written clips. This module
knows no samples and no worlds.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from perceptlm.errors import MediaError, StorageError
from perceptlm.media.colour import EXACT_CONVERSION

VideoCodec = Literal["h264", "mpeg4"]

_ENCODERS: dict[str, str] = {"h264": "libx264", "mpeg4": "mpeg4"}
_QUALITY_RANGES: dict[str, tuple[int, int]] = {"h264": (0, 51), "mpeg4": (1, 31)}
_DEFAULT_QUALITY: dict[str, int] = {"h264": 20, "mpeg4": 4}
_MAX_RATE_TERM = 1 << 16
_TAGGED_COLORSPACE = 6  # SMPTE 170M, i.e. BT.601: what the conversion below uses


def write_video(
    path: Path,
    frames: NDArray[np.uint8],
    frames_per_second: Fraction | int,
    codec: VideoCodec = "h264",
    *,
    quality: int | None = None,
    keyframe_interval: int = 32,
) -> None:
    """Write `frames` (T, H, W, 3) RGB as an MP4 file with constant rate, yuv420p and no B-frames.

    `quality` is the encoder's own scale, smaller is better: x264's constant rate factor 0..51 (default 20), or
    MPEG-4's quantiser 1..31 (default 4). The file appears whole or not at all: it is written beside its place
    and renamed. Raises MediaError (naming `path`) for frames, rates or qualities that cannot be written, and
    StorageError where the disk refuses.
    """
    rate = Fraction(frames_per_second)
    _check(path, frames, rate, codec, keyframe_interval)
    quality = _DEFAULT_QUALITY[codec] if quality is None else quality
    low, high = _QUALITY_RANGES[codec]
    if not low <= quality <= high:
        raise MediaError(f"quality {quality} is not in {low}..{high} of codec '{codec}'", path=path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        _encode(partial, frames, rate, codec, quality, keyframe_interval)
        partial.replace(path)
    except OSError as error:  # FFmpeg's refusals to write are OSErrors too
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path}: the video cannot be written: {error.strerror or error}") from error


def _check(path: Path, frames: NDArray[np.uint8], rate: Fraction, codec: str, keyframe_interval: int) -> None:
    if codec not in _ENCODERS:
        raise MediaError(f"unknown codec '{codec}'", path=path, hint=f"use one of {', '.join(sorted(_ENCODERS))}")
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise MediaError(f"frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}", path=path)
    num_frames, height, width, _ = frames.shape
    if num_frames == 0 or height == 0 or width == 0:
        raise MediaError(f"a video needs at least one frame with pixels, got {frames.shape}", path=path)
    if height % 2 or width % 2:
        raise MediaError(
            f"yuv420p needs an even width and height, got {width}x{height}", path=path, hint="crop or pad by one pixel"
        )
    if rate <= 0 or rate.numerator >= _MAX_RATE_TERM or rate.denominator >= _MAX_RATE_TERM:
        raise MediaError(f"frames_per_second {rate} cannot be stored", path=path)
    if keyframe_interval < 1:
        raise MediaError(f"keyframe_interval must be at least 1, got {keyframe_interval}", path=path)


def _encode(
    path: Path, frames: NDArray[np.uint8], rate: Fraction, codec: VideoCodec, quality: int, keyframe_interval: int
) -> None:
    reformatter = VideoReformatter()
    with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = cast(av.VideoStream, container.add_stream(_ENCODERS[codec], rate=rate))
        context = stream.codec_context
        context.height, context.width = frames.shape[1:3]
        context.pix_fmt = "yuv420p"
        context.time_base = 1 / rate
        context.gop_size = keyframe_interval
        context.max_b_frames = 0
        context.thread_count = 1
        context.flags |= Flags.bitexact.value
        context.colorspace = _TAGGED_COLORSPACE
        context.color_range = ColorRange.MPEG
        _set_quality(context, codec, quality)
        for number, pixels in enumerate(frames):
            frame = reformatter.reformat(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                interpolation=EXACT_CONVERSION,
                threads=1,
            )
            frame.pts = number
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _set_quality(context: av.VideoCodecContext, codec: VideoCodec, quality: int) -> None:
    if codec == "h264":
        # Without scene-cut detection keyframes lie at multiples of the interval. Macroblock-tree rate control is off
        # because x264's gives other bytes for the same frames in one run of ten.
        parameters = "threads=1:scenecut=0:bframes=0:mbtree=0"
        context.options = {"preset": "veryfast", "crf": str(quality), "x264-params": parameters}
    else:
        context.qmin = context.qmax = quality
