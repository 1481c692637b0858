"""Transactions on SQLite or PostgreSQL: read, write, and write again where another writer was in the way.

SQLite: write-ahead log, foreign keys, one writer at a time, which takes its turn by a lock of this process and then by
`BEGIN IMMEDIATE`. PostgreSQL: writers read committed, rows locked by the services. On both a commit is on the disk
before it is acknowledged, and what only reads sees one moment. This module knows no table.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, insert, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from perceptlm.annotate.clock import Clock, SystemClock
from perceptlm.annotate.refusals import Conflict, Refused
from perceptlm.annotate.store.failures import as_refusal, is_lost_race
from perceptlm.annotate.store.gold_guard import GOLD_ALLOWED, guard
from perceptlm.errors import StorageError, UsageError
from perceptlm.log import logger

T = TypeVar("T")
BUSY_SECONDS = 30
MAX_TRIES = 5
POOL_SIZE = 20
LONGEST_TURN, LONGEST_TURN_SECONDS = 50, 0.1
"""So many items, and so long, one transaction of a long job holds back whoever submits; then others have their turn."""
PAUSE_SECONDS = 0.005
_WRITES = "writes"


class Database:
    """One database, with the clock of the server. Sessions carry the clock: `now(session)`."""

    def __init__(self, url: str, clock: Clock | None = None, *, is_lasting: bool = True) -> None:
        """Open `url`. Without `is_lasting` SQLite does not wait for the disk: for what is thrown away at the end."""
        self.clock = clock or SystemClock()
        self.engine = _engine(url)
        if not is_lasting:
            event.listen(self.engine, "connect", _wait_for_no_disk)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        guard(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def session(self, *, writes: bool, gold: bool = False) -> Iterator[Session]:
        """Yield a session in one transaction: committed at the end, rolled back if anything is raised.

        Raises NoSpace (507) where the disk is full, Unavailable (503) where the database does not answer.
        """
        turn = self._turn if writes and self.is_sqlite else nullcontext()
        options: dict[str, Any] = {_WRITES: writes, GOLD_ALLOWED: gold}
        if not writes and not self.is_sqlite:
            options["isolation_level"] = "REPEATABLE READ"
        try:
            with turn, Session(self.engine, expire_on_commit=False, info={"clock": self.clock}) as session:
                session.connection(execution_options=options)
                yield session
                session.commit()
        except SQLAlchemyError as error:
            refusal = None if isinstance(error, DBAPIError) and is_lost_race(error) else as_refusal(error)
            if refusal is None:
                raise
            logger.error("the database failed: %s", " ".join(str(error.args[0]).split())[:300])
            raise refusal from error

    def read(self, work: Callable[[Session], T], *, gold: bool = False) -> T:
        """Return what `work` finds in one transaction that changes nothing."""
        with self.session(writes=False, gold=gold) as session:
            return work(session)

    def write(self, work: Callable[[Session], T], *, gold: bool = False) -> T:
        """Do `work` in one transaction and return its result once it is committed.

        Where another writer was in the way (a deadlock, a lock that did not come, the same key at the same moment) it
        is done again from the beginning, so `work` may change nothing but the session. Raises Conflict if that goes on.
        """
        for attempt in range(MAX_TRIES):
            try:
                with self.session(writes=True, gold=gold) as session:
                    return work(session)
            except DBAPIError as error:
                if not is_lost_race(error):
                    raise
                if attempt == MAX_TRIES - 1:
                    raise Conflict(
                        "busy", "another change was in the way, several times", hint="send the same request again"
                    ) from error
        raise AssertionError("unreachable")


def insert_all(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows in one statement, whichever of their values are empty; none is no statement."""
    if rows:
        session.execute(insert(table), rows, execution_options={"render_nulls": True})


def now(session: Session) -> int:
    """Return the time of the server's clock in UTC milliseconds."""
    clock: Clock = session.info["clock"]
    return clock.now_ms()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(f"'{url}' is no database URL", hint="as in postgresql://user@host/name") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(f"databases of the kind '{parsed.drivername}' are not supported", hint="sqlite or postgresql")
    if parsed.drivername == "sqlite":
        engine = create_engine(
            parsed, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, connect_args={"timeout": BUSY_SECONDS}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(parsed, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_pre_ping=True)
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, record: Any) -> None:
    """Wait for each commit to be written, also where the cluster does not by itself; stricter settings stay."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.close()


def _wait_for_no_disk(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF").close()


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get(_WRITES, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def check_reachable(database: Database) -> None:
    """Raise StorageError unless the database answers."""
    try:
        with database.session(writes=False) as session:
            session.execute(text("SELECT 1"))
    except (SQLAlchemyError, Refused) as error:
        found = error.__cause__ or error
        raise StorageError(f"the database cannot be reached: {' '.join(str(found).split())[:300]}") from error
