"""A copy of a data directory, consistent also while it is served: the database first, then the media it may name.

Media files never change and are never removed, so what the copied database names is there when they are copied. A team
on PostgreSQL copies the database with `pg_dump` instead. The secret is copied as well: keep the copy as safe.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from perceptlm.annotate.directory import DATABASE, FOLDERS, PACK_COPY, SECRET, DataDirectory
from perceptlm.errors import StorageError, UsageError


def copy_directory(source: Path, out: Path) -> int:
    """Copy the data directory `source` to the new directory `out`; return the number of media files."""
    DataDirectory.open(source)
    if out.exists():
        raise UsageError(f"{out}: exists already", hint="name a new directory")
    if not (source / DATABASE).is_file():
        raise UsageError(f"{source}: has no SQLite database", hint="copy a PostgreSQL database with pg_dump")
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        for name in FOLDERS:
            (partial / name).mkdir(mode=0o700)
        _copy_database(source / DATABASE, partial / DATABASE)
        files = sorted((source / "media").iterdir())
        for file in files:
            shutil.copy2(file, partial / "media" / file.name)
        for copy in sorted(source.glob(f"{PACK_COPY}*")):
            # Its media are in media/ already; a guideline shows its pictures.
            shutil.copytree(copy, partial / copy.name, ignore=shutil.ignore_patterns("media"))
        shutil.copy2(source / SECRET, partial / SECRET)
        partial.rename(out)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"{out}: the copy cannot be made: {error}") from error
    return len(files)


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
