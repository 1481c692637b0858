"""Fresh databases of both kinds for tests that break things: a PostgreSQL of their own, which may crash."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from annotation_load import Launcher
from annotation_service import FAST, Service
from filled_databases import filled_cluster, make_filled

from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.database import Database


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """The folder of a private PostgreSQL with a filled database `template`."""
    with filled_cluster() as folder:
        yield folder


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with people and a project."""
    path = tmp_path_factory.mktemp("filled") / "annotate.db"
    make_filled(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Starts servers in processes of their own."""
    with Launcher() as found:
        yield found


class Fresh:
    """Makes data directories, each with a fresh filled database of one kind."""

    def __init__(self, kind: str, folder: Path, source: Path) -> None:
        self.kind = kind
        self._folder, self.source = folder, source
        self._num_made = 0
        self.urls: dict[DataDirectory, str] = {}
        self._ends = ExitStack()

    def directory(self, name: str = "", *, is_filled: bool = True) -> tuple[DataDirectory, str]:
        """Return a new data directory and the URL of its database."""
        self._num_made += 1
        name = name or f"fresh_{self._num_made}"
        directory = DataDirectory.create(self._folder / name)
        if self.kind == "sqlite":
            shutil.copy(self.source, directory.path / "annotate.db")
            return directory, directory.database_url
        url = f"postgresql://plm@/{name}?host={self.source}"
        admin = f"host={self.source} user=plm dbname=postgres"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {'template' if is_filled else 'template0'}")
        return directory, url

    def service(self, settings: Settings = FAST) -> Service:
        """Return a service in this process, with a clock that is turned by hand; closed at the end."""
        directory, url = self.directory()
        clock = ManualClock()
        service = Service(Server(directory, Database(url, clock), settings, directory.secret()), clock, directory)
        self.urls[directory] = url
        self._ends.callback(service.close)
        return service

    def close(self) -> None:
        """Close the services."""
        self._ends.close()


@pytest.fixture
def fresh_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Fresh]]:
    """Makes a `Fresh` of a kind of database: `sqlite` or `postgresql`."""
    with ExitStack() as stack:

        def make(kind: str) -> Fresh:
            source = request.getfixturevalue("filled_file" if kind == "sqlite" else "postgres_folder")
            found = Fresh(kind, tmp_path, source)
            stack.callback(found.close)
            return found

        yield make


@pytest.fixture
def fresh_sqlite(fresh_of: Callable[[str], Fresh]) -> Fresh:
    """A `Fresh` of SQLite, for what has nothing to do with the database."""
    return fresh_of("sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, fresh_of: Callable[[str], Fresh]) -> Fresh:
    """A `Fresh` of each kind."""
    return fresh_of(request.param)
