"""A proxy for browsers: VP9 in WebM at a constant rate, with as many pictures as the source, one for one.

Browsers seek by time and hide frame numbers; times of the source may be anything. In the proxy picture n is shown
from n / rate to (n + 1) / rate, so that a page seeks to (n + 0.5) / rate and shows picture n of the source. Made for
looking: what is labelled exactly is the picture itself (`pictures`).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from perceptlm.annotate.frames.identity import FrameIdentity, identify, identity_of
from perceptlm.annotate.frames.rate import constant_rate
from perceptlm.config import Config, file_digest
from perceptlm.errors import MediaError, StorageError
from perceptlm.media.image import read_image
from perceptlm.media.limits import DEFAULT_LIMITS, MediaLimits
from perceptlm.media.video import Video
from perceptlm.media.write_video import add_exact_stream, encode_pictures

MAX_SIDE = 1280
KEYFRAME_INTERVAL = 12
_QUALITY = 30
_STILL_RATE = Fraction(1)


class ProxyRecord(Config):
    """What a proxy is of. The source's picture fills `shown_width` x `shown_height` at the top left of the proxy's
    pictures; what is right of it and below is padding, so that both sides are even."""

    source_frame_table_hash: str
    num_frames: int = Field(gt=0)
    frames_per_second: str = Field(description="a rational such as '30000/1001'")
    source_width: int
    source_height: int
    shown_width: int
    shown_height: int
    width: int
    height: int
    keyframe_interval: int
    media_type: str = "video/webm; codecs=vp9"
    sha256: str
    num_bytes: int


def make_proxy(path: Path, out: Path, *, max_side: int = MAX_SIDE, limits: MediaLimits = DEFAULT_LIMITS) -> ProxyRecord:
    """Write the proxy of an image or video to `out`; pictures with a side above `max_side` become smaller.

    The file appears whole or not at all, with the same bytes for the same source. Raises MediaError naming `path` for
    one that is truncated or damaged anywhere, StorageError where the disk refuses.
    """
    identity = identify(path, limits=limits)
    if identity.kind == "image":
        rate, pictures = _STILL_RATE, iter([read_image(path, limits=limits)])
    else:
        video = Video(path, limits=limits)
        identity, rate = identity_of(video), constant_rate(identity.average_rate)
        pictures = video.in_order()
    shown = shown_size(identity.width, identity.height, max_side)
    partial = out.with_name(f".{out.name}.partial")
    try:
        num_written = _encode(partial, pictures, shown, rate)
        if num_written != identity.num_frames or Video(partial).table.num_frames != num_written:
            raise MediaError(f"the proxy has {num_written} pictures, not {identity.num_frames}", path=path)
        record = _record(partial, identity, shown, rate)
        partial.replace(out)
    except (OSError, av.FFmpegError) as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{out}: the proxy cannot be written: {error.strerror or error}") from error
    except MediaError:
        partial.unlink(missing_ok=True)
        raise
    return record


def shown_size(width: int, height: int, max_side: int = MAX_SIDE) -> tuple[int, int]:
    """Return the size a picture has in its proxy, its longer side at most `max_side`."""
    longest = max(width, height)
    if longest <= max_side:
        return width, height
    return max(1, round(width * max_side / longest)), max(1, round(height * max_side / longest))


def padded_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the next even width and height."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def pad_to_even(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W, 3) with the last column and row repeated where a side is odd."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return picture


def _record(file: Path, identity: FrameIdentity, shown: tuple[int, int], rate: Fraction) -> ProxyRecord:
    width, height = padded_size(shown)
    return ProxyRecord(
        source_frame_table_hash=identity.frame_table_hash,
        num_frames=identity.num_frames,
        frames_per_second=str(rate),
        source_width=identity.width,
        source_height=identity.height,
        shown_width=shown[0],
        shown_height=shown[1],
        width=width,
        height=height,
        keyframe_interval=KEYFRAME_INTERVAL,
        sha256=file_digest(file),
        num_bytes=file.stat().st_size,
    )


def _encode(path: Path, pictures: Iterator[NDArray[np.uint8]], shown: tuple[int, int], rate: Fraction) -> int:
    # The index stands in front, so that a browser can seek before it has read the whole file.
    container_options = {"fflags": "+bitexact", "cues_to_front": "1"}
    with av.open(str(path), "w", format="webm", container_options=container_options) as container:
        stream = add_exact_stream(container, "libvpx-vp9", padded_size(shown), rate, KEYFRAME_INTERVAL)
        stream.codec_context.bit_rate = 0
        # No look-ahead and no hidden pictures: one packet is one picture, as the source has them.
        stream.codec_context.options = {
            "crf": str(_QUALITY), "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0",
            "keyint_min": str(KEYFRAME_INTERVAL),
        }  # fmt: skip
        fitted = (pad_to_even(_scaled(pixels, shown)) for pixels in pictures)
        return encode_pictures(container, stream, fitted, rate)


def _scaled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
