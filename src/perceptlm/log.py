"""Where messages for people go: one stderr console, so that stdout stays clean for `--json` and pipes.

Nothing here is imported by code that must run without `rich`; nothing here decides what is worth saying.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

logger = logging.getLogger("perceptlm")
_hidden = False


@cache
def console() -> Console:
    """Return the shared console on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def progress(*extra_fields: str) -> Progress:
    """Return a progress bar with counts, elapsed and remaining time; `extra_fields` name extra columns.

    A column `name` shows `task.fields["name"]`; give it with `add_task(..., name="")` and `update(..., name=...)`.
    Off a terminal it draws nothing.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        *(TextColumn(f"{{task.fields[{name}]}}") for name in extra_fields),
        console=console(),
        disable=_hidden or not console().is_terminal,
    )


def hide_progress() -> None:
    """Draw no progress bars in this process from now on: another one that shares its terminal draws them."""
    global _hidden
    _hidden = True
