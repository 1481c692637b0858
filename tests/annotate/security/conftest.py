"""One attacked server for all tests of this folder: what they write is taken back, unless they ask for a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from attack_requests import IN_STEPS, operations, request_of
from attacked_service import COLUMNS, World, copy_of, make_world
from filled_databases import make_filled

from perceptlm.annotate.directory import DataDirectory


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose writes are done and then taken back."""
    folder = tmp_path_factory.mktemp("attacked") / "data"
    make_filled(DataDirectory.create(folder).database_url)
    made = make_world(folder)
    yield made
    made.close()


@pytest.fixture(scope="session")
def answered(world: World) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What everybody of COLUMNS is answered by every operation: by (method, path, action), then by who asked."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for method, path, action in operations(world):
        for who in COLUMNS:
            request = request_of(world, method, path, who)
            # What takes several transactions finds nothing of its first one where that is taken back.
            with world.kept() if f"{method} {path}" in IN_STEPS else nullcontext():
                answer = world.ask(who, method, request.path, **request.options)
            assert answer.status_code < 500, (method, path, who, answer.text)
            found.setdefault((method, path, action), {})[who] = answer
    return found


@pytest.fixture
def own_world(world: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it in which writes stay."""
    made = copy_of(world, tmp_path / "copy")
    yield made
    made.close()
