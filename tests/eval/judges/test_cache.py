"""Replies outlive kills, are the same for all processes, and only ever belong to the question that was asked."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perceptlm.clients import ModelIdentity
from perceptlm.errors import DataError, StorageError
from perceptlm.eval.judges.cache import Reply, ReplyCache, reply_key
from perceptlm.schema import Turn

IDENTITY = ModelIdentity(name="judge", revision="1", licence="MIT", backend="http")
TURNS = (Turn(role="system", text="Grade."), Turn(role="user", text="A cat?"))
LIMITS = (256, 0.0, 0)

_WRITER = """
import sys
from pathlib import Path
from perceptlm.eval.judges.cache import Reply, ReplyCache
with ReplyCache(Path(sys.argv[1])) as cache:
    for number in range(int(sys.argv[3])):
        cache.put(number.to_bytes(32, "big"), Reply(f"{sys.argv[2]} {number} " + "x" * 500, "stop"))
        print(number, flush=True)
"""


def start_writer(path: Path, name: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(path), name, str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_reply_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cache.sqlite3"
    reply = Reply('line\n\u2028"\U0001f600', "length", 5, None)
    with ReplyCache(path) as cache:
        assert cache.get(b"k") is None
        assert cache.put(b"k", reply) == reply
    with ReplyCache(path) as cache:
        assert cache.get(b"k") == reply
        assert len(cache) == 1
        assert cache.num_bytes >= path.stat().st_size > 0


def test_many_replies_are_found_at_once(tmp_path: Path) -> None:
    keys = [number.to_bytes(32, "big") for number in range(1203)]
    with ReplyCache(tmp_path / "cache.sqlite3") as cache:
        kept = {key: cache.put(key, Reply(f"reply {number}", "stop", None, 7)) for number, key in enumerate(keys[::2])}
        assert cache.get_many(keys) == kept
        assert cache.get_many([*keys[:3], *keys[:3]]) == {key: kept[key] for key in (keys[0], keys[2])}
        assert cache.get_many([]) == {}


def test_the_first_reply_stays(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "c") as one, ReplyCache(tmp_path / "c") as other:
        one.put(b"k", Reply("first", "stop"))
        assert other.put(b"k", Reply("second", "stop")).text == "first"
        assert one.get(b"k") == other.get(b"k")


@pytest.mark.parametrize(
    ("turns", "limits"),
    [
        ((*TURNS[:1], Turn(role="user", text="A cat.")), LIMITS),
        (TURNS[1:], LIMITS),
        (TURNS[::-1], LIMITS),
        (TURNS, (255, 0.0, 0)),
        (TURNS, (256, 0.1, 0)),
        (TURNS, (256, 0.0, 1)),
    ],
)
def test_whatever_decides_a_reply_is_in_its_key(turns: tuple[Turn, ...], limits: tuple[int, float, int]) -> None:
    assert reply_key(IDENTITY, TURNS, LIMITS) == reply_key(IDENTITY, list(TURNS), LIMITS)
    assert reply_key(IDENTITY, turns, limits) != reply_key(IDENTITY, TURNS, LIMITS)


@pytest.mark.parametrize("change", [{"name": "other"}, {"revision": "2"}, {"backend": "local"}])
def test_whoever_replies_is_in_the_key(change: dict[str, str]) -> None:
    assert reply_key(IDENTITY.model_copy(update=change), TURNS, LIMITS) != reply_key(IDENTITY, TURNS, LIMITS)


def test_a_kill_loses_no_reply_that_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for wait in (0.0, 0.02, 0.05):
        writer = start_writer(path, "w", 100_000)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        said = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        writer.stdout.close()
        writer.wait()
        with ReplyCache(path) as cache:
            number = max(said, default=0) + 1
            assert all(cache.get(n.to_bytes(32, "big")) is not None for n in range(number))
            assert cache.get(bytes(32)) == Reply("w 0 " + "x" * 500, "stop")


def test_two_processes_agree_on_every_reply(tmp_path: Path) -> None:
    path = tmp_path / "c"
    writers = [start_writer(path, name, 300) for name in ("a", "b")]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with ReplyCache(path) as cache:
        assert len(cache) == 300
        assert {cache.get(n.to_bytes(32, "big")).text[2:] for n in range(300)} == {  # type: ignore[union-attr]
            f"{n} " + "x" * 500 for n in range(300)
        }


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    import sqlite3

    text = tmp_path / "notes"
    text.write_text("my notes, more than a database's first page? " * 50)
    with pytest.raises(DataError, match="no database"):
        ReplyCache(text)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(DataError, match="something else"):
        ReplyCache(tmp_path / "other")
    assert text.read_text().startswith("my notes")


def test_a_place_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError):
        ReplyCache(tmp_path / "file" / "c")
