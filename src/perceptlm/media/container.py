"""Opening a video file with FFmpeg, safely: one local file, known formats, the first real video stream.

Playlists, scripts and network addresses, with which a file could make FFmpeg open something else, are refused.
Everything FFmpeg reports becomes a MediaError naming the file. Knows no frame numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from perceptlm.errors import MediaError
from perceptlm.media.limits import DEFAULT_LIMITS, MediaLimits
from perceptlm.media.source_file import check_readable_file, one_line

_FORMATS = "mov,matroska,avi,gif,mpegts,mpeg,flv,asf,ogg,ivf,yuv4mpegpipe"

DEFAULT_RATE = Fraction(25)
"""Pictures per second where a file states neither durations nor a rate."""


@dataclass(frozen=True)
class OpenVideo:
    """An open file and its video stream, read by one thread so that damage shows at the same place every time."""

    path: Path
    container: av.container.InputContainer
    stream: av.VideoStream


@contextmanager
def open_container(path: Path, limits: MediaLimits = DEFAULT_LIMITS) -> Iterator[OpenVideo]:
    """Open `path` for one pass over its packets. Raises MediaError for anything without a decodable video stream."""
    check_readable_file(path)
    with ffmpeg_errors(path, "is not a video that can be read"):
        container = av.open(
            f"file:{path.absolute()}",
            metadata_errors="replace",
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
        )
    with container:
        with ffmpeg_errors(path, "is not a video that can be read"):
            stream = _video_stream(path, container)
            context = stream.codec_context
            if context.width and context.height:
                limits.check_picture(path, context.width, context.height)
            context.thread_count = 1
            context.options = {"max_pixels": str(limits.max_pixels)}  # for sizes that change later
        yield OpenVideo(path, container, stream)


@contextmanager
def ffmpeg_errors(path: Path, problem: str) -> Iterator[None]:
    """Turn what FFmpeg raises into MediaError(`problem`: reason)."""
    try:
        yield
    except MediaError:
        raise
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise MediaError(f"{problem} ({reason})", path=path) from error


def _video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    # A song's cover picture is a video stream to FFmpeg, but not to people.
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & covers:
            if stream.codec_context is None:
                raise MediaError("its video is in a codec that this FFmpeg cannot decode", path=path)
            if not stream.time_base:
                raise MediaError("its video stream states no time base", path=path)
            return stream
    what = "only sound" if container.streams.audio else "no video stream"
    raise MediaError(f"holds {what}, no pictures to decode", path=path)
