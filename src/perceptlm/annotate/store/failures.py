"""What a failure of the database means for whoever sent the request: again at once, later, or a fault of the program.

A failed commit may have been carried out all the same (its answer was lost), so requests are made to be sent again.
This module knows no table and opens nothing.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from perceptlm.annotate.refusals import NoSpace, Refused, Unavailable

_LOST_RACES = ("40001", "40P01", "55P03")
"""Serialisation failure, deadlock, lock not available."""
_AWAY = ("08", "53", "57P", "58", "25006")
"""No connection, no resources, shutting down or starting up, errors of the system, a standby."""
_DISK_FULL = "53100"
_SQLITE_AWAY = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
)


def is_lost_race(error: DBAPIError) -> bool:
    """Return whether doing the same again at once may succeed: lost races and locks, not full disks."""
    if isinstance(error, IntegrityError):
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _LOST_RACES
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def as_refusal(error: SQLAlchemyError) -> Refused | None:
    """Return the refusal for a failure that passes: a full disk, a database that is away; None for any other."""
    if isinstance(error, PoolTimeout):
        return _unavailable("too many requests wait for the database")
    if not isinstance(error, DBAPIError):
        return None
    state, code = getattr(error.orig, "sqlstate", None), _sqlite_code(error)
    if state == _DISK_FULL or code == sqlite3.SQLITE_FULL:
        return NoSpace(
            "disk_full", "the disk of the server is full: nothing was changed", hint="send the same request again later"
        )
    is_lost = error.connection_invalidated or (
        state is None and code is None and isinstance(error, OperationalError | InterfaceError)
    )
    if is_lost or code in _SQLITE_AWAY or (state is not None and state.startswith(_AWAY)):
        return _unavailable("the database does not answer; whether the change was made is not known")
    return None


def _unavailable(message: str) -> Unavailable:
    return Unavailable("unavailable", message, hint="send the same request again: it counts once")


def _sqlite_code(error: DBAPIError) -> int | None:
    """Return the primary code of an error of SQLite."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF
