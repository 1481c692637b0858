"""What a video file says of its pictures without decoding them: times and keyframes, from one pass over packets.

The claim is used only where one packet is known to be one picture (`is_exact`); elsewhere the pictures are
counted by decoding. This pass also notices files that end early. Knows no pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

from perceptlm.errors import MediaError
from perceptlm.media.container import DEFAULT_RATE, OpenVideo, ffmpeg_errors
from perceptlm.media.limits import MediaLimits

_ONE_PICTURE_PER_PACKET = frozenset(
    {"h264", "hevc", "av1", "vp9", "mjpeg", "mpeg4", "msmpeg4", "msmpeg4v2", "msmpeg4v3", "gif", "ffv1", "rawvideo"}
)
_LEAST_MISSING_SECONDS = Fraction(1, 2)
_LEAST_MISSING_SHARE = Fraction(1, 20)


@dataclass(frozen=True)
class PacketIndex:
    """Presentation timestamps (in `time_base` seconds) of the pictures that the packets announce, in order."""

    timestamps: tuple[int, ...]
    time_base: Fraction
    keyframes: tuple[int, ...]
    """Ordinals from which decoding can start; always holds 0."""
    is_exact: bool
    """Whether timestamps are one per picture, so that they need not be found by decoding."""
    last_duration_seconds: Fraction
    """Of the last picture; one average frame when the file does not say."""
    missing_seconds: Fraction
    """How much earlier the file ends than its header announces; 0 within tolerance."""
    first_picture: av.VideoFrame


@dataclass(frozen=True)
class _Entry:
    timestamp: int | None
    is_keyframe: bool
    is_dropped: bool
    duration: int


def read_packet_index(video: OpenVideo, limits: MediaLimits) -> PacketIndex:
    """Read every packet of `video` and decode its first picture.

    Raises MediaError beyond `limits.max_frames` or when nothing decodes; FFmpeg's own errors pass through.
    """
    first_picture: av.VideoFrame | None = None
    entries: list[_Entry] = []
    end = Fraction(0)
    for packet in video.container.demux():
        if packet.dts is None and packet.pts is None and packet.size == 0:
            continue  # the end-of-stream mark of one stream
        end = max(end, _end_of(packet))
        if packet.stream_index != video.stream.index or packet.size == 0:
            continue  # an empty packet repeats the picture before it
        entries.append(_Entry(packet.pts, packet.is_keyframe, packet.is_discard, packet.duration or 0))
        if len(entries) > limits.max_frames:
            raise MediaError(f"holds more than {limits.max_frames} pictures", path=video.path)
        if first_picture is None:
            first_picture = _decode_first(video, packet)
    if first_picture is None:
        first_picture = _decode_first(video, None)  # the decoder may still hold it
    if first_picture is None:
        raise MediaError("holds no picture that can be decoded", path=video.path)
    return _index(entries, video, _missing(video, end), first_picture)


def _decode_first(video: OpenVideo, packet: av.Packet[av.stream.Stream] | None) -> av.VideoFrame | None:
    with ffmpeg_errors(video.path, "picture 0 cannot be decoded"):
        return next(iter(video.stream.decode(packet)), None)


def _index(
    entries: list[_Entry], video: OpenVideo, missing_seconds: Fraction, first_picture: av.VideoFrame
) -> PacketIndex:
    timestamps = sorted(entry.timestamp for entry in entries if entry.timestamp is not None)
    is_exact = (
        bool(entries)
        and _codes_one_picture_per_packet(video)
        and len(set(timestamps)) == len(entries)
        and not any(entry.is_dropped for entry in entries)
        # A first picture that is no keyframe, or pictures shown before it, may not decode at all.
        and entries[0].is_keyframe
        and entries[0].timestamp == timestamps[0]
    )
    key_timestamps = {entry.timestamp for entry in entries if entry.is_keyframe}
    keyframes = tuple(i for i, timestamp in enumerate(timestamps) if timestamp in key_timestamps)
    time_base = Fraction(video.stream.time_base or 1)
    last_duration = next((entry.duration for entry in entries if timestamps and entry.timestamp == timestamps[-1]), 0)
    return PacketIndex(
        tuple(timestamps),
        time_base,
        keyframes,
        is_exact,
        last_duration * time_base or 1 / (video.stream.average_rate or DEFAULT_RATE),
        missing_seconds,
        first_picture,
    )


def _codes_one_picture_per_packet(video: OpenVideo) -> bool:
    codec = video.stream.codec_context.name
    # DivX and Xvid pack two pictures into one AVI chunk and an empty one into the next, with times to match.
    is_packed = codec == "mpeg4" and video.container.format.name == "avi"
    return codec in _ONE_PICTURE_PER_PACKET and not is_packed


def _end_of(packet: av.Packet[av.stream.Stream]) -> Fraction:
    start = packet.pts if packet.pts is not None else packet.dts
    return Fraction(0) if start is None else (start + (packet.duration or 0)) * packet.time_base


def _missing(video: OpenVideo, end: Fraction) -> Fraction:
    """Return the seconds between where the packets end and where the header says that they do."""
    container, stream = video.container, video.stream
    announced = Fraction(container.duration or 0, av.time_base)  # Matroska counts it from 0, not from the start
    if container.format.name == "avi" and stream.average_rate:
        announced = max(announced, stream.frames / stream.average_rate)  # FFmpeg mends the duration, not the count
    missing = announced - end
    return missing if missing > max(_LEAST_MISSING_SECONDS, _LEAST_MISSING_SHARE * announced) else Fraction(0)
