"""The one clock of the service: UTC in whole milliseconds since 1970, put in from outside so that tests can turn it.

Nothing else in `annotate` reads the time of the machine. A clock may jump; leases are therefore guarded by fences, and
the order of events by their sequence numbers, never by times alone.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01T00:00Z."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01T00:00Z."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands still until it is moved, forwards or backwards."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        """Return the time it was set to."""
        return self._now_ms

    def move_seconds(self, seconds: float) -> None:
        """Move by `seconds`; negative values move back."""
        self._now_ms += round(seconds * 1000)
