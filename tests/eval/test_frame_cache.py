"""Decoded frames are kept in memory and on disk: the same pictures, within a limit, whatever happens to the folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from perceptlm.errors import MediaError, StorageError
from perceptlm.eval.frame_cache import DiskFrames, FrameCache, entry_key
from perceptlm.media.pictures import VideoFrames, decode_frames
from perceptlm.media.write_video import write_video
from perceptlm.schema import MediaRef

INDICES = (0, 3, 7)
ENTRY_BYTES = 256 + 3 * 32 * 48 * 3


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[[int], tuple[Path, MediaRef]]:
    def make(number: int) -> tuple[Path, MediaRef]:
        path = tmp_path / f"{number}.mp4"
        frames = np.random.default_rng(number).integers(0, 256, (8, 32, 48, 3), np.uint8)
        write_video(path, frames, Fraction(8))
        item = MediaRef(kind="video", path=path.name, width=48, height=32, num_frames=8, frames_per_second="8")
        return path, item

    return make


@pytest.fixture
def never_decode(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forbid() -> None:
        def decode(*_: object) -> VideoFrames:
            raise AssertionError("decoded again")

        monkeypatch.setattr("perceptlm.eval.frame_cache.decode_frames", decode)

    return forbid


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.frames"))


def test_a_later_run_reads_what_was_decoded(make_video, never_decode, tmp_path) -> None:
    path, item = make_video(0)
    first = FrameCache(tmp_path / "cache")
    decoded = first.read(path, item, INDICES)
    assert first.num_decoded == 1
    assert np.array_equal(decoded.pictures, decode_frames(path, item, INDICES).pictures)
    never_decode()
    assert first.read(path, item, INDICES) is decoded
    kept = FrameCache(tmp_path / "cache").read(path, item, INDICES)
    assert np.array_equal(kept.pictures, decoded.pictures)
    assert kept.num_file_frames == 8
    (entry,) = entries(tmp_path / "cache")
    assert entry.stat().st_size == ENTRY_BYTES


def test_other_frames_and_changed_files_are_other_entries(make_video, tmp_path) -> None:
    path, item = make_video(0)
    key = entry_key(path, INDICES)
    assert key == entry_key(path, list(INDICES))
    assert key != entry_key(path, (0, 3, 6))
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert key != entry_key(path, INDICES)
    cache = FrameCache(tmp_path / "cache")
    cache.read(path, item, INDICES)
    make_video(1)[0].replace(path)
    assert np.array_equal(cache.read(path, item, INDICES).pictures, decode_frames(path, item, INDICES).pictures)
    assert cache.num_decoded == 2


def test_what_the_record_says_is_checked_however_the_frames_came(make_video, tmp_path) -> None:
    path, item = make_video(0)
    wrong = item.model_copy(update={"num_frames": 9})
    with pytest.raises(MediaError, match="its record says 9"):
        FrameCache(tmp_path / "cache").read(path, wrong, INDICES)
    assert entries(tmp_path / "cache") == []


@pytest.mark.parametrize("damage", ["cut", "turned", "empty", "head", "version"])
def test_a_damaged_entry_is_made_anew(damage: str, make_video, tmp_path) -> None:
    path, item = make_video(0)
    expected = FrameCache(tmp_path / "cache").read(path, item, INDICES).pictures
    (entry,) = entries(tmp_path / "cache")
    data = bytearray(entry.read_bytes())
    if damage == "turned":
        data[1000] ^= 1
    elif damage == "version":
        data[12] += 1
        assert b'"version": 2' in data
    else:
        data = {"cut": data[:-1], "empty": b"", "head": b"x" * 300}[damage]
    entry.write_bytes(data)
    cache = FrameCache(tmp_path / "cache")
    assert np.array_equal(cache.read(path, item, INDICES).pictures, expected)
    assert cache.num_decoded == 1
    assert FrameCache(tmp_path / "cache").read(path, item, INDICES).pictures.shape == expected.shape
    assert entry.stat().st_size == ENTRY_BYTES


def test_those_used_longest_ago_give_way(make_video, tmp_path) -> None:
    videos = [make_video(number) for number in range(4)]
    keys = [entry_key(path, INDICES) for path, _ in videos]

    def read(number: int) -> int:
        cache = FrameCache(tmp_path / "cache", max_bytes=3 * ENTRY_BYTES)
        cache.read(*videos[number], INDICES)
        return cache.num_decoded

    assert [read(number) for number in (0, 1, 2, 0)] == [1, 1, 1, 0]
    assert read(3) == 1
    assert {entry.stem for entry in entries(tmp_path / "cache")} == {keys[0], keys[2], keys[3]}
    assert [read(number) for number in (0, 2, 3)] == [0, 0, 0]


def test_what_is_larger_than_the_limit_is_not_kept(make_video, tmp_path) -> None:
    path, item = make_video(0)
    FrameCache(tmp_path / "cache", max_bytes=ENTRY_BYTES - 1).read(path, item, INDICES)
    assert entries(tmp_path / "cache") == []


def test_memory_has_a_limit_of_its_own(make_video) -> None:
    videos = [make_video(number) for number in range(3)]
    cache = FrameCache(memory_bytes=2 * ENTRY_BYTES)
    for number in (0, 1, 0, 2, 0, 1):
        cache.read(*videos[number], INDICES)
    assert cache.num_decoded == 4


def test_a_damaged_index_is_made_anew_from_what_is_there(make_video, tmp_path) -> None:
    videos = [make_video(number) for number in range(3)]
    cache = FrameCache(tmp_path / "cache", max_bytes=2 * ENTRY_BYTES)
    for path, item in videos[:2]:
        cache.read(path, item, INDICES)
    (tmp_path / "cache" / "index.sqlite").write_bytes(b"this is no database, and longer than its header " * 9)
    cache.read(*videos[2], INDICES)
    assert len(entries(tmp_path / "cache")) == 2
    assert entry_key(videos[2][0], INDICES) in {entry.stem for entry in entries(tmp_path / "cache")}


def test_a_lost_file_and_what_a_killed_process_left_do_no_harm(make_video, tmp_path) -> None:
    path, item = make_video(0)
    FrameCache(tmp_path / "cache").read(path, item, INDICES)
    (entry,) = entries(tmp_path / "cache")
    entry.unlink()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / "cache" / f"0.frames.{dead.pid}.tmp"
    mine = tmp_path / "cache" / f"0.frames.{os.getpid()}.tmp"
    for file in (left, mine):
        file.write_bytes(b"half")
    cache = FrameCache(tmp_path / "cache")
    cache.read(path, item, INDICES)
    assert (cache.num_decoded, left.exists(), mine.exists()) == (1, False, True)


def test_a_folder_that_cannot_be_is_said_at_once(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="frames cannot be kept"):
        DiskFrames(tmp_path / "file", 100)


def test_several_processes_share_a_folder(make_video, tmp_path) -> None:
    for number in range(4):
        make_video(number)
    code = f"""
import sys
from pathlib import Path
import numpy as np
from perceptlm.eval.frame_cache import FrameCache
from perceptlm.media.pictures import decode_frames
from perceptlm.schema import MediaRef
expected = {{}}
for turn in range(40):
    name = f"{{(turn * 7 + int(sys.argv[1])) % 4}}.mp4"
    path = Path({str(tmp_path)!r}) / name
    item = MediaRef(kind="video", path=name, width=48, height=32, num_frames=8, frames_per_second="8")
    expected.setdefault(name, decode_frames(path, item, {INDICES}).pictures)
    cache = FrameCache(Path({str(tmp_path)!r}) / "cache", max_bytes={2 * ENTRY_BYTES})
    assert np.array_equal(cache.read(path, item, {INDICES}).pictures, expected[name])
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(entries(tmp_path / "cache")) <= 2
