"""Decoding a video's pictures one after another, and counting them where packets do not tell their number.

Knows no frame indices wanted by anyone; `video` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av

from perceptlm.errors import MediaError
from perceptlm.media.container import DEFAULT_RATE, OpenVideo
from perceptlm.media.limits import MediaLimits


@dataclass(frozen=True)
class DecodedTimes:
    """What decoding every picture found: times and the last picture's duration in seconds, and the failures."""

    times: tuple[Fraction, ...]
    last_duration_seconds: Fraction
    num_damaged: int
    first_picture: av.VideoFrame


def decoded_pictures(video: OpenVideo, on_damage: Callable[[str], None]) -> Iterator[av.VideoFrame]:
    """Yield the pictures in presentation order from where `video` stands.

    `on_damage` is told of every packet or picture that fails and may raise; if it returns, decoding goes on.
    """
    packets = video.container.demux(video.stream)
    ended = False
    while not ended:
        packet: av.Packet[av.VideoStream] | None
        try:
            packet = next(packets)
            ended = packet.pts is None and packet.dts is None and packet.size == 0
            if packet.size == 0 and not ended:
                continue  # it repeats the picture before it, and would end decoding
            pictures = video.stream.decode(packet)
        except (StopIteration, av.EOFError):
            return
        except av.FFmpegError as error:
            on_damage(error.strerror or str(error))
            continue
        for picture in pictures:
            if picture.is_corrupt:
                on_damage("the decoder reports it as damaged")
            else:
                yield picture


def decode_times(video: OpenVideo, limits: MediaLimits, *, allow_damage: bool) -> DecodedTimes:
    """Decode every picture once, for its time. Raises MediaError for damage unless `allow_damage`."""
    times: list[Fraction] = []
    gap = 1 / (video.stream.average_rate or DEFAULT_RATE)
    last_duration = gap
    first: av.VideoFrame | None = None
    num_damaged = 0

    def on_damage(reason: str) -> None:
        nonlocal num_damaged
        num_damaged += 1
        if not allow_damage:
            raise damaged_picture(video, len(times), reason)

    for picture in decoded_pictures(video, on_damage):
        first = first or picture
        if picture.pts is not None and picture.time_base:
            times.append(picture.pts * picture.time_base)
        else:
            times.append(times[-1] + gap if times else Fraction(0))
        last_duration = Fraction((picture.duration or 0) * (picture.time_base or 0)) or gap
        if len(times) > limits.max_frames:
            raise MediaError(f"holds more than {limits.max_frames} pictures", path=video.path)
    if first is None:
        raise MediaError("holds no picture that can be decoded", path=video.path)
    # Pictures come in the order they are shown; packed B-frames carry each other's times.
    return DecodedTimes(tuple(sorted(times)), last_duration, num_damaged, first)


def damaged_picture(video: OpenVideo, ordinal: int, reason: str) -> MediaError:
    """Return the error for a picture that does not decode."""
    return MediaError(
        f"picture {ordinal} cannot be decoded ({reason})",
        path=video.path,
        hint="the file is damaged; get a whole copy, or open it allowing partial reading",
    )
