"""Writing a video file: H.264 or MPEG-4 in MP4, one thread, the same bytes for the same frames.

What would change from run to run is left out: no creation time, no muxer name, one encoder thread, colour
conversion that does not depend on the processor. Encoders are set for small, quickly written clips. This module
knows no samples and no worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
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
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise MediaError(f"frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}", path=path)
    if 0 in frames.shape:
        raise MediaError(f"a video needs at least one frame with pixels, got {frames.shape}", path=path)
    size = (frames.shape[2], frames.shape[1])
    write_pictures(
        path, iter(frames), size, frames_per_second, codec, quality=quality, keyframe_interval=keyframe_interval
    )


def write_pictures(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    frames_per_second: Fraction | int,
    codec: VideoCodec = "h264",
    *,
    quality: int | None = None,
    keyframe_interval: int = 32,
) -> int:
    """Write what `write_video` would, of pictures (H, W, 3) that are made one at a time; return how many there were.

    `size` is their width and height. Errors are those of `write_video`, and what `pictures` raises.
    """
    rate = Fraction(frames_per_second)
    _check(path, size, rate, codec, keyframe_interval)
    quality = _DEFAULT_QUALITY[codec] if quality is None else quality
    low, high = _QUALITY_RANGES[codec]
    if not low <= quality <= high:
        raise MediaError(f"quality {quality} is not in {low}..{high} of codec '{codec}'", path=path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        num_pictures = _encode(partial, pictures, size, rate, codec, quality, keyframe_interval)
        partial.replace(path)
    except OSError as error:  # FFmpeg's refusals to write are OSErrors too
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path}: the video cannot be written: {error.strerror or error}") from error
    except MediaError:
        partial.unlink(missing_ok=True)
        raise
    return num_pictures


def _check(path: Path, size: tuple[int, int], rate: Fraction, codec: str, keyframe_interval: int) -> None:
    if codec not in _ENCODERS:
        raise MediaError(f"unknown codec '{codec}'", path=path, hint=f"use one of {', '.join(sorted(_ENCODERS))}")
    width, height = size
    if height % 2 or width % 2:
        raise MediaError(
            f"yuv420p needs an even width and height, got {width}x{height}", path=path, hint="crop or pad by one pixel"
        )
    if rate <= 0 or rate.numerator >= _MAX_RATE_TERM or rate.denominator >= _MAX_RATE_TERM:
        raise MediaError(f"frames_per_second {rate} cannot be stored", path=path)
    if keyframe_interval < 1:
        raise MediaError(f"keyframe_interval must be at least 1, got {keyframe_interval}", path=path)


def _encode(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    rate: Fraction,
    codec: VideoCodec,
    quality: int,
    keyframe_interval: int,
) -> int:
    with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = add_exact_stream(container, _ENCODERS[codec], size, rate, keyframe_interval)
        stream.codec_context.max_b_frames = 0
        _set_quality(stream.codec_context, codec, quality)
        return encode_pictures(container, stream, _checked(path, pictures, size), rate)


def _checked(path: Path, pictures: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    number = -1
    for number, pixels in enumerate(pictures):
        if pixels.shape != (size[1], size[0], 3):
            raise MediaError(f"picture {number} is {pixels.shape}, not of size {size[0]}x{size[1]}", path=path)
        yield pixels
    if number < 0:
        raise MediaError("a video needs at least one picture", path=path)


def add_exact_stream(
    container: OutputContainer, encoder: str, size: tuple[int, int], rate: Fraction, keyframe_interval: int
) -> av.VideoStream:
    """Add a yuv420p stream that `encode_pictures` fills with the same bytes in every run; quality is the caller's."""
    stream = cast(av.VideoStream, container.add_stream(encoder, rate=rate))
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = 1 / rate
    context.gop_size = keyframe_interval
    context.thread_count = 1
    context.flags |= Flags.bitexact.value
    context.colorspace = _TAGGED_COLORSPACE
    context.color_range = ColorRange.MPEG
    return stream


def encode_pictures(
    container: OutputContainer, stream: av.VideoStream, pictures: Iterable[NDArray[np.uint8]], rate: Fraction
) -> int:
    """Encode pictures (H, W, 3) of the stream's size to its end, one per `1 / rate`; return how many there were."""
    reformatter = VideoReformatter()
    number = -1
    for number, pixels in enumerate(pictures):
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
    return number + 1


def _set_quality(context: av.VideoCodecContext, codec: VideoCodec, quality: int) -> None:
    if codec == "h264":
        # Without scene-cut detection keyframes lie at multiples of the interval. Macroblock-tree rate control is off
        # because x264's gives other bytes for the same frames in one run of ten.
        parameters = "threads=1:scenecut=0:bframes=0:mbtree=0"
        context.options = {"preset": "veryfast", "crf": str(quality), "x264-params": parameters}
    else:
        context.qmin = context.qmax = quality
