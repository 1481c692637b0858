"""Frames of videos as they were decoded, kept in memory for the run and, if wanted, on disk for later runs.

A video is decoded once for all tasks, all regions drawn on it, and all models. What is kept is what a decoder gave,
before any box is drawn, at full size and as raw bytes: packing them (PNG, zlib, lossless video) takes as long as
decoding anew (docs/evaluation.md). On disk, an entry that is damaged is made anew, the entries used longest ago give
way when a limit is reached, and several processes may share the folder. Knows no question and no model.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from perceptlm.artifact import CACHE_TAG, CACHE_TAG_TEXT, TEMPORARY_SUFFIX
from perceptlm.errors import StorageError
from perceptlm.log import logger
from perceptlm.media.pictures import VideoFrames, decode_frames
from perceptlm.schema import MediaRef

T = TypeVar("T")

DEFAULT_DISK_BYTES = 20 * 2**30
MEMORY_BYTES = 2**28
_SUFFIX = ".frames"
_INDEX = "index.sqlite"
_VERSION = 1
_HEAD_BYTES = 256
_BUSY_SECONDS = 60.0


class FrameCache:
    """Reads frames of videos (a `FrameReader`); without `folder` only memory remembers them.

    `num_decoded` counts the videos that had to be decoded.
    """

    def __init__(
        self, folder: Path | None = None, *, max_bytes: int = DEFAULT_DISK_BYTES, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._disk = None if folder is None else DiskFrames(folder, max_bytes)
        self._memory: OrderedDict[str, VideoFrames] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._num_bytes = 0
        self.num_decoded = 0

    def read(self, path: Path, item: MediaRef, indices: Sequence[int]) -> VideoFrames:
        """Return the pictures with these indices; errors are those of `media.pictures.decode_frames`."""
        key = entry_key(path, indices)
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        found = None if self._disk is None else self._disk.get(key)
        if found is None:
            found = decode_frames(path, item, indices)
            self.num_decoded += 1
            if self._disk is not None:
                self._disk.put(key, found)
        self._memory[key] = found
        self._num_bytes += found.pictures.nbytes
        while self._num_bytes > self._memory_bytes and len(self._memory) > 1:
            self._num_bytes -= self._memory.popitem(last=False)[1].pictures.nbytes
        return found


def entry_key(path: Path, indices: Sequence[int]) -> str:
    """Return the name of these frames of a file: of where it lies, its size and time, and the decoder's version."""
    resolved = path.resolve()
    status = resolved.stat()
    decoder = av.library_versions["libavcodec"], av.library_versions["libswscale"]
    identity = [_VERSION, str(resolved), status.st_size, status.st_mtime_ns, decoder, list(indices)]
    return hashlib.blake2b(json.dumps(identity).encode(), digest_size=20).hexdigest()


