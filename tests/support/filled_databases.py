"""Databases with the people and project of `annotation_service.fill`: a SQLite file, or a PostgreSQL of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from annotation_service import fill
from private_postgres import folder_of_programs, running_cluster

from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.migrate import migrate


def make_filled(url: str) -> None:
    """Migrate and fill the database at a URL."""
    database = Database(url, ManualClock())
    migrate(database)
    database.write(fill)
    database.close()


@contextmanager
def filled_cluster() -> Iterator[Path]:
    """Yield the folder of a running PostgreSQL with a filled database `template`; the test is skipped without one."""
    programs = folder_of_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: make test-services")
    with running_cluster(programs) as folder:
        with psycopg.connect(f"host={folder} user=plm dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE template")
        make_filled(f"postgresql://plm@/template?host={folder}")
        yield folder
