"""Videos of every awkward kind with the number of each picture burned in, and a reader of these numbers.

    for video in corpus(tmp_path):
        video.path, video.numbers          # picture n of the file shows numbers[n]
    read_number(picture)                    # from (H, W, 3) RGB, scaled, padded or compressed

The number is a barcode of black and white bars over the whole picture: 10 bits of the number, most significant first,
and 6 of a check, in two rows of 8 bars, so that it is read after lossy coding, scaling and padding by a pixel. A
picture turned by a quarter or a half reads as no number or another one: turned pictures must be upright to be read.
`corpus` makes whole videos; `truncated(folder)` one that ends early. CASES names what there is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

NUM_FRAMES = 40
_BITS, _CHECK_BITS = 10, 6
_COLUMNS, _ROWS = 8, 2
_SIZE = (96, 64)

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """How a video is made. `ticks` are its times in 1/rate; `rotation` in degrees, counter-clockwise as FFmpeg's."""

    name: str
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = _SIZE
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    ticks: tuple[int, ...] | None = None
    rotation: int = 0
    b_frames: int = 0
    gop: int = 12
    options: dict[str, str] = field(default_factory=dict)
    edit: tuple[int, int] | None = None
    """Only pictures from the first up to, and without, the second are shown, by an edit list."""

    @property
    def is_constant(self) -> bool:
        """Whether pictures come at a constant rate from 0 on."""
        return self.ticks is None


@dataclass(frozen=True)
class CorpusVideo:
    """A video: picture n (as decoded, in order) shows `numbers[n]`, `size` is that of upright pictures."""

    name: str
    path: Path
    numbers: tuple[int, ...]
    size: tuple[int, int]
    case: Case


_DROPPED = tuple(tick for tick in range(60) if tick % 3 != 1)
_NTSC = ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001))

CASES: tuple[Case, ...] = (
    *(Case(f"cfr-{float(Fraction(n, d)):.5g}.mp4", Fraction(n, d)) for n, d in _NTSC),
    Case("vfr-dropped-ticks.mp4", ticks=_DROPPED),
    Case("vfr-dropped-ticks.mkv", ticks=_DROPPED, b_frames=2),
    Case("vfr-long-gap.webm", codec="libvpx-vp9", ticks=tuple(i + (300 if i > 20 else 0) for i in range(NUM_FRAMES)),
         options={"deadline": "realtime", "cpu-used": "8"}),
    Case("edit-list.mp4", edit=(7, 33)),
    Case("edit-list-b-frames.mp4", edit=(14, 36), b_frames=2),
    Case("b-frames.mp4", b_frames=3, gop=20),
    Case("long-gop.mp4", b_frames=2, gop=250),
    Case("rotated-90.mp4", rotation=90),
    Case("rotated-180.mp4", rotation=180),
    Case("odd-size.webm", codec="libvpx", size=(97, 65), options={"deadline": "realtime", "cpu-used": "8"}),
    Case("odd-size.avi", codec="mjpeg", pixel_format="yuvj444p", size=(97, 65)),
    Case("late-start.mkv", ticks=tuple(i + 50 for i in range(NUM_FRAMES))),
    Case("late-start.ts", codec="mpeg2video", ticks=tuple(i + 100 for i in range(NUM_FRAMES)), b_frames=2),
    Case("packed-times.avi", codec="mpeg4", ticks=_DROPPED),
)  # fmt: skip


