"""Where the demo's time goes: seconds per step, kept over interrupted runs. Knows no step."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from perceptlm import artifact
from perceptlm.log import console


@dataclass
class Clock:
    """Seconds per step, kept in the run record `record` of `folder` and added up over interrupted runs."""

    folder: Path
    record: str
    says_steps: bool = True
    seconds: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Go on from the seconds on record."""
        path = self.folder / artifact.RUN_FOLDER / f"{self.record}.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.seconds = {name: float(value) for name, value in known.items()}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the step `name`, also if it ends with an error."""
        if self.says_steps:
            console().print(f"[bold]{name}[/bold]")
        began = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
            artifact.write_run_record(self.folder, self.record, self.seconds)
