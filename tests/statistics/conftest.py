"""Worked examples shared by the tests of intervals and paired differences."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors() -> dict[str, dict[str, Any]]:
    """Worked examples of the statistics, by id."""
    path = Path(__file__).parent / "data" / "vectors.json"
    return {entry["id"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))["vectors"]}
