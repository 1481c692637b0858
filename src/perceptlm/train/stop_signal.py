"""Being asked to stop: a run that gets SIGTERM, SIGUSR1 or Ctrl-C ends its step, saves and leaves.

A scheduler sends one of these before it takes a machine back. A second one ends the process as it always did.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from perceptlm.errors import PerceptLMError

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(PerceptLMError):
    """A run that was asked to stop has saved its state and left; `exit_code` is that of its signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message, hint="the same command goes on from there")
        self.exit_code = 128 + signal_number


class StopRequest:
    """The signal that came, 0 if none has."""

    signal_number = 0


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Take note of signals to stop, within this context. In a thread other than the first there is nothing to hear."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    # What is ignored, as Ctrl-C is by a job in the background, stays ignored.
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}

    def note(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
