"""The data directory of a server: database, secret, media, proxies, exports, copies of packs, and nothing else.

Names of files in it are made of digests, never of what a request says. This module opens no database.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from perceptlm.errors import StorageError, UsageError

SECRET, DATABASE = "secret", "annotate.db"
FOLDERS = ("media", "proxies", "exports", "incoming")
PACK_COPY = "pack-"
MIN_SECRET_CHARACTERS = 32
DEFAULT_SECRETS = frozenset({"change-me", "changeme", "secret", "default", "development", "test"})
_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,4}")


@dataclass(frozen=True)
class DataDirectory:
    """A directory made by `create`."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> DataDirectory:
        """Make the directory with a new secret; one that is there already is kept as it is."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in FOLDERS:
                (path / name).mkdir(exist_ok=True, mode=0o700)
            if not (path / SECRET).exists():
                descriptor = os.open(path / SECRET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_urlsafe(48) + "\n")
        except OSError as error:
            raise StorageError(f"{path}: cannot be made: {error.strerror or error}") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> DataDirectory:
        """Return the directory at `path`; UsageError if it was not made by `plm annotate init`."""
        if not (path / SECRET).is_file():
            raise UsageError(f"{path}: is not a data directory", hint="make one: plm annotate init DIR --owner NAME")
        for name in FOLDERS:
            (path / name).mkdir(exist_ok=True, mode=0o700)
        return cls(path)

    def secret(self) -> bytes:
        """Return the secret that tokens are made with; UsageError for one that others could guess."""
        text = (self.path / SECRET).read_text(encoding="utf-8").strip()
        is_default = text.lower() in DEFAULT_SECRETS or len(set(text)) < 8
        if len(text) < MIN_SECRET_CHARACTERS or is_default:
            raise UsageError(
                f"{self.path / SECRET}: the secret is too short (under {MIN_SECRET_CHARACTERS}) or easily guessed",
                hint="remove the file and run plm annotate init again: everybody has to sign in anew",
            )
        return text.encode()

    @property
    def database_url(self) -> str:
        """The SQLite database of the directory."""
        return f"sqlite:///{(self.path / DATABASE).resolve()}"

    def media_file(self, sha256: str, suffix: str) -> Path:
        """Return where the media of this digest lies."""
        return self._file("media", sha256, suffix)

    def proxy_file(self, sha256: str) -> Path:
        """Return where the constant-rate copy of a video lies."""
        return self._file("proxies", sha256, "webm")

    def pack_copy(self, pack_id: str) -> Path:
        """Return where the copy of the pack lies that a project was made from."""
        return self.path / f"{PACK_COPY}{pack_id}"

    def incoming_file(self) -> Path:
        """Return a new name for an upload that was not yet looked at."""
        return self.path / "incoming" / secrets.token_hex(16)

    def _file(self, folder: str, sha256: str, suffix: str) -> Path:
        name = f"{sha256}.{suffix}"
        if not _NAME.fullmatch(name):
            raise StorageError(f"'{name}' is no name of a file here")
        return self.path / folder / name