def corpus(folder: Path, cases: Sequence[Case] = CASES) -> list[CorpusVideo]:
    """Write the videos of `cases` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [make(folder, case) for case in cases]


def make(folder: Path, case: Case) -> CorpusVideo:
    """Write one video."""
    path = folder / case.name
    encode(path, case)
    numbers = tuple(range(NUM_FRAMES))
    if case.edit is not None:
        _edit(path, *case.edit, Fraction(case.rate))
        numbers = numbers[case.edit[0] : case.edit[1]]
    size = case.size if case.rotation % 180 == 0 else case.size[::-1]
    return CorpusVideo(case.name, path, numbers, size, case)


def truncated(folder: Path) -> Path:
    """Write a video that ends after six tenths of its bytes, its index in front."""
    path = folder / "truncated.mp4"
    encode(path, Case(path.name), container_options={"movflags": "faststart"}, num_frames=100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    return path


def encode(
    path: Path, case: Case, *, num_frames: int = NUM_FRAMES, container_options: dict[str, str] | None = None
) -> None:
    """Write the pictures of a case with PyAV; edit lists are `make`'s."""
    upright = case.size if case.rotation % 180 == 0 else case.size[::-1]
    with av.open(str(path), "w", options=container_options or {}) as container:
        repeatable = {"x264-params": "mbtree=0:scenecut=0"} if case.codec == "libx264" else {}
        stream = container.add_stream(case.codec, rate=case.rate, options=repeatable | case.options)
        stream.width, stream.height = case.size
        stream.pix_fmt = case.pixel_format
        stream.gop_size = case.gop
        stream.max_b_frames = case.b_frames
        if case.rotation:
            stream.set_display_rotation(case.rotation)
        for number in range(num_frames):
            picture = np.rot90(numbered(number, *upright), -case.rotation // 90)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = number if case.ticks is None else case.ticks[number]
            frame.time_base = 1 / case.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def numbered(number: int, width: int, height: int) -> Picture:
    """Return a picture (H, W, 3) of this size with a number burned in."""
    bars = np.array(_bits(number), np.uint8).reshape(_ROWS, _COLUMNS) * 190 + 30
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    return np.repeat(bars[rows][:, columns, None], 3, axis=2)


def read_number(picture: Picture) -> int:
    """Return the number burned into a picture (H, W, 3) of any size; ValueError if there is none to be read."""
    height, width = picture.shape[:2]
    grey = picture.astype(float).mean(axis=2)
    bits = []
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            # The middle of the bar: its edges are blurred.
            top, left = (row + 0.3) * height / _ROWS, (column + 0.3) * width / _COLUMNS
            bottom, right = (row + 0.7) * height / _ROWS, (column + 0.7) * width / _COLUMNS
            bits.append(int(grey[round(top) : round(bottom), round(left) : round(right)].mean() > 128))
    number = sum(bit << place for place, bit in enumerate(reversed(bits[:_BITS])))
    if tuple(bits) != _bits(number):
        raise ValueError(f"no number can be read: {bits}")
    return number


def read_numbers(pictures: Sequence[Picture]) -> list[int]:
    """Return the number of every picture."""
    return [read_number(picture) for picture in pictures]


def decoded_by_pyav(path: Path) -> list[Picture]:
    """Return every picture as plain sequential decoding gives it, turned upright."""
    with av.open(str(path)) as container:
        return [
            np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))
            for frame in container.decode(video=0)
        ]


def _bits(number: int) -> tuple[int, ...]:
    """Return number and check, so chosen that no number below 300 can be read of a picture upside down."""
    check = (number * 63 + 60 ^ number >> 5) % (1 << _CHECK_BITS)
    return (*_digits(number, _BITS), *_digits(check, _CHECK_BITS))


def _digits(value: int, num_bits: int) -> list[int]:
    return [value >> place & 1 for place in reversed(range(num_bits))]


def _edit(path: Path, first: int, stop: int, rate: Fraction) -> None:
    """Rewrite the edit list of an MP4 file: only pictures `first` to `stop` are shown (ISO/IEC 14496-12, 8.6.6)."""
    content = bytearray(path.read_bytes())
    movie_scale = _uint(content, _box(content, "moov", "mvhd") + 12)
    media_scale = _uint(content, _box(content, "moov", "trak", "mdia", "mdhd") + 12)
    entry = _box(content, "moov", "trak", "edts", "elst") + 8
    start = struct.unpack_from(">i", content, entry + 4)[0] + round(first / rate * media_scale)
    struct.pack_into(">Ii", content, entry, round((stop - first) / rate * movie_scale), start)
    path.write_bytes(content)


def _box(content: bytearray, *names: str) -> int:
    """Return where the content of a box begins."""
    start, stop = 0, len(content)
    for name in names:
        while content[start + 4 : start + 8] != name.encode():
            start += _uint(content, start)
            if start >= stop:
                raise ValueError(f"the file has no box {name}")
        start, stop = start + 8, start + _uint(content, start)
    return start


def _uint(content: bytearray, place: int) -> int:
    return int(struct.unpack_from(">I", content, place)[0])


Reader = Callable[[CorpusVideo], list[int]]
"""One way to read a video: returns the number of every picture, for `assert numbers == list(video.numbers)`."""
