"""Keeps gold out of reach: a statement that names a gold table is refused unless its transaction was opened for gold.

The check sits in the engine, below every query, so that no join written by mistake can show an annotator what the right
answer is. Values are bound, never part of the statement, so people's text cannot set it off or get round it.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Engine, event

GOLD_ALLOWED = "gold_allowed"
"""Execution option of a connection that was opened for gold."""
_NAMES_GOLD = re.compile(r"\bgold_(?:items|changes)\b", re.IGNORECASE)


class GoldReached(RuntimeError):
    """A statement names a gold table in a transaction that was not opened for it: a fault of the program."""


def guard(engine: Engine) -> None:
    """Refuse on `engine` every statement about gold outside transactions opened for it."""
    event.listen(engine, "before_cursor_execute", _check)


def _check(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    if _NAMES_GOLD.search(statement) and not connection.get_execution_options().get(GOLD_ALLOWED):
        raise GoldReached("a statement names a gold table in a transaction that was not opened for gold")
