"""Replies of judges, kept by the content of what was asked: no call is ever paid for twice.

One SQLite file, which several processes may write at once and which a kill at any moment leaves whole. The key is the
sha256 of the model's identity, the conversation and its limits. Whoever records a reply to a key first is right: later
ones read that reply back, so that all agree. This module knows no wording and no verdict.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from perceptlm.artifact import translate_os_errors
from perceptlm.clients import ModelIdentity
from perceptlm.errors import DataError, StorageError
from perceptlm.schema import Turn

_APPLICATION_ID = 0x504C4D4A
"""Marks a file as one of ours ("PLMJ")."""
_WAIT_SECONDS = 60.0
_CREATE = (
    "CREATE TABLE replies (key BLOB PRIMARY KEY, text TEXT NOT NULL, finish_reason TEXT NOT NULL, "
    "num_prompt_tokens INTEGER, num_new_tokens INTEGER) WITHOUT ROWID"
)
_READ = "SELECT text, finish_reason, num_prompt_tokens, num_new_tokens FROM replies WHERE key = ?"
_READ_MANY = "SELECT key, text, finish_reason, num_prompt_tokens, num_new_tokens FROM replies WHERE key IN ({})"
_KEYS_AT_ONCE = 500
"""SQLite before 3.32 takes no more than 999."""
_WRITE = "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Reply:
    """What a model said. Token counts are None where its server told none."""

    text: str
    finish_reason: str
    num_prompt_tokens: int | None = None
    num_new_tokens: int | None = None


def reply_key(
    identity: ModelIdentity, turns: Sequence[Turn], limits: tuple[int, float, int], *, address: str | None = None
) -> bytes:
    """Return the key of a conversation without media; `limits` are its new tokens, temperature and seed.

    `address` tells servers apart whose model states no revision.
    """
    model = [identity.name, identity.revision, identity.backend, *([] if address is None else [address])]
    content = [model, [[turn.role, turn.text] for turn in turns], limits]
    return hashlib.sha256(json.dumps(content).encode()).digest()


class ReplyCache:
    """The replies in one file, which is made if it is not there. Close it, or use it in a `with`.

    DataError if the file is not one of ours or damaged; StorageError if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._translated():
            self._file = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._file.close()
                raise

    def _prepare(self) -> None:
        # Several processes may begin at once: one of them makes the table, the others wait here.
        self._file.execute("BEGIN EXCLUSIVE")
        (found,) = self._file.execute("PRAGMA application_id").fetchone()
        (num_tables,) = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if found != _APPLICATION_ID:
            if num_tables:
                raise DataError("a database of something else", path=self.path, hint="name another file")
            self._file.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._file.execute(_CREATE)
        self._file.execute("COMMIT")
        self._write_ahead()

    def _write_ahead(self) -> None:
        """Have replies written ahead: they survive the death of this process, and readers wait for no writer."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._file.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                # SQLite does not wait by itself here while another process opens the file.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self._file.execute("PRAGMA synchronous = NORMAL")

    def get(self, key: bytes) -> Reply | None:
        """Return the reply recorded under a key."""
        with self._translated():
            row = self._file.execute(_READ, (key,)).fetchone()
        return None if row is None else Reply(*row)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the replies recorded under these keys, in a fifth of the time of asking for each."""
        found: dict[bytes, Reply] = {}
        with self._translated():
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                some = keys[start : start + _KEYS_AT_ONCE]
                places = ",".join("?" * len(some))
                found |= {key: Reply(*row) for key, *row in self._file.execute(_READ_MANY.format(places), some)}
        return found

    def put(self, key: bytes, reply: Reply) -> Reply:
        """Record a reply, and return the one that is now under the key: an earlier one stays."""
        with self._translated():
            self._file.execute(_WRITE, (key, *astuple(reply)))
        return self.get(key) or reply

    def __len__(self) -> int:
        with self._translated():
            (number,) = self._file.execute("SELECT count(*) FROM replies").fetchone()
        return int(number)

    @property
    def num_bytes(self) -> int:
        """How much of the disk it takes, with what is written ahead."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.is_file())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            hint = "is the disk full, or not a local one?"
            raise StorageError(f"{self.path}: cannot be used: {error}", hint=hint) from error
        except sqlite3.DatabaseError as error:
            hint = "it is lost; remove it, and the judge is asked again"
            raise DataError(f"is no database of judges' replies: {error}", path=self.path, hint=hint) from error
