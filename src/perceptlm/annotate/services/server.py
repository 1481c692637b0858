"""What a running server holds: directory, database, settings, the secret, and pictures decoded lately."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import BoundedSemaphore

from perceptlm.annotate.clock import Clock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.frames.pictures import PictureService
from perceptlm.annotate.settings import Settings
from perceptlm.annotate.store.database import Database, check_reachable
from perceptlm.annotate.store.migrate import migrate


@dataclass
class Server:
    """One server. `open_server` makes it; `close` ends it."""

    directory: DataDirectory
    database: Database
    settings: Settings
    secret: bytes
    pictures: PictureService = field(default_factory=PictureService)
    at_work: set[int] = field(default_factory=set)
    """Releases that a request is at work on: not to be taken for ones that were left."""

    def __post_init__(self) -> None:
        """Make the gate that passwords are checked behind: each check takes a processor and much memory."""
        places = self.settings.logins_at_once
        self.checking = BoundedSemaphore(places)
        self.waiting = BoundedSemaphore(places + self.settings.logins_waiting)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_server(
    directory: DataDirectory,
    *,
    database_url: str | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    is_lasting: bool = True,
) -> Server:
    """Open a data directory, bring its database to the newest revision, and return the server.

    `is_lasting`: see `store.database`. UsageError for a secret that could be guessed; StorageError for a database that
    cannot be used.
    """
    secret = directory.secret()
    database = Database(database_url or directory.database_url, clock, is_lasting=is_lasting)
    check_reachable(database)
    migrate(database)
    return Server(directory, database, settings or Settings(), secret)
