"""Each test of the service runs on SQLite and on PostgreSQL, every time on a fresh copy of a filled database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from annotation_service import FAST, Service
from filled_databases import filled_cluster, make_filled

from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.database import Database


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a private PostgreSQL with a migrated database `template`, without the database's name."""
    with filled_cluster() as folder:
        yield f"postgresql://plm@/{{name}}?host={folder}"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with people and a project."""
    path = tmp_path_factory.mktemp("migrated") / "annotate.db"
    make_filled(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh filled database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "annotate.db")
        yield f"sqlite:///{tmp_path / 'annotate.db'}"
        return
    address: str = request.getfixturevalue("cluster")
    with psycopg.connect(address.format(name="postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh TEMPLATE template")
        yield address.format(name="fresh")
        connection.execute("DROP DATABASE fresh WITH (FORCE)")


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A server with people and a project, on either database."""
    yield from _service(database_url, tmp_path)


@pytest.fixture
def sqlite_service(migrated_file: Path, tmp_path: Path) -> Iterator[Service]:
    """A server on SQLite, for what has nothing to do with the database."""
    shutil.copy(migrated_file, tmp_path / "annotate.db")
    yield from _service(f"sqlite:///{tmp_path / 'annotate.db'}", tmp_path)


def _service(url: str, folder: Path) -> Iterator[Service]:
    clock = ManualClock()
    directory = DataDirectory.create(folder / "data")
    server = Server(directory, Database(url, clock), FAST, directory.secret())
    found = Service(server, clock, directory)
    yield found
    found.close()