class DiskFrames:
    """A folder of entries `KEY.frames`, and an SQLite index of their sizes and of the order in which they were used.

    The order is a count, not a time. An index that is damaged is made anew from the files that are there.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CACHE_TAG).write_bytes(CACHE_TAG_TEXT)
        except OSError as error:
            raise StorageError(
                f"frames cannot be kept in {folder}: {os.strerror(error.errno or 0)}",
                hint="name another --frame-cache, or leave it out",
            ) from error
        for left in folder.glob("*" + TEMPORARY_SUFFIX):
            if not _is_running(left.name.split(".")[-2]):
                left.unlink(missing_ok=True)

    def get(self, key: str) -> VideoFrames | None:
        """Return an entry, now the one used last; None if there is none, or it is damaged (it is then removed)."""
        path = self._path(key)
        try:
            found = _read_entry(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
            return None
        self._in_index(lambda index: _touch(index, key, _HEAD_BYTES + found.pictures.nbytes))
        return found

    def put(self, key: str, frames: VideoFrames) -> None:
        """Keep an entry, and remove those used longest ago until all fit; one larger than the limit is not kept.

        A full disk is no reason to stop: it is said, and the entry is left out.
        """
        head = _head(frames)
        num_bytes = _HEAD_BYTES + frames.pictures.nbytes
        if num_bytes > self._max_bytes:
            return
        path = self._path(key)
        temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
        try:
            with open(temporary, "wb") as file:
                file.write(head)
                file.write(np.ascontiguousarray(frames.pictures).data)
            # First into the index: a process killed in between leaves an entry that is counted and not there.
            for name in self._in_index(lambda index: _make_room(index, key, num_bytes, self._max_bytes)):
                self._path(name).unlink(missing_ok=True)
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            logger.warning("frames are not kept: %s: %s", path, os.strerror(error.errno or 0))

    def _path(self, key: str) -> Path:
        return self._folder / (key + _SUFFIX)

    def _in_index(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._transact(work)
        except sqlite3.OperationalError as error:
            raise StorageError(f"the index of {self._folder} cannot be written: {error}") from error
        except sqlite3.DatabaseError:  # it is no database (any more)
            (self._folder / _INDEX).unlink(missing_ok=True)
            return self._transact(work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with closing(sqlite3.connect(self._folder / _INDEX, timeout=_BUSY_SECONDS, isolation_level=None)) as index:
            index.execute("PRAGMA synchronous = OFF")  # what a power cut loses is made anew
            index.execute("BEGIN IMMEDIATE")
            if not index.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'").fetchone()[0]:
                self._begin(index)
            result = work(index)
            index.execute("COMMIT")
        return result

    def _begin(self, index: sqlite3.Connection) -> None:
        """Make the table of the files that are there, in order of name."""
        index.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, num_bytes INTEGER, used INTEGER)")
        for number, path in enumerate(sorted(self._folder.glob("*" + _SUFFIX))):
            index.execute("INSERT INTO entries VALUES (?, ?, ?)", (path.stem, path.stat().st_size, number))


def _is_running(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _touch(index: sqlite3.Connection, key: str, num_bytes: int) -> None:
    index.execute(
        "INSERT INTO entries VALUES (?, ?, (SELECT coalesce(max(used), 0) + 1 FROM entries)) "
        "ON CONFLICT (key) DO UPDATE SET used = excluded.used, num_bytes = excluded.num_bytes",
        (key, num_bytes),
    )


def _make_room(index: sqlite3.Connection, key: str, num_bytes: int, max_bytes: int) -> list[str]:
    """Enter an entry, and take out those used longest ago until all fit; return their keys."""
    _touch(index, key, num_bytes)
    total = index.execute("SELECT sum(num_bytes) FROM entries").fetchone()[0]
    removed = []
    for name, size in index.execute("SELECT key, num_bytes FROM entries ORDER BY used").fetchall():
        if total <= max_bytes:
            break
        removed.append(name)
        total -= size
    index.executemany("DELETE FROM entries WHERE key = ?", [(name,) for name in removed])
    return removed


def _head(frames: VideoFrames) -> bytes:
    values = {
        "version": _VERSION,
        "shape": frames.pictures.shape,
        "num_file_frames": frames.num_file_frames,
        "crc32": zlib.crc32(np.ascontiguousarray(frames.pictures).data),
    }
    return json.dumps(values).encode().ljust(_HEAD_BYTES - 1) + b"\n"


def _read_entry(path: Path) -> VideoFrames:
    """Return an entry; ValueError, KeyError or TypeError if it is damaged."""
    with open(path, "rb") as file:
        head = json.loads(file.read(_HEAD_BYTES))
        shape = tuple(int(number) for number in head["shape"])
        num_bytes = os.fstat(file.fileno()).st_size - _HEAD_BYTES
        if head["version"] != _VERSION or len(shape) != 4 or num_bytes != np.prod(shape):
            raise ValueError(f"{path} is damaged")
        pictures = np.empty(shape, np.uint8)
        file.readinto(pictures.reshape(-1).data)
        if zlib.crc32(pictures.data) != head["crc32"]:
            raise ValueError(f"{path} is damaged")
        return VideoFrames(pictures, int(head["num_file_frames"]))
