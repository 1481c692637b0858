"""The n-th picture of a file as an image without loss: the same bytes every time, quickly, for many threads.

Stepping asks for neighbours, so pictures are decoded in runs and the run is kept; so are finished images. Both
memories are bounded. A file that changes on the disk is another file. Knows no HTTP.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perceptlm.annotate.frames.identity import FrameIdentity, identify, identity_of
from perceptlm.errors import MediaError
from perceptlm.media.image import read_image
from perceptlm.media.limits import DEFAULT_LIMITS, MediaLimits
from perceptlm.media.open import open_media
from perceptlm.media.source_file import check_readable_file
from perceptlm.media.video import Video

PictureFormat = Literal["png", "webp"]
MEDIA_TYPES: dict[PictureFormat, str] = {"png": "image/png", "webp": "image/webp"}
_QUICKLY: dict[PictureFormat, dict[str, Any]] = {
    "png": {"compress_level": 1},
    "webp": {"lossless": True, "quality": 0, "method": 0},
}
_RUN_PICTURES = 12
_RUN_BYTES = 96 << 20
_MAX_FILES = 256

T = TypeVar("T")


def encode_picture(picture: NDArray[np.uint8], format: PictureFormat = "png") -> bytes:
    """Return (H, W, 3) RGB as PNG or lossless WebP: every pixel as it is, the same bytes every time."""
    buffer = io.BytesIO()
    options = _QUICKLY[format]
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, format=format.upper(), **options)
    return buffer.getvalue()


class _Recent(Generic[T]):
    """The entries used most recently, of at most so much size in all. Not for several threads at once."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._size = 0
        self._entries: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        if key in self._entries:
            self._size -= self._entries.pop(key)[1]
        self._entries[key] = (value, size)
        self._size += size
        while self._size > self._max_size:
            self._size -= self._entries.popitem(last=False)[1][1]

    @property
    def size(self) -> int:
        return self._size


@dataclass
class _File:
    """One state of a file; `lock` lets one thread at a time decode it, so that neighbours are decoded once."""

    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    video: Video | None = None
    identity: FrameIdentity | None = None


class PictureService:
    """Pictures of many files. Safe to use from several threads; holds at most `max_bytes`, half of it images."""

    def __init__(self, max_bytes: int = 512 << 20, *, limits: MediaLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._lock = threading.Lock()  # of the three memories, held only while they are looked at
        self._files: _Recent[_File] = _Recent(_MAX_FILES)
        self._runs: _Recent[NDArray[np.uint8]] = _Recent(max_bytes // 2)
        self._images: _Recent[bytes] = _Recent(max_bytes - max_bytes // 2)

    def identity(self, path: Path) -> FrameIdentity:
        """Return a file's frame identity; MediaError as `identify`."""
        file, _ = self._file(path)
        with file.lock:
            return self._opened(file)

    def picture(self, path: Path, frame: int, format: PictureFormat = "png") -> bytes:
        """Return the picture with this number as PNG or lossless WebP.

        Raises MediaError naming `path` for a number that the file does not have, and for a file that is missing,
        truncated, or damaged up to the wanted picture.
        """
        file, state = self._file(path)
        return self._held(self._images, (state, frame, format), len, lambda: self._encoded(file, state, frame, format))

    def pixels(self, path: Path, frame: int) -> NDArray[np.uint8]:
        """Return the picture as (H, W, 3) RGB, not to be written to; errors are those of `picture`."""
        return self._pixels(*self._file(path), frame)

    @property
    def num_bytes(self) -> int:
        """Bytes held now."""
        with self._lock:
            return self._runs.size + self._images.size

    def _encoded(self, file: _File, state: Hashable, frame: int, format: PictureFormat) -> bytes:
        return encode_picture(self._pixels(file, state, frame), format)

    def _pixels(self, file: _File, state: Hashable, frame: int) -> NDArray[np.uint8]:
        with file.lock:
            identity = self._opened(file)
            if not 0 <= frame < identity.num_frames:
                raise MediaError(f"has no picture {frame}, only 0 to {identity.num_frames - 1}", path=file.path)
            num_pictures = max(1, min(_RUN_PICTURES, _RUN_BYTES // (identity.width * identity.height * 3)))
            run, place = divmod(frame, num_pictures)
            wanted = range(run * num_pictures, min((run + 1) * num_pictures, identity.num_frames))
            try:
                found = self._held(self._runs, (state, run), lambda made: made.nbytes, lambda: _decode(file, wanted))
            except MediaError:
                # Perhaps another picture of the run is the damaged one.
                found, place = _decode(file, [frame]), 0
        picture: NDArray[np.uint8] = found[place]
        return picture

    def _held(self, memory: _Recent[T], key: Hashable, size: Callable[[T], int], make: Callable[[], T]) -> T:
        with self._lock:
            found = memory.get(key)
        if found is None:
            found = make()
            with self._lock:
                memory.put(key, found, size(found))
        return found

    def _file(self, path: Path) -> tuple[_File, Hashable]:
        check_readable_file(path)
        status = path.stat()
        state = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            file = self._files.get(state)
            if file is None:
                file = _File(path)
                self._files.put(state, file, 1)
        return file, state

    def _opened(self, file: _File) -> FrameIdentity:
        if file.identity is None:
            if open_media(file.path) == "video":
                file.video = Video(file.path, limits=self._limits)
                file.identity = identity_of(file.video)
            else:
                file.identity = identify(file.path, limits=self._limits)
        return file.identity


def _decode(file: _File, wanted: Sequence[int]) -> NDArray[np.uint8]:
    return read_image(file.path)[None] if file.video is None else file.video.frames(wanted)
