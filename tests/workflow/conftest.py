"""Copies of the small demo that a test may damage."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def copy_demo(demo: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that gives a copy of the demo; its files are links, to be replaced and not written into."""
    return lambda: Path(shutil.copytree(demo, tmp_path / "demo", copy_function=os.link))


@pytest.fixture
def change_byte() -> Callable[[Path], None]:
    """Return a function that flips one bit of a file, without touching what the file is linked to."""

    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()
        path.write_bytes(data)

    return change
