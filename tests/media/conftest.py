"""Clips of every awkward kind, written with PyAV directly, and a plain decoder to compare with."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

Encode = Callable[..., Path]


def moving_frames(num_frames: int, width: int, height: int) -> np.ndarray:
    """Frames (T, H, W, 3) of a smooth pattern that moves, so that no two are equal."""
    rows, columns = np.mgrid[:height, :width]
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for t in range(num_frames):
        frames[t] = np.stack([columns * 3 + t * 5, rows * 2 + t * 3, columns + rows + t * 11], -1) % 256
    return frames


@pytest.fixture(scope="session")
def moving() -> Callable[[int, int, int], np.ndarray]:
    return moving_frames


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write a clip with PyAV: any codec, any times (in ticks of 1/25 s), rotation, and sound if wanted."""

    def write(
        name: str,
        *,
        codec: str = "libx264",
        options: dict[str, str] | None = None,
        num_frames: int = 30,
        size: tuple[int, int] = (64, 48),
        ticks: Sequence[int] | None = None,
        pixel_format: str = "yuv420p",
        rotation: int = 0,
        gop: int = 12,
        b_frames: int = 0,
        container_options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=container_options or {}) as container:
            # x264's macroblock tree is not repeatable, and some tests compare two encodings of the same frames.
            repeatable = {"x264-params": "mbtree=0"} if codec == "libx264" else {}
            stream = container.add_stream(codec, rate=25, options=repeatable | (options or {}))
            stream.width, stream.height = size
            stream.pix_fmt = pixel_format
            stream.gop_size = gop
            stream.max_b_frames = b_frames
            if rotation:
                stream.set_display_rotation(rotation)
            for number, pixels in enumerate(moving_frames(num_frames, *size)):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = number if ticks is None else ticks[number]
                frame.time_base = Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def sound_only(tmp_path: Path) -> Path:
    """An MP4 file with an audio stream and nothing else."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def plain_times() -> Callable[[Path], list[Fraction]]:
    """The times of the pictures that plain decoding of the whole file gives."""

    def decode(path: Path) -> list[Fraction]:
        with av.open(str(path)) as container:
            return [frame.pts * frame.time_base for frame in container.decode(video=0)]

    return decode
